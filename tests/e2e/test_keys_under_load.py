"""Keys that are made anew while requests run: the other key goes on working, the old one is refused everywhere."""

import asyncio
import time

import pytest

from tests.e2e.closed_loop import crowd, scoring
from tests.e2e.conftest import KEYS, endpoint, fixed_version
from tests.e2e.managing import sdk
from tests.e2e.workers import owners, until_workers

REFUSED_S = 0.1
WORKERS = 2


async def connected_to_all(maitre, workers):
    """One connection to each worker."""
    found = {}
    async with asyncio.timeout(20):
        while len(found) < len(workers):
            connection = maitre.connection()
            assert (await connection.post("digits")).status == 200
            port = connection.local_port
            found.setdefault(owners(maitre.port, workers)[port], connection)
    return found


@pytest.mark.long
async def test_a_key_made_anew_is_refused_by_every_worker_and_the_other_works_on(serve, recording_replicas):
    replicas = await recording_replicas(2, slots=8, ms=1)
    blue = fixed_version(replicas.all, maxConcurrentRequestsPerReplica=8, maxQueueWaitMs=20000)
    maitre = await serve(endpoint(blue), "--workers", str(WORKERS))
    workers = await until_workers(maitre, WORKERS)
    await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")
    old = await connected_to_all(maitre, workers)
    secondary = KEYS["secondaryKey"]
    took = []
    async with sdk(maitre) as owner, crowd(maitre.port, 8, scoring(key=secondary)) as clients:
        digits = await owner.endpoint("digits")
        await clients.more(200)
        for round in range(5):
            before = (await digits.get_keys()).primary
            for connection in old.values():
                connection.key = before
                assert (await connection.post("digits")).status == 200
            keys = await digits.regen_key("primary")
            made = time.monotonic()
            for connection in old.values():
                while (await connection.post("digits")).status != 401:
                    await asyncio.sleep(0.001)
                took.append(time.monotonic() - made)
            assert keys.primary != before
            assert keys.secondary == secondary
            for connection in old.values():
                connection.key = keys.primary
                assert (await connection.post("digits")).status == 200, round
        await clients.more(200)
    print("old key refused after ms:", *(f"{seconds * 1000:.0f}" for seconds in took))
    assert clients.failures == []
    assert max(took) < REFUSED_S
