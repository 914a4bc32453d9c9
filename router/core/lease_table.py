"""The lessor's side of leases: which holder may use how many slots of which replica, and what the holders are told.

The same on both levels: a control process leases to its workers, the coordinator to the control processes of all pods.

Invariants (tests/core/test_leases_walk.py, tests/core/test_leases_exhaustive.py):
- (a) no lease is given that could let the holders of a replica use more than its slots, whatever is lost, doubled,
  overtaken or crashes; where slots become fewer, or a holder brings leases that nobody here knew of, limits are lowered
  and nothing is given until it fits again;
- (b) nobody starves while a slot is free here or idle at a holder that joined, but while messages are on their way;
- (c) nothing is said while all holders find leases at hand;
- (d) every slot of a holder that is lost comes back.

Pure. Times are monotonic seconds. What a method returns is to be sent, in that order. Callers: the shells of the two
levels, which send, receive, and call `tick` at `due`.

A holder that joins anew first tells the bounds of all replicas that it has seen leases of, 0 too (`adopt`), and forgets
the recalls of before: another lessor's have numbers of their own. No lease that was sent on its former connection may
reach it any more; a bound may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf

from router.core.lease_group import LeaseGroup, Lowered, Preference
from router.core.lease_outbox import Effect, LeaseOutbox
from router.core.leases import Bound, Demand, Group
from router.core.sharing import preference

BackAt = Callable[[Group], float] | Mapping[Group, float]
"""When the slots of a silent holder are certainly free: the end of its leases and of the version's longest request."""


def _nobody(group: Group, replica: str) -> None:
    """Nobody wants to know that a bound fell."""


