"""A process that never outlives the demo, however the demo ends (but kill -9, which nobody can follow).

It gets a session of its own, so that Ctrl-C in the terminal reaches only the demo, which then ends it in good order.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

LINE_LIMIT: Final = 1 << 20


@asynccontextmanager
async def child(
    *command: str, grace_s: float, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs `command` with both outputs as pipes; on leaving, asks it to end, and after `grace_s` makes it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
        limit=LINE_LIMIT,
    )
    try:
        yield process
    finally:
        await _end(process, grace_s)


async def _end(process: asyncio.subprocess.Process, grace_s: float) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(grace_s):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def still_running(pids: list[int], patience_s: float) -> list[int]:
    """Which of `pids` are still there after `patience_s`; earlier if none is."""
    deadline = asyncio.get_running_loop().time() + patience_s
    while (left := [pid for pid in pids if _exists(pid)]) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
    return left


def kill(pids: list[int]) -> None:
    """The last resort, for those whose process group it is."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the number has gone to a stranger
        return False
    return True
