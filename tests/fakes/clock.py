"""A clock that stands still until a test moves it.

Shells take `now` and `sleep` by constructor; a test passes `clock.now` and `clock.sleep`. `advance` wakes every sleeper
whose time has come, in the order of their times (ties in the order of falling asleep), with `now` showing exactly that
time, and lets each run to its next wait before the next is woken. So a test is deterministic, and an hour of it takes
milliseconds.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

TURNS = 50
"""Turns of the event loop for what was woken: more than any chain of tasks and callbacks under test."""


class FakeClock:
    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def __repr__(self) -> str:
        return f"<FakeClock now={self._now:g} sleepers={self.sleepers}>"

    def now(self) -> float:
        return self._now

    @property
    def sleepers(self) -> int:
        return sum(not sleeper.done() for _, _, sleeper in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Sleep until the clock was moved by `seconds`; 0 or less only gives others a turn."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), sleeper))
        await sleeper

    async def advance(self, seconds: float) -> None:
        """Move the clock, waking who is due on the way, also who falls asleep on the way."""
        await self.settle()
        end = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, sleeper = heapq.heappop(self._sleepers)
            if not sleeper.done():
                self._now = due
                sleeper.set_result(None)
                await self.settle()
        self._now = end

    async def settle(self) -> None:
        """Let everything run that can run without the clock moving."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
