"""Waiting for a fake to get into a state: no sleeping, always a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

BOUND_S = 10.0
"""Far more than anything under test takes, so that only what never comes fails by it."""


async def settled(progress: Callable[[], int]) -> int:
    """Waits until a number stands still, and returns it: nothing tells of what does not happen."""
    before = -1
    while (now := progress()) != before:
        before = now
        await asyncio.sleep(0.1)
    return now


class Changes:
    """Wakes whoever waits whenever its owner says that something changed."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def happened(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND_S):
            while not condition():
                waiter = asyncio.get_running_loop().create_future()
                self._waiting.add(waiter)
                try:
                    await waiter
                finally:
                    self._waiting.discard(waiter)
