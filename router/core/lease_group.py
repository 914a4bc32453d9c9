"""The slots of one version's replicas, and which holder may use how many of each.

Invariants (tests/core/test_leases_walk.py walks them):
- a lease is only sent for slots that are free: of each replica, slots - the sum of all ceilings, and none while other
  holders may have leases that are not known here;
- nothing is said while nobody starves and no slot is free.

What is free goes at once: to the starving, the greatest claim first, else evenly to all, so that the next request finds
a slot at hand. While somebody starves all others are asked for what lies idle there, and where one is owed slots,
somebody who uses more than its part is asked to yield one.

`LeaseTable` is its only caller: `accrue` first, then what happened, then `settle`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from router.core.lease_outbox import RESEND_S, LeaseOutbox
from router.core.lease_party import ANSWER_S, Party
from router.core.leasehold import Leasehold
from router.core.leases import Bound, Demand, Group

YIELD_S = 0.1
"""A holder that was asked to yield and did not is not asked again before it has, but after this another one is."""
SOON_S = 0.001
"""`settle` asks for no earlier turn: a debt that is due within this has no need of its own."""

Preference = Callable[[str, str], int]
"""Replica and holder: of equals, who gives the greater number gets the slot."""
Lowered = Callable[[Group, str], None]
"""A replica's bound (`LeaseGroup.bound_of`) fell."""


class LeasedReplica:
    __slots__ = ("added", "id", "in_use", "slots")

    def __init__(self, id: str) -> None:
        self.id = id
        self.slots = 0
        self.in_use = 0
        """The sum of all ceilings."""
        self.added = False
        """False: removed, or known only by what a holder has of it."""

    def __repr__(self) -> str:
        return f"<LeasedReplica {self.id} {self.in_use}/{self.slots}>"


