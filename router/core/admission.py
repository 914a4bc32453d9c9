"""Who gets a slot of a version now, who waits, who is refused.

The single writer of a version's slots and queue. Its methods are synchronous and return what is to be done; the shell
does it, in the order given. `W` is the waiter (`router.proxy.grants.Waiter`), `U` how a replica is reached.

Invariants (tests/core/test_admission.py walks them with random schedules):
- nobody waits while a slot is free on an available replica;
- first come, first served among those who wait;
- every waiter that was let in leaves in exactly one way: granted, late, or withdrawn;
- a slot that comes back goes straight to the first waiter: nobody who arrives in between gets ahead of it.

Pure; called by `router.proxy` and, for replicas, by `router.serving`. `now` is monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

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


NOTHING: Final[tuple[()]] = ()


class Admission(Generic[W, U]):
    """Slots, queue and load of one version."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._slots: SlotTable[U] = SlotTable(limits.slots)
        self._queue: WaitQueue[W] = WaitQueue()
        self._ejections = Ejections()
        self.load = OfferedLoad()
        self.expecting = False
        """Whether a replica is on its way, so that waiting for the first one makes sense."""
        self.tunnels = 0
        """How many of the slots in use are held by upgraded connections; the data plane counts them."""

    # -- requests ---------------------------------------------------------------------------------------------------

    def acquire(self, waiter: W, client: object, now: float) -> Slot[U] | None:
        """A slot at once, or None: then `enqueue` decides. Counts the request as offered."""
        self.load.arrived(client, now)
        return self._slots.take(waiter)

    def enqueue(self, waiter: W, client: object, now: float, first: bool = False) -> Queued | Refused:
        """Lets a request wait, or refuses it. Only when there was no slot to acquire."""
        if self._slots.total:
            wait = self._limits.queue_wait_s
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
        if not self._queue or not self._slots.can_pass_on(slot, waiter):
            self._slots.give_back(slot, waiter)
            return NOTHING
        successor, late = self._queue.pop(now)
        grants: list[Grant[W, U]] = [Grant(each, None) for each in late]
        if successor is None:
            self._slots.give_back(slot, waiter)
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

    def add_replica(self, id: str, upstream: U, now: float) -> Sequence[Grant[W, U]]:
        """A replica became ready; those who wait get its slots."""
        self._slots.add(id, upstream)
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
        grants: list[Grant[W, U]] = []
        while self._queue and self._slots.has_free:
            successor, late = self._queue.pop(now)
            grants.extend(Grant(each, None) for each in late)
            if successor is not None:
                grants.append(Grant(successor, self._slots.take(successor)))
        return grants

    def __repr__(self) -> str:
        return f"<Admission busy={self.busy} total={self.total} in_flight={self.in_flight} queued={self.queued}>"
