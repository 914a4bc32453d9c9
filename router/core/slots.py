"""The slots of one version's replicas: who holds which, and which is taken next.

A slot is a token, made when its replica is added or more of it may be held, and never copied: no replica can hold more
requests than that, because there is nothing else to take. Whoever takes a slot is its holder; only it can give it back,
once.

How many slots of a replica may be held here is its limit: all of them, the capacity, or what this process was leased
(`router.core.leases`). Slots held above a limit that fell vanish as they come back.

Invariants (tests/core/test_slots.py walks them with random operations):
- of every replica, free slots = its limit - held ones, none where those are more; a retired one's limit is 0;
- its bound, the larger of limit and held, rises by `add`, `limit` and `resize` alone, and `lowered` hears of each fall;
- `take` gives a slot of a replica that holds the fewest; among equals, of the one that has been at that level, with a
  slot to give, for longest, so that one replica that answers fast because it fails does not draw all requests;
- a retired or ejected replica gives no slot; its held slots come back as usual, and a retired one leaves with the last.

One writer: `router.core.admission`. Every operation on one replica is O(1), whatever the number of replicas, where all
have the same limit; where limits differ, `take` may have to pass over as many empty levels as they differ by.
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

    __slots__ = ("available", "emptied", "free", "held", "id", "leased", "limit", "retired", "upstream")

    def __init__(self, id: str, upstream: U) -> None:
        self.id = id
        self.upstream = upstream
        self.limit = 0
        """How many of its slots may be held here."""
        self.leased = False
        """Whether the limit is its own; otherwise it is the capacity of the table."""
        self.free: list[Slot[U]] = []
        self.held = 0
        self.available = False
        """False while ejected or retired: its slots are not given out."""
        self.retired = False
        self.emptied: Callable[[], None] | None = None
        """Called once, when the last slot of a retired replica has come back."""

    @property
    def bound(self) -> int:
        """So many of its slots can be held here at most, until its limit is raised."""
        return max(self.limit, self.held)

    def __repr__(self) -> str:
        state = "retired" if self.retired else "ready" if self.available else "ejected"
        return f"<Replica {self.id} {self.held}/{self.limit} {state}>"


class SlotTable(Generic[U]):
    """All replicas of a version; those with a free slot in levels by the number of slots held.

    `lowered` is called when the bound of a replica has fallen, amid the change: it takes note and calls nothing here.
    """

    def __init__(self, capacity: int, lowered: Callable[[Replica[U]], None] | None = None) -> None:
        self._capacity = capacity
        self._lowered = lowered
        self._replicas: dict[str, Replica[U]] = {}
        # _levels[h]: the available replicas that hold h slots and have a free one, longest there first
        self._levels: list[OrderedDict[Replica[U], None]] = [OrderedDict()]
        self._lowest = 0  # no level below it has a replica
        self._open = 0  # replicas in levels
        self._shut = 0  # available replicas that hold nothing and may hold nothing
        self.total = 0
        """Available replicas: ready, neither ejected nor retired; whatever their limits."""
        self.held = 0
        """Slots held, those of retired replicas included."""

    @property
    def capacity(self) -> int:
        """Slots of a replica that is not leased."""
        return self._capacity

    @property
    def busy(self) -> int:
        """Available replicas with at least one slot held."""
        return self.total - len(self._levels[0]) - self._shut

    @property
    def has_free(self) -> bool:
        """Whether `take` would give a slot."""
        return self._open > 0

    def take(self, holder: object) -> Slot[U] | None:
        """A slot of the least busy available replica, held by `holder` from now on; None when all are held."""
        if not self._open:
            return None
        levels, level = self._levels, self._lowest
        while not levels[level]:
            level += 1
        self._lowest = level
        replica, _ = levels[level].popitem(last=False)
        slot = replica.free.pop()
        if replica.free:
            levels[level + 1][replica] = None
        else:
            self._open -= 1
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
        if replica.available:
            self._unfile(replica)
        within = replica.held <= replica.limit
        replica.held -= 1
        self.held -= 1
        if within:
            replica.free.append(slot)
        elif self._lowered is not None:
            self._lowered(replica)
        if replica.available:
            self._file(replica)
        elif replica.retired and not replica.held:
            self._forget(replica)

    def can_pass_on(self, slot: Slot[U], holder: object) -> bool:
        """Whether the slot that `holder` is about to give back may go to somebody else at once. Raises SlotMisuse."""
        self._check(slot, holder)
        replica = slot.replica
        return replica.available and replica.held <= replica.limit

    def add(self, id: str, upstream: U, limit: int | None = None) -> Replica[U]:
        """A ready replica. One that was retired and still runs requests comes back with them, reached by `upstream`.

        `limit`: how many of its slots are leased; None: all are there to be held, as many as `capacity` says.
        """
        replica = self._replicas.get(id)
        if replica is None:
            replica = self._replicas[id] = Replica(id, upstream)
        elif replica.available:
            raise ValueError(f"replica {id} is there already")
        replica.upstream = upstream  # whoever retired it has closed the one before
        replica.retired = False
        replica.emptied = None
        replica.leased = limit is not None
        self._allow(replica, self._capacity if limit is None else limit)
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
        self._allow(replica, 0)
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

    def limit(self, replica: Replica[U], limit: int) -> None:
        """Another limit for a replica that is not retired, its own from now on."""
        replica.leased = True
        self._allow(replica, limit)

    def resize(self, capacity: int) -> None:
        """Another number of slots for each replica that is not leased."""
        self._capacity = capacity
        for replica in self._replicas.values():
            if not replica.leased and not replica.retired:
                self._allow(replica, capacity)

    def get(self, id: str) -> Replica[U] | None:
        return self._replicas.get(id)

    def __iter__(self) -> Iterator[Replica[U]]:
        return iter(self._replicas.values())

    def _check(self, slot: Slot[U], holder: object) -> None:
        if slot.holder is not holder or holder is None:
            raise SlotMisuse(f"a slot of {slot.replica!r} was released by somebody who does not hold it")

    def _allow(self, replica: Replica[U], limit: int) -> None:
        bound, room = replica.bound, max(0, limit - replica.held)
        turns = replica.available and bool(room) != bool(replica.free)  # otherwise it keeps its place in its level
        if turns:
            self._unfile(replica)
        replica.limit = limit
        del replica.free[room:]
        replica.free.extend(Slot(replica) for _ in range(room - len(replica.free)))
        self._levels.extend(OrderedDict() for _ in range(limit - len(self._levels)))
        if turns:
            self._file(replica)
        if self._lowered is not None and replica.bound < bound:
            self._lowered(replica)

    def _file(self, replica: Replica[U]) -> None:
        """An available replica goes where it belongs: into its level or, without a free slot, beside them."""
        if replica.free:
            self._levels[replica.held][replica] = None
            self._lowest = min(self._lowest, replica.held)
            self._open += 1
        elif not replica.held:
            self._shut += 1

    def _unfile(self, replica: Replica[U]) -> None:
        if replica.free:
            del self._levels[replica.held][replica]
            self._open -= 1
        elif not replica.held:
            self._shut -= 1

    def _forget(self, replica: Replica[U]) -> None:
        del self._replicas[replica.id]
        if replica.emptied is not None:
            replica.emptied()

    def _withdraw(self, replica: Replica[U]) -> None:
        if replica.available:
            self._unfile(replica)
            replica.available = False
            self.total -= 1

    def __repr__(self) -> str:
        return f"<SlotTable busy={self.busy} total={self.total} held={self.held} capacity={self._capacity}>"
