"""Workers whose control process was killed, and the next one, which has to know what they use and to let them end."""

import asyncio
import signal
import time

import pytest

from tests.e2e.closed_loop import crowd, scoring
from tests.e2e.conftest import BOUND_S, endpoint, fixed_version, until_dead
from tests.e2e.occupancy import overbooked, twice
from tests.e2e.replicas import kept_port
from tests.e2e.workers import end, listeners, owners, until_workers

SLOW_MS = 6000
"""Longer than a router takes to start on a busy machine."""


@pytest.fixture
def at_its_port():
    """The same for both routers, as a service manager would start them."""
    with kept_port() as kept:
        port = kept.getsockname()[1]
    return "--workers", "2", "--port", str(port)


@pytest.fixture
def left():
    """Workers to be ended, whatever becomes of the test."""
    pids: set[int] = set()
    yield pids
    end(pids)


@pytest.mark.long
async def test_what_a_draining_worker_uses_is_known_to_the_next(serve, recording_replicas, at_its_port, left):
    """The only slot is held in a worker that had been replaced, and drained, when the control process was killed."""
    replicas = await recording_replicas(1, slots=1, ms=10)
    text = endpoint(fixed_version(replicas.all, maxConcurrentRequestsPerReplica=1, maxQueueWaitMs=20000))
    first = await serve(text, *at_its_port)
    left |= (elders := await until_workers(first, 2))
    async with asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(first.connection().send(scoring(query=f"?ms={SLOW_MS}")))
        await first.until_metric(lambda value: value == 1, "maitre_requests_in_flight")
        (busy,) = owners(first.port, elders).values()
        first.process.send_signal(signal.SIGUSR2)
        left |= await until_workers(first, 3, elders - {busy})
        async with asyncio.timeout(BOUND_S):
            while listeners(first.port, {busy}):
                await asyncio.sleep(0.02)
        first.process.kill()
        await until_dead({first.process.pid}, BOUND_S)
        second = await serve(text, *at_its_port)
        asked_at = time.monotonic_ns()
        assert (await second.connection().send(scoring())).status == 200
        assert (await slow).status == 200
    works = await replicas.works()
    assert overbooked(works, 1) == []
    first_work, *_ = works
    assert asked_at < first_work.ended, "the slot was free before the next router was asked"
    await until_dead(left, BOUND_S)


@pytest.mark.long
async def test_a_few_clients_do_not_notice_the_change(serve, recording_replicas, at_its_port, left):
    """Slots are idle most of the time: whoever hands them back may want them again before it is gone."""
    replicas = await recording_replicas(1, slots=4, ms=5)
    text = endpoint(fixed_version(replicas.all, maxConcurrentRequestsPerReplica=4, maxQueueWaitMs=500))
    first = await serve(text, *at_its_port)
    left |= await until_workers(first, 2)
    async with crowd(first.port, 3) as clients:
        await clients.more(100)
        first.process.kill()
        await until_dead({first.process.pid}, BOUND_S)
        await serve(text, *at_its_port)
        await until_dead(left, BOUND_S)
        await clients.more(100)
    assert clients.failures == []
    works = await replicas.works()
    assert overbooked(works, 4) == []
    assert twice(works) == {}
