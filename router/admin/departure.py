"""Streams that nobody waits for the end of: sent until they end, or until the client is gone, whichever is first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.types import Receive


async def until_gone(receive: Receive, work: Coroutine[Any, Any, None], *enough: Coroutine[Any, Any, None]) -> None:
    """Returns when `work` or one of `enough` has ended, or the client is gone; the others are cancelled. Raises what
    `work` raises."""
    loop = asyncio.get_running_loop()
    working = loop.create_task(work, name="stream")
    others = [loop.create_task(each, name="end of a stream") for each in (*enough, _gone(receive))]
    try:
        await asyncio.wait([working, *others], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, *others):
            task.cancel()
        await asyncio.gather(working, *others, return_exceptions=True)
    if not working.cancelled():
        working.result()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
