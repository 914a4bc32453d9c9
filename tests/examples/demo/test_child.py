"""A child ends when it is left, in whatever way, and however stubborn it is."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from examples.demo.child import child, kill, still_running

OBEDIENT = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {OBEDIENT}"


async def up(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    assert await process.stdout.readline() == b"up\n"


async def test_it_is_asked_to_end_and_waited_for() -> None:
    async with child(sys.executable, "-c", OBEDIENT, grace_s=20) as process:
        await up(process)
    assert process.returncode == -signal.SIGTERM
    assert await still_running([process.pid], 0) == []


async def test_it_is_made_to_when_it_does_not() -> None:
    async with child(sys.executable, "-c", STUBBORN, grace_s=0.05) as process:
        await up(process)
        assert await still_running([process.pid], 0) == [process.pid]
    assert process.returncode == -signal.SIGKILL


async def test_it_ends_with_whoever_is_cancelled() -> None:
    started: asyncio.Future[asyncio.subprocess.Process] = asyncio.get_running_loop().create_future()

    async def hold() -> None:
        async with child(sys.executable, "-c", OBEDIENT, grace_s=20) as process:
            await up(process)
            started.set_result(process)
            await asyncio.Event().wait()

    holding = asyncio.get_running_loop().create_task(hold())
    process = await started
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    assert process.returncode == -signal.SIGTERM


async def test_one_that_has_ended_keeps_its_status() -> None:
    async with child(sys.executable, "-c", "raise SystemExit(3)", grace_s=20) as process:
        await process.wait()
    assert process.returncode == 3


async def test_the_last_resort() -> None:
    async with child(sys.executable, "-c", STUBBORN, grace_s=20) as process:
        await up(process)
        kill([process.pid])
        await process.wait()
    kill([process.pid])  # gone already: nothing happens
    assert process.returncode == -signal.SIGKILL
