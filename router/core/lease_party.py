"""One holder's part in a group: its leaseholds, what it wants, and what it was asked to hand back.

`LeaseGroup` is its only writer.
"""

from __future__ import annotations

from router.core.fairness import Account
from router.core.leasehold import Leasehold
from router.core.leases import Demand

ANSWER_S = 0.01
"""So long after a recall idle slots are taken to be on their way; what did not come back by then is in use. And so long
after a holder handed a slot back nothing is given to it, unless it says anew that requests wait."""


class Party:
    __slots__ = (
        "account",
        "asked",
        "asked_at",
        "declined_until",
        "have",
        "holder",
        "holdings",
        "hungry",
        "in_flight",
        "joined",
        "queued",
        "sated_until",
        "unseen",
        "unusable",
        "yield_at",
        "yields",
        "yields_asked",
    )

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self.joined = False
        self.holdings: dict[str, Leasehold] = {}
        """By replica; none of ceiling 0 is kept."""
        self.have = 0
        """The sum of their ceilings."""
        self.unseen = 0
        """How many of them have a lease on its way."""
        self.queued = 0
        self.in_flight = 0
        self.sated_until = 0.0
        """It handed something back, so it has no need of slots, whatever it said before."""
        self.declined_until = 0.0
        """It answered a lease by handing it back though nobody asked for that: it knows no such version (any more)."""
        self.unusable = 0
        """Slots that it has and did not use when it said that requests wait: it cannot reach their replicas."""
        self.account = Account()
        # the recall that stands there: what is left of it, as far as is known here, and when it was last said
        self.asked = False
        self.asked_at = 0.0
        self.hungry = 0
        self.yields_asked = 0
        # whether it is to yield a slot, and since when
        self.yields = 0
        self.yield_at = 0.0

    @property
    def demand(self) -> int:
        return self.queued + self.in_flight

    @property
    def lack(self) -> int:
        """How many requests wait for which no slot is on its way."""
        return max(0, min(self.queued, self.demand + self.unusable - self.have))

    def coming(self, now: float) -> int:
        """Slots that it is about to hand back: what was asked for just now, as far as they may lie idle."""
        if self.queued or now >= self.asked_at + ANSWER_S:
            return 0
        return max(0, min(self.hungry, self.have - self.in_flight))

    def wants(self, demand: Demand) -> None:
        self.sated_until = 0.0
        self.queued = demand.queued
        self.in_flight = demand.in_flight
        unused = max(0, self.have - self.in_flight)
        # with leases on their way it may not have known of all that it has
        self.unusable = 0 if not self.queued else min(self.unusable, unused) if self.unseen else unused

    def handed_back(self, slots: int) -> None:
        """Its ceilings fell, which counts for what it was asked."""
        self.have -= slots
        self.hungry = max(0, self.hungry - slots)
        self.yields = max(0, self.yields - slots)
        self.yields_asked = max(0, self.yields_asked - slots)

    def forgot(self) -> None:
        """It joined, so no recall stands there."""
        self.asked = False
        self.hungry = self.yields = self.yields_asked = 0

    def __repr__(self) -> str:
        away = "" if self.joined else " away"
        return f"<Party {self.holder}{away} have={self.have} {self.queued}+{self.in_flight} {self.account}>"
