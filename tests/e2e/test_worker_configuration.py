"""Several workers, one configuration, one page of metrics: an edit holds in all of them, what they count adds up."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from tests.e2e.client import Connection
from tests.e2e.conftest import KEYS, Maitre, endpoint, fixed_version
from tests.e2e.workers import owners, until_workers

WORKERS = 4
CONNECTIONS = 32
NEW_KEY = "another-key-0123456789"
IN_FORCE_S = 1.5
"""A second is promised; the rest is for a busy machine."""


async def by_worker(maitre: Maitre) -> dict[int, list[Connection]]:
    """Kept-alive connections to every worker. The kernel draws which one accepts."""
    workers = await until_workers(maitre, WORKERS)
    connections: list[Connection] = []
    while True:
        more = [maitre.connection() for _ in range(CONNECTIONS)]
        await asyncio.gather(*(connection.post("digits") for connection in more))
        connections += more
        owner = owners(maitre.port, workers)
        found: dict[int, list[Connection]] = defaultdict(list)
        for connection in connections:
            found[owner[connection.local_port]].append(connection)
        if found.keys() == workers:
            return found


async def until_in_force(connection: Connection) -> float:
    """When the new key opens it and the new version answers, by the loop's clock."""
    while (answer := await connection.post("digits")).status != 200 or answer.version != "green":
        await asyncio.sleep(0.01)
    return asyncio.get_running_loop().time()


async def statuses(connections: Iterable[Connection], key: str) -> set[tuple[int, str]]:
    for connection in connections:
        connection.key = key
    answers = await asyncio.gather(*(connection.post("digits") for connection in connections))
    return {(answer.status, answer.version) for answer in answers}


async def test_an_edit_is_in_force_in_every_worker_within_a_second(serve, recording_replicas):
    replicas = await recording_replicas(2, slots=CONNECTIONS * 4, ms=0)
    settings = {"maxConcurrentRequestsPerReplica": replicas.slots}
    maitre = await serve(
        endpoint(
            fixed_version(replicas.all[:1], "blue", trafficPercentile=100, **settings),
            fixed_version(replicas.all[1:], "green", trafficPercentile=0, **settings),
        ),
        "--workers",
        str(WORKERS),
    )
    await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")
    found = await by_worker(maitre)
    everybody = [connection for connections in found.values() for connection in connections]
    assert await statuses(everybody, KEYS["primaryKey"]) == {(200, "blue")}

    keys = maitre.config.with_name("keys.yaml")
    keys.write_text(keys.read_text().replace(KEYS["primaryKey"], NEW_KEY))
    swapped = (
        maitre.config.read_text()
        .replace("Percentile: 100", "Percentile: -")
        .replace("Percentile: 0", "Percentile: 100")
    )
    edited = asyncio.get_running_loop().time()
    maitre.edit(maitre.config.read_text(), swapped.replace("Percentile: -", "Percentile: 0"))
    for connection in everybody:
        connection.key = NEW_KEY
    async with asyncio.timeout(10):
        times = await asyncio.gather(*(until_in_force(connections[0]) for connections in found.values()))
    print("in force after, ms:", *(f"{1000 * (at - edited):.0f}" for at in sorted(times)))
    assert max(times) - edited < IN_FORCE_S
    assert await statuses(everybody, NEW_KEY) == {(200, "green")}
    assert await statuses(everybody, KEYS["primaryKey"]) == {(401, "")}
    assert await statuses(everybody, KEYS["secondaryKey"]) == {(200, "green")}


async def test_what_workers_count_adds_up_at_once(serve, recording_replicas):
    """The page is asked for right after the last answer; no worker has had time to tell by itself."""
    replicas = await recording_replicas(2, slots=CONNECTIONS, ms=0)
    blue = fixed_version(replicas.all, maxConcurrentRequestsPerReplica=CONNECTIONS)
    maitre = await serve(endpoint(blue), "--workers", str(WORKERS))
    await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")
    everybody = [connection for connections in (await by_worker(maitre)).values() for connection in connections]
    asked = len(everybody)
    for _ in range(5):
        for _ in range(4):
            assert await statuses(everybody, KEYS["primaryKey"]) == {(200, "blue")}
            asked += len(everybody)
        assert await statuses(everybody, "wrong") == {(401, "")}
        assert await maitre.metric("maitre_requests_total", outcome="ok", version="blue") == asked
        assert await maitre.metric("maitre_request_duration_seconds_count", version="blue") == asked
    assert await maitre.metric("maitre_requests_total", outcome="unauthorized") == 5 * len(everybody)
    assert len(await replicas.works()) == asked
