"""Who gets a slot of a version now, who waits, who is refused.

The single writer of a version's slots and queue. Its methods are synchronous and return what is to be done; the shell
does it, in the order given. `W` is the waiter (`router.proxy.grants.Waiter`), `U` how a replica is reached.

Invariants (tests/core/test_admission.py walks them with random schedules):
- nobody waits while a slot is free on an available replica;
- first come, first served among those who wait;
- every waiter that was let in leaves in exactly one way: granted, late, or withdrawn;
- a slot that comes back goes straight to the first waiter: nobody who arrives in between gets ahead of it;
- of leased replicas, what may be used here rises by `lend` alone, and no more is handed back than is recalled.

Slots may be leased (`router.core.leases`): then a replica is added with a limit, `lend` changes it, and others who want
slots `recall` them. A slot that is handed back lowers its replica's limit by one. Its lessor hears of it.

Pure; called by `router.proxy` and, for replicas and leases, by `router.serving`. `now` is monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from router.core.ejection import Ejections
from router.core.offered import OfferedLoad
from router.core.slots import Replica, Slot, SlotTable
from router.core.waitqueue import WaitQueue
from router.errors import Outcome

W = TypeVar("W")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of one version that decide on waiting. Times in seconds."""

    slots: int = 1
    """Requests that one replica takes at once, 1 or more."""
    queue_wait_s: float = 0.5
    queue_length: int = 1000
    """Requests that may wait here."""
    whole_queue_length: int | None = None
    """Over all workers, of which this one has a part; None: it is the only one."""
    cold_start_s: float = 60.0
    """How long a request may wait while there is no replica but one is on its way."""


class Grant(NamedTuple, Generic[W, U]):
    """What became of a waiter: it got `slot`, or, with None, its deadline passed."""

    waiter: W
    slot: Slot[U] | None


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits, until `deadline` at most."""

    deadline: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The request does not wait; `outcome` says why."""

    outcome: Outcome


class Term:
    """How long what is leased may be used; one for all versions of a process.

    Compared with the clock when a slot is about to be used, not by a timer: a process that was stopped must not use
    what has long been given to others, whatever it turns to first when it goes on.
    """

    __slots__ = ("ends",)

    def __init__(self) -> None:
        self.ends = inf
        """Monotonic seconds. After it no request begins until more is lent in another term."""


class Lessor(Protocol):
    """Whoever speaks for the lessor of a version's slots. Told amid a change: it takes note and calls nothing here."""

    def starving(self) -> None:
        """A request waits, or was refused, for want of a slot, though there are replicas."""

    def lowered(self, replica: Replica[Any]) -> None:
        """The bound of this replica has fallen."""


NOTHING: Final[tuple[()]] = ()