class LeaseGroup:
    def __init__(self, name: Group, outbox: LeaseOutbox, prefer: Preference, lowered: Lowered) -> None:
        self.name = name
        self.frozen = False
        """Others may have leases that are not known here: nothing is given out."""
        self._outbox = outbox
        self._prefer = prefer
        self._lowered = lowered
        self._replicas: dict[str, LeasedReplica] = {}
        self._parties: dict[str, Party] = {}
        self._slots = 0
        """Of all replicas."""
        self._roomy: dict[str, LeasedReplica] = {}
        """Replicas with a free slot."""
        self._hungry = 0
        self._yields = 0
        """What is to be given up, to holders of other tables."""
        self._accrued_at = 0.0

    # -- what there is

    @property
    def empty(self) -> bool:
        return not self._replicas and not any(party.demand for party in self._parties.values())

    def slots(self, replica: str) -> int:
        known = self._replicas.get(replica)
        return known.slots if known else 0

    def in_use(self, replica: str) -> int:
        known = self._replicas.get(replica)
        if known is None:
            return 0
        return max(known.slots, known.in_use) if self.frozen else known.in_use

    def bound_of(self, replica: str) -> int:
        """How many slots of it can be in use or come into use here, while nothing is added."""
        known = self._replicas.get(replica)
        return 0 if known is None else max(known.slots, known.in_use)

    def ceiling(self, holder: str, replica: str) -> int:
        party = self._parties.get(holder)
        holding = party.holdings.get(replica) if party else None
        return holding.ceiling if holding else 0

    @property
    def starves(self) -> bool:
        return any(party.lack for party in self._joined())

    def totals(self, now: float) -> Demand:
        """For the next level, where nobody waits who gets what another holder here is about to hand back."""
        lacking = sum(party.lack - party.coming(now) for party in self._joined())
        return Demand(self.name, max(0, lacking), sum(party.in_flight for party in self._parties.values()))

    def __repr__(self) -> str:
        used = sum(replica.in_use for replica in self._replicas.values())
        return f"<LeaseGroup {'/'.join(self.name)} {used}/{self._slots} {list(self._parties.values())}>"

    # -- what happens

    def accrue(self, now: float) -> None:
        seconds, self._accrued_at = now - self._accrued_at, now
        for party in self._joined():
            if party.demand:
                party.account.accrue(seconds)
            else:
                party.account.forget()

    def resize(self, replica: str, slots: int) -> None:
        known = self._known(replica)
        known.added = True
        self._set(known, slots=slots)
        self._fit(known)

    def remove(self, replica: str) -> None:
        known = self._replicas.get(replica)
        if known is not None:
            known.added = False
            self._set(known, slots=0)
            self._fit(known)

    def join(self, holder: str) -> None:
        party = self._parties.setdefault(holder, Party(holder))
        party.joined = True
        party.forgot()
        for replica, holding in list(party.holdings.items()):
            if not holding.confirmed:
                # by another number, so that nothing it said before is taken for an answer
                self._lease(party, self._replicas[replica], 0)
            self._fit(self._replicas[replica])

    def part(self, holder: str) -> bool:
        """It is out of reach. True: it may go on with what it has."""
        party = self._parties.get(holder)
        if party is None:
            return False
        party.joined = False
        party.queued = party.unusable = 0
        party.account.forget()
        if not party.have:
            del self._parties[holder]
        return party.have > 0

    def lose(self, holder: str) -> None:
        """All that it has is free."""
        party = self._parties.pop(holder, None)
        if party is not None:
            for replica in list(party.holdings):
                self._drop(party, replica)

    def adopt(self, holder: str, bound: Bound) -> None:
        """What it has by leases of another lessor. A replica that nobody added is left to it while `frozen`."""
        party = self._parties.setdefault(holder, Party(holder))
        known = self._known(bound.replica)
        holding = party.holdings.setdefault(bound.replica, Leasehold())
        unseen, ceiling = not holding.confirmed, holding.ceiling
        holding.claimed(bound.number, bound.bound)
        self._learnt(party, known, holding, unseen, ceiling)
        self._fit(known)

    def bound(self, holder: str, bound: Bound, now: float) -> None:
        party = self._parties.get(holder)
        holding = party.holdings.get(bound.replica) if party else None
        if party is None or holding is None:
            return
        unseen, ceiling, limit = not holding.confirmed, holding.ceiling, holding.limit
        holding.bounded(bound.number, bound.bound)
        if holding.limit < limit:
            party.sated_until = now + ANSWER_S
            if unseen and holding.confirmed and not party.asked:
                party.declined_until = now + ANSWER_S
        self._learnt(party, self._replicas[bound.replica], holding, unseen, ceiling)

    def demand(self, holder: str, demand: Demand) -> None:
        self._parties.setdefault(holder, Party(holder)).wants(demand)

    def give_up(self, hungry: int, yields: int) -> None:
        self._hungry = hungry
        self._yields = yields

    def thaw(self) -> None:
        self.frozen = False
        for replica in list(self._replicas.values()):
            self._fit(replica)

    def settle(self, now: float) -> float | None:
        """Gives what is free, asks for what is lacking. Returns when it wants another turn though nothing happens."""
        if not self.frozen:
            self._give(now)
        self._judge()
        return self._ask(now)

    # -- giving

    def _give(self, now: float) -> None:
        for replica in list(self._roomy.values()):
            while (free := replica.slots - replica.in_use) > 0:
                if self._yields:
                    self._give_up(replica)
                elif lacking := [party for party in self._joined() if party.lack]:
                    takers = [party for party in lacking if now >= party.sated_until]
                    if not takers:
                        break  # whom else it was given would be asked for it at once
                    taker = max(takers, key=lambda party: party.account.claim(min(party.have, party.demand)))
                    self._lease(taker, replica, min(free, taker.lack) if len(takers) == 1 else 1)
                elif self._hungry:
                    self._give_up(replica)
                elif not self._spread(replica, free, now):
                    break

    def _give_up(self, replica: LeasedReplica) -> None:
        self._hungry = max(0, self._hungry - 1)
        self._yields = max(0, self._yields - 1)
        self._set(replica, slots=replica.slots - 1)

    def _spread(self, replica: LeasedReplica, free: int, now: float) -> bool:
        """Not to whoever has just declined one: it would do so again, without end."""
        takers = (party for party in self._joined() if now >= party.declined_until)
        parties = sorted(takers, key=lambda party: (party.have, -self._prefer(replica.id, party.holder)))
        for party, slots in zip(parties, levelled([party.have for party in parties], free), strict=True):
            if slots:
                self._lease(party, replica, slots)
        return bool(parties)

    def _lease(self, party: Party, replica: LeasedReplica, more: int) -> None:
        """`more` slots than it may use now; or fewer."""
        holding = party.holdings.setdefault(replica.id, Leasehold())
        unseen, ceiling, limit = not holding.confirmed, holding.ceiling, holding.limit + more
        holding.lease(self._outbox.lease(party.holder, self.name, replica.id, limit), limit)
        if more > 0:
            party.hungry = 0  # what is leased now is to be asked for, too
        self._learnt(party, replica, holding, unseen, ceiling)

    def _fit(self, replica: LeasedReplica) -> None:
        """Lowers limits where they are more than there are slots, of those first that need them least."""
        if self.frozen and not replica.added:
            return
        limits = {party: self._limit(party, replica) for party in self._parties.values()}
        away = sum(self.ceiling(party.holder, replica.id) for party in self._parties.values() if not party.joined)
        new = {party: limit for party, limit in limits.items() if limit and party.joined}
        excess = min(away + sum(new.values()) - replica.slots, sum(new.values()))
        for _ in range(excess):
            spares = (party for party, limit in new.items() if limit)
            spare = max(spares, key=lambda party: party.have - party.demand - limits[party] + new[party])
            new[spare] -= 1
        for party, limit in new.items():
            if limit < limits[party]:
                self._lease(party, replica, limit - limits[party])

    # -- asking

    def _judge(self) -> None:
        """What each one's fair part is of the slots that those who are here can have."""
        parties = list(self._joined())
        away = sum(party.have for party in self._parties.values() if not party.joined)
        wanted = sum(party.demand for party in parties)
        part = min(1.0, max(0, self._slots - away) / wanted) if wanted and not self.frozen else 0.0
        for party in parties:
            used = min(party.have, party.demand)
            party.account.judge(party.demand * part if part else used, used)

    def _ask(self, now: float) -> float | None:
        parties = list(self._joined())
        lacking = sum(party.lack for party in parties)
        self._choose_yields(parties, now)
        turns: list[float] = []
        for party in parties:
            hungry = min(party.have, lacking - party.lack + self._hungry)
            if hungry or party.yields:
                stale = now >= party.asked_at + RESEND_S
                if stale or (hungry > 0) != (party.hungry > 0) or party.yields != party.yields_asked:
                    self._recall(party, hungry, now)
                answered = party.asked_at + ANSWER_S
                turns.append(answered if hungry and now < answered else party.asked_at + RESEND_S)
            elif party.asked:
                self._recall(party, 0, now)
            if party.yields and now < party.yield_at + YIELD_S:
                turns.append(party.yield_at + YIELD_S)
            if party.lack and now < party.sated_until:
                turns.append(party.sated_until)
            if party.lack and (wait := party.account.deserves_in) is not None:
                turns.append(now + max(SOON_S, wait))
        return min(turns, default=None)

    def _recall(self, party: Party, hungry: int, now: float) -> None:
        party.hungry, party.yields_asked = hungry, party.yields
        party.asked, party.asked_at = hungry > 0 or party.yields > 0, now
        self._outbox.recall(party.holder, self.name, hungry, party.yields)

    def _choose_yields(self, parties: list[Party], now: float) -> None:
        """One slot for each that is owed one, each of another holder, those first that are owed least."""
        owed = [party.account.owed for party in parties if party.lack and party.account.deserves]
        takers = len(owed) + self._yields
        if not takers:
            for party in parties:
                party.yields = 0
            return
        takers -= sum(party.yields > 0 and now < party.yield_at + YIELD_S for party in parties)
        most = max(owed, default=0.0)
        givers = [
            party
            for party in parties
            if party.have
            and not party.yields
            and (self._yields or (party.account.used > party.account.fair and party.account.owed < most))
        ]
        for giver in sorted(givers, key=lambda party: party.account.owed)[: max(0, takers)]:
            giver.yields, giver.yield_at = 1, now

    # -- keeping count

    def _joined(self) -> Iterator[Party]:
        return (party for party in self._parties.values() if party.joined)

    def _known(self, replica: str) -> LeasedReplica:
        return self._replicas.setdefault(replica, LeasedReplica(replica))

    def _limit(self, party: Party, replica: LeasedReplica) -> int:
        holding = party.holdings.get(replica.id)
        return holding.limit if holding else 0

    def _learnt(self, party: Party, replica: LeasedReplica, holding: Leasehold, unseen: bool, ceiling: int) -> None:
        """A leasehold changed; it was `unseen` and had this `ceiling` before."""
        party.unseen += (not holding.confirmed) - unseen
        if holding.ceiling < ceiling:
            party.handed_back(ceiling - holding.ceiling)
        else:
            party.have += holding.ceiling - ceiling
        if holding.confirmed:
            self._outbox.answered(party.holder, self.name, replica.id)
        if not holding.ceiling:
            self._drop(party, replica.id)
        self._set(replica, in_use=replica.in_use + holding.ceiling - ceiling)

    def _drop(self, party: Party, replica: str) -> None:
        """Whatever it may have of the replica is free."""
        holding = party.holdings.pop(replica)
        party.unseen -= not holding.confirmed
        party.have -= holding.ceiling
        self._outbox.answered(party.holder, self.name, replica)
        known = self._replicas[replica]
        self._set(known, in_use=known.in_use - holding.ceiling)

    def _set(self, replica: LeasedReplica, *, slots: int | None = None, in_use: int | None = None) -> None:
        bound = max(replica.slots, replica.in_use)
        if slots is not None:
            self._slots += slots - replica.slots
            replica.slots = slots
        if in_use is not None:
            replica.in_use = in_use
        if replica.slots > replica.in_use:
            self._roomy[replica.id] = replica
        else:
            self._roomy.pop(replica.id, None)
        if not replica.added and not replica.in_use:
            self._replicas.pop(replica.id, None)
        if max(replica.slots, replica.in_use) < bound:
            self._lowered(self.name, replica.id)


def levelled(totals: Sequence[int], more: int) -> list[int]:
    """How many of `more` go to each, so that the lowest are raised first; `totals` ascend."""
    rising = 1
    while rising < len(totals) and sum(totals[rising] - total for total in totals[:rising]) <= more:
        rising += 1
    height = totals[rising - 1] if totals else 0
    each, rest = divmod(more - sum(height - total for total in totals[:rising]), rising)
    gets = [height - total + each + (place < rest) for place, total in enumerate(totals[:rising])]
    return gets + [0] * (len(totals) - rising)
