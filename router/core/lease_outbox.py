"""What a lease table says to its holders, and which leases no bound has answered yet.

Invariant: numbers grow over all that is said, so whatever a holder of a name that was used before may still say is told
apart by its number. A recall is not answered and not kept: it is said anew while it is needed.
"""

from __future__ import annotations

from router.core.leases import Group, Lease, Recall

RESEND_S = 1.0
"""After so long without an answer a lease is sent again, and a recall that still stands."""

Effect = tuple[str, Lease | Recall]
"""A holder, and what it is to be told."""
Place = tuple[Group, str]
"""A version and one of its replicas."""


class LeaseOutbox:
    def __init__(self) -> None:
        self._number = 0
        self._unanswered: dict[str, dict[Place, tuple[Lease, float]]] = {}
        """By holder; the longest unanswered first, with the time when it was last sent."""
        self._leases: dict[tuple[str, Place], Lease] = {}
        self._recalls: dict[tuple[str, Group], Recall] = {}

    @property
    def number(self) -> int:
        """The greatest that was given."""
        return self._number

    def beyond(self, number: int) -> None:
        """What is said from now on has greater numbers than this."""
        self._number = max(self._number, number)

    def lease(self, holder: str, group: Group, replica: str, limit: int) -> int:
        """Returns its number. A second one in the same breath takes the place of the first."""
        self._number += 1
        self._leases[holder, (group, replica)] = Lease(group, replica, self._number, limit)
        return self._number

    def recall(self, holder: str, group: Group, hungry: int, yields: int) -> None:
        self._number += 1
        self._recalls[holder, group] = Recall(group, self._number, hungry, yields)

    def answered(self, holder: str, group: Group, replica: str) -> None:
        """Also when nobody is left to answer."""
        self._leases.pop((holder, (group, replica)), None)
        if holder in self._unanswered:
            self._unanswered[holder].pop((group, replica), None)

    def overdue(self, now: float) -> None:
        for holder, unanswered in self._unanswered.items():
            for place, (lease, sent) in unanswered.items():
                if now < sent + RESEND_S:
                    break
                self._leases.setdefault((holder, place), lease)

    def due(self) -> float | None:
        """When something is overdue, if nothing is answered before."""
        firsts = [next(iter(unanswered.values()))[1] for unanswered in self._unanswered.values() if unanswered]
        return min(firsts) + RESEND_S if firsts else None

    def take(self, now: float) -> list[Effect]:
        """All that was said since the last time, to be sent in this order.

        The end of a recall goes before a lease, so that what is leased is not handed back; another recall after it, so
        that it is about what is leased, too.
        """
        for (holder, place), lease in self._leases.items():
            unanswered = self._unanswered.setdefault(holder, {})
            unanswered.pop(place, None)
            unanswered[place] = lease, now
        recalls: list[tuple[str, Recall]] = [(holder, recall) for (holder, _), recall in self._recalls.items()]
        leases: list[Effect] = [(holder, lease) for (holder, _), lease in self._leases.items()]
        self._leases.clear()
        self._recalls.clear()
        ends = [(holder, recall) for holder, recall in recalls if not recall.hungry and not recall.yields]
        return [*ends, *leases, *((holder, recall) for holder, recall in recalls if recall.hungry or recall.yields)]

    def forget(self, holder: str) -> None:
        """Nothing reaches it."""
        self._unanswered.pop(holder, None)
