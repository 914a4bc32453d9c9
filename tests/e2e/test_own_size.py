"""The router's own size: workers come while routing is slow and go when it is idle; who is at work does not notice."""

import asyncio
import shutil

import pytest

from router.cgroups import usable_cores
from tests.e2e.conftest import Maitre, endpoint, version
from tests.e2e.workers import until_workers

pytestmark = [
    pytest.mark.long,
    pytest.mark.alone,
    pytest.mark.timeout(240),
    pytest.mark.skipif(usable_cores() < 2, reason="one core: there is never more than one worker"),
    pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed (Debian package wrk)"),
]

SOON_SLOW = ("--routing-time-ms", "0.7")
"""More than two turns of an idle event loop take, less than they take behind 64 clients that never rest."""
DOWN_S = 120
"""60 s at ease, and what it takes until it is."""
STEADY_S = 25
"""Longer than a router has to be slow and busy before it gets another worker (10 s)."""


async def busy(maitre: Maitre, seconds: int) -> None:
    """As many requests as a core can send, to no endpoint: nothing but the router's own work."""
    url = f"http://127.0.0.1:{maitre.port}/api/v1/service/nobody/score"
    process = await asyncio.create_subprocess_exec(
        "wrk", "-t1", "-c64", f"-d{seconds}s", url, stdout=asyncio.subprocess.DEVNULL
    )
    await process.wait()


async def at_work(maitre: Maitre, ended: asyncio.Event) -> int:
    """One client that asks again and again, on a new connection where it was told that this one ends."""
    answered, connection = 0, maitre.connection()
    while not ended.is_set():
        answer = await connection.post("digits")
        assert answer.status == 200
        answered += 1
        if answer.headers.get("connection") == "close":
            connection = maitre.connection()
    return answered


async def test_workers_come_with_load_and_go_without(serve):
    maitre = await serve(endpoint(version("blue", "--ms", "20")), "--workers", "auto", *SOON_SLOW)
    await maitre.line("is ready on port")
    (only,) = await until_workers(maitre, 1)
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(at_work(maitre, ended))
        await busy(maitre, STEADY_S)
        both = await until_workers(maitre, 2)
        assert only in both
        await until_workers(maitre, 1, bound_s=DOWN_S)
        ended.set()
    print(f"{working.result()} requests answered meanwhile")
    for decision in maitre.lines("the router's own size"):
        print(decision)
    for direction in ("up", "down"):
        assert await maitre.metric("maitre_router_scale_events_total", part="workers", direction=direction) == 1


async def test_a_dry_run_keeps_its_size(serve):
    maitre = await serve(endpoint(version("blue")), "--workers", "auto", "--dev-test", *SOON_SLOW)
    await busy(maitre, STEADY_S)
    assert await maitre.metric("maitre_router_scale_events_total", part="workers") == 0
