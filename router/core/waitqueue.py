"""The queue of one version: first come, first served, each with a deadline. Its bound is `Limits.queue_length`.

Invariants: waiters leave in the order in which they came, except those that went away or whose deadline passed; nobody
whose deadline has passed is served. Membership, leaving and the next one are O(1).

One writer: `router.core.admission`. Deadlines are monotonic seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

W = TypeVar("W")


class WaitQueue(Generic[W]):
    def __init__(self) -> None:
        self._deadlines: OrderedDict[W, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, waiter: W) -> bool:
        return waiter in self._deadlines

    def push(self, waiter: W, deadline: float, first: bool = False) -> None:
        """Adds a waiter at the end, or as the first one (who had a slot and lost it through no fault of its own)."""
        self._deadlines[waiter] = deadline
        if first:
            self._deadlines.move_to_end(waiter, last=False)

    def remove(self, waiter: W) -> bool:
        """Takes a waiter out; False when it was not waiting."""
        return self._deadlines.pop(waiter, None) is not None

    def pop(self, now: float) -> tuple[W | None, list[W]]:
        """The next to be served, and those before it whose deadline has passed; all of them have left the queue."""
        late: list[W] = []
        while self._deadlines:
            waiter, deadline = self._deadlines.popitem(last=False)
            if now < deadline:
                return waiter, late
            late.append(waiter)
        return None, late

    def __repr__(self) -> str:
        return f"<WaitQueue {len(self)}>"
