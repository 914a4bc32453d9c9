"""Plays the node of a cluster within this process: each pod is a listening socket on a loopback address of its own.

So it is known to the fraction of a millisecond when a pod was reported ready and when its first request came, and a pod
costs nothing to start; `tests.kube.kubelet` does the same with processes. Pods are bound to no node, so the API server
removes a deleted one at once.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from lightkube.resources.core_v1 import Pod

from bench import fleet
from bench.installation import NAMESPACE, Installation, Object
from tests.kube.manifests import PORT

END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass(slots=True)
class Life:
    """Of one pod, in monotonic seconds."""

    told: float
    """Just before the API server was told that it is ready."""
    asked: float | None = None
    """Its first request came."""


class Node:
    """Runs the pods of the namespace; made by `running`. A request takes `busy_s`."""

    def __init__(self, cluster: Installation, busy_s: float) -> None:
        self.pods: dict[str, Life] = {}
        """Those that are there now."""
        self._cluster = cluster
        self._busy_s = busy_s
        self._addresses = (f"127.4.{high}.{low}" for high in range(256) for low in range(1, 255))
        self._servers: dict[str, asyncio.Server] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with self._cluster.plane.client() as client:
            listed = client.list(Pod, namespace=NAMESPACE)
            for pod in [each.to_dict() async for each in listed]:
                await self._begin(pod)
            version = listed.resourceVersion
            async for event, changed in client.watch(Pod, namespace=NAMESPACE, resource_version=version):
                pod = changed.to_dict()
                if event == "DELETED":
                    self._end(pod["metadata"]["name"])
                elif pod["metadata"]["name"] not in self.pods:
                    await self._begin(pod)

    def close(self) -> None:
        """Nobody listens any more."""
        for server in self._servers.values():
            server.close()

    async def until(self, number: int, *, asked: bool = False) -> list[Life]:
        """All pods, as soon as there are that many, and each has had a request."""
        while len(self.pods) != number or (asked and any(life.asked is None for life in self.pods.values())):
            self._changed.clear()
            await self._changed.wait()
        return list(self.pods.values())

    async def _begin(self, pod: Object) -> None:
        name, ip = pod["metadata"]["name"], next(self._addresses)
        self._servers[name] = await asyncio.start_server(lambda *streams: self._serve(name, *streams), ip, PORT)
        self.pods[name] = Life(time.monotonic())
        await fleet.tell_ready(self._cluster, pod, ip)
        self._changed.set()

    def _end(self, name: str) -> None:
        self._servers.pop(name).close()
        del self.pods[name]
        self._changed.set()

    async def _serve(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"replica": name}).encode()
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(END_OF_HEAD):
                self._asked(name)
                await asyncio.sleep(self._busy_s)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    def _asked(self, name: str) -> None:
        life = self.pods.get(name)
        if life is not None and life.asked is None:
            life.asked = time.monotonic()
            self._changed.set()


@asynccontextmanager
async def running(cluster: Installation, busy_s: float) -> AsyncIterator[Node]:
    """A node for the time of the block."""
    async with asyncio.TaskGroup() as tasks:
        node = Node(cluster, busy_s)
        playing = tasks.create_task(node.run())
        try:
            yield node
        finally:
            playing.cancel()
            node.close()
