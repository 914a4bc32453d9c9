"""The slots of one version's replicas: who holds which, and which is taken next.

A slot is a token, made when its replica is added and never copied: a replica cannot hold more requests than it has
slots, because there is nothing else to take. Whoever takes a slot is its holder; only it can give it back, once.

Invariants (tests/core/test_slots.py walks them with random operations):
- of every replica, held + free slots = its capacity, until it is retired or its capacity shrinks;
- `take` gives a slot of a replica that holds the fewest; among equals, of the one that waited longest at that level, so
  that one replica that answers fast because it fails does not draw all requests;
- a retired or ejected replica gives no slot; its held slots come back as usual, and a retired one leaves with the last.

One writer: `router.core.admission`. Every operation is O(1), whatever the number of replicas.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from router.errors import SlotMisuse

U = TypeVar("U")


class Slot(Generic[U]):
    """Room for one request on a replica."""

    __slots__ = ("holder", "replica")

    def __init__(self, replica: Replica[U]) -> None:
        self.replica = replica
        self.holder: object | None = None


class Replica(Generic[U]):
    """One running copy of a version's model server. `upstream` is how the shell reaches it."""

    __slots__ = ("available", "capacity", "emptied", "free", "held", "id", "retired", "upstream")

    def __init__(self, id: str, upstream: U, capacity: int) -> None:
        self.id = id
        self.upstream = upstream
        self.capacity = capacity
        self.free: list[Slot[U]] = [Slot(self) for _ in range(capacity)]
        self.held = 0
        self.available = False
        """False while ejected or retired: its slots are not given out."""
        self.retired = False
        self.emptied: Callable[[], None] | None = None
        """Called once, when the last slot of a retired replica has come back."""

    def __repr__(self) -> str:
        state = "retired" if self.retired else "ready" if self.available else "ejected"
        return f"<Replica {self.id} {self.held}/{self.capacity} {state}>"


class SlotTable(Generic[U]):
    """All replicas of a version, in levels by the number of slots held."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._replicas: dict[str, Replica[U]] = {}
        # _levels[h]: the available replicas that hold h slots, longest there first; from _capacity on they are full
        self._levels: list[OrderedDict[Replica[U], None]] = [OrderedDict() for _ in range(capacity + 1)]
        self._lowest = 0
        self.total = 0
        """Available replicas: ready, neither ejected nor retired."""
        self.held = 0
        """Slots held, those of retired replicas included."""

    @property
    def capacity(self) -> int:
        """Slots per replica."""
        return self._capacity

    @property
    def busy(self) -> int:
        """Available replicas with at least one slot held."""
        return self.total - len(self._levels[0])

    @property
    def has_free(self) -> bool:
        """Whether `take` would give a slot."""
        while self._lowest < self._capacity and not self._levels[self._lowest]:
            self._lowest += 1
        return self._lowest < self._capacity

    def take(self, holder: object) -> Slot[U] | None:
        """A slot of the least busy available replica, held by `holder` from now on; None when all are held."""
        if not self.has_free:
            return None
        level = self._lowest
        replica, _ = self._levels[level].popitem(last=False)
        self._levels[level + 1][replica] = None
        slot = replica.free.pop()
        slot.holder = holder
        replica.held = level + 1
        self.held += 1
        return slot

    def hand_over(self, slot: Slot[U], holder: object, successor: object) -> None:
        """Passes a held slot on without freeing it in between: nobody can get ahead of the successor."""
        self._check(slot, holder)
        slot.holder = successor

    def give_back(self, slot: Slot[U], holder: object) -> None:
        """Frees a slot. Raises SlotMisuse when `holder` does not hold it (any more)."""
        self._check(slot, holder)
        slot.holder = None
        replica = slot.replica
        level = replica.held
        replica.held = level - 1
        self.held -= 1
        if len(replica.free) + replica.held < replica.capacity:
            replica.free.append(slot)
        if replica.available:
            del self._levels[level][replica]
            self._file(replica)
        elif replica.retired and not replica.held:
            self._forget(replica)

    def can_pass_on(self, slot: Slot[U], holder: object) -> bool:
        """Whether the slot that `holder` is about to give back may go to somebody else at once. Raises SlotMisuse."""
        self._check(slot, holder)
        replica = slot.replica
        return replica.available and replica.held <= replica.capacity

    def add(self, id: str, upstream: U) -> Replica[U]:
        """A ready replica. One that was retired and still runs requests comes back with them, reached by `upstream`."""
        replica = self._replicas.get(id)
        if replica is None:
            replica = self._replicas[id] = Replica(id, upstream, self._capacity)
        elif replica.available:
            raise ValueError(f"replica {id} is there already")
        replica.upstream = upstream  # whoever retired it has closed the one before
        replica.retired = False
        replica.emptied = None
        self.readmit(replica)
        return replica

    def retire(self, id: str, emptied: Callable[[], None] | None = None) -> Replica[U] | None:
        """No new request for this replica; it leaves when its last slot comes back, and `emptied` is called.

        None when it is unknown or retired already.
        """
        replica = self._replicas.get(id)
        if replica is None or replica.retired:
            return None
        self._withdraw(replica)
        replica.retired = True
        replica.emptied = emptied
        if not replica.held:
            self._forget(replica)
        return replica

    def eject(self, replica: Replica[U]) -> None:
        """No new request for this replica until `readmit`."""
        self._withdraw(replica)

    def readmit(self, replica: Replica[U]) -> None:
        """An ejected replica gives slots again; a retired one stays away."""
        if not replica.available and not replica.retired:
            replica.available = True
            self.total += 1
            self._file(replica)

    def resize(self, capacity: int) -> None:
        """Another number of slots per replica. Slots held above the new number vanish as they come back."""
        if capacity == self._capacity:
            return
        self._capacity = capacity
        for replica in self._replicas.values():
            replica.capacity = capacity
            wanted = max(0, capacity - replica.held)
            replica.free[wanted:] = []
            replica.free.extend(Slot(replica) for _ in range(wanted - len(replica.free)))
        # nobody holds more or fewer slots than before, so every replica stays in its level, and in its place there
        self._levels.extend(OrderedDict() for _ in range(capacity + 1 - len(self._levels)))
        self._lowest = 0

    def get(self, id: str) -> Replica[U] | None:
        return self._replicas.get(id)

    def __iter__(self) -> Iterator[Replica[U]]:
        return iter(self._replicas.values())

    def _check(self, slot: Slot[U], holder: object) -> None:
        if slot.holder is not holder or holder is None:
            raise SlotMisuse(f"a slot of {slot.replica!r} was released by somebody who does not hold it")

    def _file(self, replica: Replica[U]) -> None:
        self._levels[replica.held][replica] = None
        self._lowest = min(self._lowest, replica.held)

    def _forget(self, replica: Replica[U]) -> None:
        del self._replicas[replica.id]
        if replica.emptied is not None:
            replica.emptied()

    def _withdraw(self, replica: Replica[U]) -> None:
        if replica.available:
            del self._levels[replica.held][replica]
            replica.available = False
            self.total -= 1

    def __repr__(self) -> str:
        return f"<SlotTable busy={self.busy} total={self.total} held={self.held} capacity={self._capacity}>"
