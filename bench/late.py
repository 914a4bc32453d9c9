"""How soon a pod that gets ready is served: one more endpoint, a request that waits, and a pod that is played here."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from bench import fleet
from bench.installation import Installation
from bench.proof import Unfit
from tests.e2e.client import Connection
from tests.e2e.conftest import Maitre
from tests.kube.manifests import PORT

ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
BOUND_S: Final = 60.0
AGAIN_S: Final = 0.05


async def served_s(cluster: Installation, maitre: Maitre, number: int) -> float:
    """Seconds from telling the API server that the pod is ready to its first request."""
    name, ip = f"late-{number}", f"127.3.0.{number + 1}"
    workload = f"{name}-{fleet.VERSIONS[0]}"
    await fleet.create_workload(cluster, workload)
    pod = await fleet.create_pod(cluster, workload)
    await fleet.create_endpoint(cluster, name, fleet.VERSIONS[:1])
    key = await cluster.key(name)
    came: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(BOUND_S), asyncio.TaskGroup() as tasks, await _server(ip, came):
        tasks.create_task(_ask(maitre.connection(key), name))
        await maitre.until_metric(lambda waiting: waiting == 1, "maitre_requests_queued", endpoint=name)
        told = time.monotonic()
        await fleet.tell_ready(cluster, pod, ip)
        return await came - told


async def _ask(connection: Connection, endpoint: str) -> None:
    """Until it is served: refused for as long as the router knows of no key and no pod to wait for."""
    while (answer := await connection.post(endpoint)).status != 200:
        if answer.status not in (401, 404, 503):
            raise Unfit(f"{endpoint} answered {answer.status}: {answer.body.decode()}")
        await asyncio.sleep(AGAIN_S)


async def _server(ip: str, came: asyncio.Future[float]) -> asyncio.Server:
    """A model of one answer; it says when the first request came."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if not came.done():
            came.set_result(time.monotonic())
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, ip, PORT)
