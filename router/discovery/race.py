"""Two ways to wait for tasks that the plain library makes easy to get wrong. Used within discovery."""

from __future__ import annotations

import asyncio
from typing import Any


async def first_of(*futures: asyncio.Future[Any], timeout_s: float | None = None) -> None:
    """Returns when one of them is done, or after the timeout; cancels none, and leaves their results to be asked."""
    await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)


async def called_off(task: asyncio.Task[None]) -> None:
    """Cancels it and returns when it has really ended; what it raised before was the caller's to look at."""
    task.cancel()
    await asyncio.wait({task})
