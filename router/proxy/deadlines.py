"""Deadlines of a worker's connections: one coarse wheel instead of a timer per request.

Every connection owns one `Deadline` and moves it as its phases go (head, queue, scoring, idle). Moving it later, which
is what nearly every request does, only writes a float; the wheel looks at an entry when the place where it was filed
comes up, and files it anew if the deadline has moved on. So a request costs the wheel nothing, and idle connections
cost one look per filing.

Invariants: a deadline never fires early; it fires at most TICK_S plus one loop iteration late; it fires once, unless
set again. Pure: `advance` gets `now` and returns what is due; `router.proxy.plane` calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Final

TICK_S: Final = 0.01
"""Coarse enough that a busy worker spends nothing on it, fine beside the shortest usual deadline (a queue's 500 ms)."""


NEVER: Final = 1 << 62


class Deadline:
    """One movable deadline. `at` is monotonic seconds; infinity when unset."""

    __slots__ = ("_tick", "_wheel", "at", "on_due")

    def __init__(self, wheel: DeadlineWheel, on_due: Callable[[float], None]) -> None:
        self._wheel = wheel
        self._tick = NEVER  # where the wheel will look at it next; entries elsewhere are out of date
        self.at = inf
        self.on_due = on_due

    def set(self, at: float) -> None:
        self.at = at
        tick = int(at / TICK_S) + 1  # a tick is looked at when it is over, so nothing fires early
        if tick < self._tick:
            self._tick = tick
            self._wheel.file(self, tick)

    def close(self) -> None:
        """Unset for good. Lets go of its owner, which else stayed in memory until the wheel comes to this place."""
        self.at = inf
        self.on_due = _nobody

    def look(self, tick: int, now: float) -> bool:
        """Whether it is due, asked at one of the places where it was filed; files itself anew where it moved on."""
        if tick != self._tick:
            return False
        self._tick = NEVER
        if self.at <= now:
            self.at = inf
            return True
        if self.at != inf:
            self.set(self.at)
        return False


def _nobody(_now: float) -> None:
    pass


class DeadlineWheel:
    """Deadlines by the tick in which they fall."""

    def __init__(self, alarm: Callable[[float], None]) -> None:
        """`alarm` is told when (monotonic seconds) `advance` has to be called next, whenever that changes."""
        self._ticks: dict[int, list[Deadline]] = {}
        self._order: list[int] = []  # a heap of the keys of _ticks
        self._next = NEVER
        self._alarm = alarm

    def file(self, deadline: Deadline, tick: int) -> None:
        filed = self._ticks.get(tick)
        if filed is None:
            filed = self._ticks[tick] = []
            heappush(self._order, tick)
        filed.append(deadline)
        if tick < self._next:
            self._next = tick
            self._alarm(tick * TICK_S)

    def advance(self, now: float) -> list[Deadline]:
        """The deadlines that have passed by `now`, unset by this."""
        current = int(now / TICK_S)
        due: list[Deadline] = []
        while self._order and self._order[0] <= current:
            tick = heappop(self._order)
            due.extend(deadline for deadline in self._ticks.pop(tick) if deadline.look(tick, now))
        self._next = self._order[0] if self._order else NEVER
        if self._order:
            self._alarm(self._next * TICK_S)
        return due