class LeaseTable:
    """`lowered` is told, amid a call, when `bound_of` a replica falls: a pod owes its own lessor a `Bound` then."""

    def __init__(self, prefer: Preference = preference, lowered: Lowered = _nobody) -> None:
        self._prefer = prefer
        self._lowered = lowered
        self._outbox = LeaseOutbox()
        self._groups: dict[Group, LeaseGroup] = {}
        self._turns: dict[Group, float] = {}
        """When a group wants to be settled though nothing happens."""
        self._joined: dict[str, None] = {}
        self._back_at: dict[str, dict[Group, float]] = {}
        """Of holders that are out of reach."""
        self._awaited: set[str] = set()
        self._known_at: float | None = None
        """Until then other holders may have leases that are not known here; None: there are none."""

    # -- replicas

    def add_replica(self, group: Group, replica: str, slots: int, now: float) -> Sequence[Effect]:
        """Its slots go to the holders at once."""
        return self.resize(group, replica, slots, now)

    def resize(self, group: Group, replica: str, slots: int, now: float) -> Sequence[Effect]:
        """It has so many slots from now on, 0 and more. Fewer than are in use: limits are lowered."""
        at = self._group(group, now)
        at.resize(replica, slots)
        return self._settled([at], now)

    def remove_replica(self, group: Group, replica: str, now: float) -> Sequence[Effect]:
        """Nobody gets a slot of it any more. It is forgotten when nobody can be using one."""
        at = self._group(group, now)
        at.remove(replica)
        return self._settled([at], now)

    # -- holders

    def adopt(self, holder: str, bounds: Iterable[Bound], now: float) -> Sequence[Effect]:
        """What a holder has as it says itself, before it joins (again)."""
        groups: dict[Group, LeaseGroup] = {}
        for bound in bounds:
            self._outbox.beyond(bound.number)
            group = groups.setdefault(bound.group, self._group(bound.group, now))
            group.adopt(holder, bound)
        return self._settled(groups.values(), now)

    def join(self, holder: str, now: float) -> Sequence[Effect]:
        """It may be leased slots from now on. What it has not answered is leased anew."""
        self._joined[holder] = None
        self._back_at.pop(holder, None)
        for group in self._each(now):
            group.join(holder)
        self._reported(holder)
        return self._settled(self._groups.values(), now)

    def silent(self, holder: str, now: float, back_at: BackAt) -> Sequence[Effect]:
        """It is out of reach and may go on with what it has, which comes back at `back_at`, unless it joins before."""
        self._joined.pop(holder, None)
        self._outbox.forget(holder)
        until = back_at if callable(back_at) else back_at.__getitem__
        self._back_at[holder] = {group.name: until(group.name) for group in self._each(now) if group.part(holder)}
        return self._settled(self._groups.values(), now)

    def dead(self, holder: str, now: float) -> Sequence[Effect]:
        """Its process is known to have ended: all it had is free."""
        self._joined.pop(holder, None)
        self._back_at.pop(holder, None)
        for group in self._each(now):
            group.lose(holder)
        self._outbox.forget(holder)
        self._reported(holder)
        return self._settled(self._groups.values(), now)

    def leave(self, holder: str, now: float) -> Sequence[Effect]:
        """It says itself that it uses nothing and never will."""
        return self.dead(holder, now)

    def unknown_until(self, at: float, awaited: Iterable[str]) -> None:
        """For a fresh lessor, before anybody joins: there may be leases of its predecessor until all `awaited` joined
        or died.

        At `at` they have certainly run out; inf: they never do by themselves. Nothing is given before, and what is
        leased of replicas that nobody added yet is left alone.
        """
        self._awaited = set(awaited)
        self._known_at = at if self._awaited else None
        for group in self._groups.values():
            group.frozen = self._known_at is not None

    # -- what holders say

    def bound(self, holder: str, bound: Bound, now: float) -> Sequence[Effect]:
        if bound.group not in self._groups:
            return ()
        group = self._group(bound.group, now)
        group.bound(holder, bound, now)
        return self._settled([group], now)

    def demand(self, holder: str, demand: Demand, now: float) -> Sequence[Effect]:
        """To be said when requests begin and cease to wait, and again when a lease came and some wait still.

        After the bounds of the same moment.
        """
        if holder not in self._joined:
            return ()
        group = self._group(demand.group, now)
        group.demand(holder, demand)
        return self._settled([group], now)

    # -- what the lessor of this lessor says

    def give_up(self, group: Group, hungry: int, yields: int, now: float) -> Sequence[Effect]:
        """Its `Recall`: slots that fall idle are given up, up to `hungry`, and `yields` although requests wait here.

        The slots of their replicas fall, and with them, when no holder can be using them, `bound_of`.
        """
        at = self._group(group, now)
        at.give_up(hungry, yields)
        return self._settled([at], now)

    # -- time

    def tick(self, now: float) -> Sequence[Effect]:
        """What is to be done at `due`; at other times it does no harm."""
        groups = {name: self._group(name, now) for name in self._expire(now)}
        groups.update((name, self._group(name, now)) for name, at in list(self._turns.items()) if at <= now)
        if self._known_at is not None and now >= self._known_at:
            groups = {group.name: group for group in self._each(now)}
            self._thaw()
        self._outbox.overdue(now)
        return self._settled(groups.values(), now)

    def due(self) -> float | None:
        """When `tick` has something to do; None: not before something else happens."""
        times = [at for groups in self._back_at.values() for at in groups.values()]
        times += self._turns.values()
        times += (at for at in (self._outbox.due(), self._known_at) if at is not None)
        due = min(times, default=inf)
        return None if due == inf else due

    # -- what there is

    def in_use(self, group: Group, replica: str) -> int:
        """Slots that holders can be using, as far as is known; what is unknown counts as used."""
        known = self._groups.get(group)
        return known.in_use(replica) if known else 0

    def slots(self, group: Group, replica: str) -> int:
        """As said last, less what was given up since."""
        known = self._groups.get(group)
        return known.slots(replica) if known else 0

    def bound_of(self, group: Group, replica: str) -> int:
        """For the lessor of this lessor: the slots, or what is in use where that is more."""
        known = self._groups.get(group)
        return known.bound_of(replica) if known else 0

    def ceiling(self, holder: str, group: Group, replica: str) -> int:
        known = self._groups.get(group)
        return known.ceiling(holder, replica) if known else 0

    def totals(self, group: Group, now: float) -> Demand:
        """What all holders want, as the demand of one on the next level; to be looked at after each call, `tick` too.

        Queued is what they lack beyond the slots that some of them are about to hand back to others.
        """
        known = self._groups.get(group)
        return known.totals(now) if known else Demand(group, 0, 0)

    def starves(self, group: Group) -> bool:
        """Requests wait at a holder for which no slot is on its way."""
        known = self._groups.get(group)
        return known is not None and known.starves

    @property
    def number(self) -> int:
        """Everything that was said so far has this number or a smaller one."""
        return self._outbox.number

    def __repr__(self) -> str:
        return f"<LeaseTable {list(self._groups.values())} joined={list(self._joined)} awaited={sorted(self._awaited)}>"

    # -- keeping it together

    def _group(self, name: Group, now: float) -> LeaseGroup:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = LeaseGroup(name, self._outbox, self._prefer, self._lowered)
            group.frozen = self._known_at is not None
            for holder in self._joined:
                group.join(holder)
        group.accrue(now)
        return group

    def _each(self, now: float) -> Iterator[LeaseGroup]:
        for group in self._groups.values():
            group.accrue(now)
            yield group

    def _settled(self, groups: Iterable[LeaseGroup], now: float) -> Sequence[Effect]:
        for group in list(groups):
            turn = group.settle(now)
            self._turns.pop(group.name, None)
            if group.empty:
                del self._groups[group.name]
            elif turn is not None:
                self._turns[group.name] = turn
        return self._outbox.take(now)

    def _expire(self, now: float) -> list[Group]:
        """Takes back what silent holders can no longer be using."""
        expired = []
        for holder, groups in list(self._back_at.items()):
            for name in [name for name, at in groups.items() if at <= now]:
                del groups[name]
                self._group(name, now).lose(holder)
                expired.append(name)
            if not groups:
                del self._back_at[holder]
        return expired

    def _reported(self, holder: str) -> None:
        self._awaited.discard(holder)
        if self._known_at is not None and not self._awaited:
            self._thaw()

    def _thaw(self) -> None:
        self._awaited.clear()
        self._known_at = None
        for group in self._groups.values():
            group.thaw()