class Admission(Generic[W, U]):
    """Slots, queue and load of one version.

    `woken` is called with it when a request comes while it is not `awake`.
    """

    def __init__(
        self,
        limits: Limits,
        lessor: Lessor | None = None,
        woken: Callable[[Admission[W, U]], None] | None = None,
        term: Term | None = None,
    ) -> None:
        self._limits = limits
        self._lessor = lessor
        self._woken = woken
        self._term = term or Term()
        self._slots: SlotTable[U] = SlotTable(limits.slots, None if lessor is None else lessor.lowered)
        self._queue: WaitQueue[W] = WaitQueue()
        self._ejections = Ejections()
        self._recalled = False
        self._keeping = False
        self._hungry = 0
        self._yields = 0
        self.load = OfferedLoad()
        self.awake = False
        """Whether a request came since this was last set to False; whoever reports the numbers does that."""
        self.expecting = False
        """Whether a replica is on its way, so that waiting for the first one makes sense."""
        self.tunnels = 0
        """How many of the slots in use are held by upgraded connections; the data plane counts them."""

    # -- requests ---------------------------------------------------------------------------------------------------

    def acquire(self, waiter: W, client: object, now: float) -> Slot[U] | None:
        """A slot at once, or None: then `enqueue` decides. Counts the request as offered."""
        if not self.awake:
            self._wake()
        if now >= self._term.ends:
            self._lose_leases()
        self.load.arrived(client, now)
        return self._slots.take(waiter)

    def enqueue(self, waiter: W, client: object, now: float, first: bool = False) -> Queued | Refused:
        """Lets a request wait, or refuses it. Only when there was no slot to acquire."""
        if self._slots.total:
            wait = self._limits.queue_wait_s
            self._starve()
        elif self.expecting:
            wait = self._limits.cold_start_s
        else:
            return self._refuse(client, Outcome.NO_REPLICAS, now)
        if len(self._queue) >= self._limits.queue_length:
            return self._refuse(client, Outcome.QUEUE_FULL, now)
        deadline = now + wait
        self._queue.push(waiter, deadline, first)
        return Queued(deadline)

    def acquire_elsewhere(self, waiter: W, replica: Replica[U]) -> Slot[U] | None:
        """A free slot on another replica than `replica`, for a request that could not be served there."""
        if not replica.available:
            return self._slots.take(waiter)
        self._slots.eject(replica)
        slot = self._slots.take(waiter)
        self._slots.readmit(replica)
        return slot

    def release(self, slot: Slot[U], waiter: W, now: float) -> Sequence[Grant[W, U]]:
        """Gives a slot back; the first waiter gets it. Raises SlotMisuse when `waiter` does not hold it."""
        if now >= self._term.ends:
            self._lose_leases()
        if self._recalled and self._yielded(slot, waiter):
            return NOTHING
        if not self._queue or not self._slots.can_pass_on(slot, waiter):
            self._slots.give_back(slot, waiter)
            return NOTHING
        successor, late = self._queue.pop(now)
        grants: list[Grant[W, U]] = [Grant(each, None) for each in late]
        if successor is None:
            self._slots.give_back(slot, waiter)
            self._hand_back_idle()
        else:
            self._slots.hand_over(slot, waiter, successor)
            grants.append(Grant(successor, slot))
        return grants

    def withdraw(self, waiter: W) -> bool:
        """The waiter went away; False when it was not waiting."""
        return self._queue.remove(waiter)

    def lapse(self, waiter: W, client: object, now: float) -> Outcome:
        """What a waiter whose deadline passed is told. It has left the queue by then."""
        self._queue.remove(waiter)
        self.load.refused(client, now)
        return Outcome.QUEUE_TIMEOUT if self._slots.total else Outcome.NO_REPLICAS

    # -- replicas ---------------------------------------------------------------------------------------------------

    def add_replica(self, id: str, upstream: U, now: float, limit: int | None = None) -> Sequence[Grant[W, U]]:
        """A replica became ready; those who wait get its slots. `limit`: how many are leased; None: it has them all."""
        self._slots.add(id, upstream, limit)
        return self._serve_waiting(now)

    def retire_replica(self, id: str, emptied: Callable[[], None] | None = None) -> Replica[U] | None:
        """No new request for this replica; its running ones finish, then `emptied` is called. None: unknown."""
        self._ejections.forget(id)
        return self._slots.retire(id, emptied)

    def connect_failed(self, replica: Replica[U], now: float) -> float | None:
        """Ejects a replica that could not be reached; returns when to `readmit` it, or None when it is the last one."""
        if not replica.available or self._slots.total == 1:
            return None
        self._slots.eject(replica)
        return self._ejections.failed(replica.id, now)

    def connected(self, replica: Replica[U]) -> None:
        self._ejections.connected(replica.id)

    def readmit(self, replica: Replica[U], now: float) -> Sequence[Grant[W, U]]:
        """An ejection ends, if it is not that of an earlier failure."""
        if not self._ejections.over(replica.id, now):
            return NOTHING
        self._slots.readmit(replica)
        return self._serve_waiting(now)

    def readmit_all_if_none(self, now: float) -> Sequence[Grant[W, U]]:
        """After a retirement: where only ejected replicas are left, trying them is better than refusing everybody."""
        if self._slots.total:
            return NOTHING
        for replica in self._slots:
            self._slots.readmit(replica)
        return self._serve_waiting(now)

    def apply(self, limits: Limits, now: float) -> Sequence[Grant[W, U]]:
        """Other settings, from now on; who waits keeps the deadline it was given."""
        self._limits = limits
        self._slots.resize(limits.slots)
        return self._serve_waiting(now)

    def replica(self, id: str) -> Replica[U] | None:
        return self._slots.get(id)

    # -- leases -----------------------------------------------------------------------------------------------------

    def lend(self, id: str, limit: int, now: float) -> Sequence[Grant[W, U]]:
        """Up to `limit` slots of this replica may be used from now on; those who wait get what is new.

        Nothing happens where the replica is unknown or retired.
        """
        replica = self._slots.get(id)
        if replica is None or replica.retired:
            return NOTHING
        self._slots.limit(replica, limit if now < self._term.ends else 0)
        return self._serve_waiting(now)

    def bound(self, id: str) -> int:
        """So many slots of this replica can be in use here at most, until more are lent; 0 when it is unknown."""
        replica = self._slots.get(id)
        return 0 if replica is None else replica.bound

    def recall(self, hungry: int, yields: int) -> None:
        """Others want slots. Stands until all are handed back, or another recall takes its place; (0, 0) ends it.

        `hungry`: so many idle slots are handed back, those that are idle now at once, others when they fall idle.
        `yields`: so many slots are handed back before anybody who waits here gets one, idle ones or, as they come back,
        others. A slot that is handed back counts for both. Those of an ejected replica stay until it is readmitted: it
        is not passed around among those who cannot reach it.
        """
        self._hungry = hungry
        self._yields = yields
        self._recalled = hungry > 0 or yields > 0
        self._hand_back_idle()

    def keep(self, *, keeping: bool) -> None:
        """Whether idle slots stay although others are hungry: requests have just waited here, and will again.

        Yields are not affected.
        """
        self._keeping = keeping
        self._hand_back_idle()

    def held_by_replica(self) -> dict[str, int]:
        """How many slots are held of each replica of which any are, retired ones too."""
        return {replica.id: replica.held for replica in self._slots if replica.held}

    # -- numbers ----------------------------------------------------------------------------------------------------

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def busy(self) -> int:
        return self._slots.busy

    @property
    def total(self) -> int:
        return self._slots.total

    @property
    def in_flight(self) -> int:
        return self._slots.held

    @property
    def queued(self) -> int:
        return len(self._queue)

    def _refuse(self, client: object, outcome: Outcome, now: float) -> Refused:
        self.load.refused(client, now)
        return Refused(outcome)

    def _serve_waiting(self, now: float) -> Sequence[Grant[W, U]]:
        if now >= self._term.ends:
            self._lose_leases()
        grants: list[Grant[W, U]] = []
        while self._queue and self._slots.has_free:
            successor, late = self._queue.pop(now)
            grants.extend(Grant(each, None) for each in late)
            if successor is not None:
                grants.append(Grant(successor, self._slots.take(successor)))
        if self._queue and self._slots.total:
            self._starve()
        self._hand_back_idle()
        return grants

    def _lose_leases(self) -> None:
        """The term has ended: what runs may end, nothing begins."""
        for replica in list(self._slots):
            if replica.leased:
                self._slots.limit(replica, 0)

    def _wake(self) -> None:
        self.awake = True
        if self._woken is not None:
            self._woken(self)

    def _starve(self) -> None:
        if self._lessor is not None:
            self._lessor.starving()

    def _yielded(self, slot: Slot[U], waiter: W) -> bool:
        """Whether a slot that comes back was handed back, instead of going to whoever waits here.

        One that could not be passed on here is not: above a limit that fell it vanishes anyway.
        """
        if ((self._queue or self._keeping) and not self._yields) or not self._slots.can_pass_on(slot, waiter):
            return False
        self._hand_back(slot, waiter)
        return True

    def _hand_back_idle(self) -> None:
        while self._recalled and (self._yields or not self._keeping) and (slot := self._slots.take(self)) is not None:
            self._hand_back(slot, self)

    def _hand_back(self, slot: Slot[U], holder: object) -> None:
        replica = slot.replica
        self._slots.limit(replica, replica.limit - 1)
        self._slots.give_back(slot, holder)
        self._hungry = max(0, self._hungry - 1)
        self._yields = max(0, self._yields - 1)
        self._recalled = self._hungry > 0 or self._yields > 0

    def __repr__(self) -> str:
        return f"<Admission busy={self.busy} total={self.total} in_flight={self.in_flight} queued={self.queued}>"
