"""The life of one pod that is played: bound to the node, its process started, probed and ended, all reported.

The pod's first container is a local process on a loopback address of its own; it is restarted when it ends by itself.
"""

import asyncio
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightkube import AsyncClient
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.core_v1 import Pod

from tests.kube import pod_status
from tests.kube.container import command, environment
from tests.kube.daemon import TETHER
from tests.kube.insisting import insist, patch_status
from tests.kube.probing import answers, unwell

# lightkube's own class takes the Status that answers it for a Binding
Binding = create_namespaced_resource("", "v1", "Binding", "bindings")
ROOT = Path(__file__).parents[2]
STARTING_PERIOD_S = 0.005
"""How often a pod that is not ready is probed. A real kubelet probes once a second at most."""


@dataclass
class Record:
    """What happened to a pod and when, in seconds of the monotonic clock; None: not yet."""

    uid: str
    name: str
    ip: str
    labels: dict[str, str]
    seen: float
    started: float | None = None
    """The first process was started."""
    ready: float | None = None
    """Just before the API server was told so for the first time."""
    is_ready: bool = False
    terminating: float | None = None
    """The event with the deletionTimestamp came."""
    ended: float | None = None
    """The last process had ended."""
    exit_code: int | None = None
    """Of the last process that ended; below 0: the signal."""
    restarts: int = 0


class PodLife:
    def __init__(
        self,
        pod: Pod,
        client: AsyncClient,
        *,
        node: str,
        images: Mapping[str, Sequence[str]],
        output: Path,
        start_delay_s: float,
        changed: Callable[[], None],
    ) -> None:
        self._pod = pod
        self._container = pod.spec.containers[0]
        self._client = client
        self._node = node
        self._images = images
        self._output = output
        self._start_delay_s = start_delay_s
        self._changed = changed
        self._terminating = asyncio.Event()
        self._grace_s = float(pod.spec.terminationGracePeriodSeconds or 0)
        self._process: asyncio.subprocess.Process | None = None
        ports = [port.containerPort for port in self._container.ports or []]
        meta = pod.metadata
        self.record = Record(meta.uid, meta.name, _free_ip(ports), meta.labels or {}, time.monotonic())
        # `python` is the one that runs the tests
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        self._environment = {"PATH": path, **environment(pod, self._container, self.record.ip)}

    def terminate(self, grace_s: float) -> None:
        """Its deletionTimestamp was seen. A second call may shorten the grace."""
        self._grace_s = grace_s
        if not self._terminating.is_set():
            self.record.terminating = time.monotonic()
            self._terminating.set()
            self._changed()

    def crash(self) -> None:
        """Kills the process, as the kernel does when memory runs out."""
        assert self._process is not None, f"{self.record.name} has no process"
        self._process.kill()

    async def run(self) -> None:
        """Until the pod is deleted in the API server; cancelled: until its process is gone."""
        try:
            await self._bind()
            await self._until_terminating(asyncio.sleep(self._start_delay_s))
            while not self._terminating.is_set():
                await self._live()
            await self._end()
        finally:
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
                await self._process.wait()

    async def _bind(self) -> None:
        name, namespace = self._pod.metadata.name, self._pod.metadata.namespace
        binding = Binding(metadata={"name": name}, target={"apiVersion": "v1", "kind": "Node", "name": self._node})
        if self._pod.spec.nodeName is None:
            await insist(lambda: self._client.create(binding, namespace=namespace))

    async def _live(self) -> None:
        """One process, from its start to its end or to the pod's."""
        self._process = await self._start()
        self.record.started = self.record.started or time.monotonic()
        await self._report(ready=False)
        loop = asyncio.get_running_loop()
        probing = [loop.create_task(each) for each in (self._probe(), self._end_if_unwell(self._process))]
        try:
            await self._until_terminating(self._process.wait())
        finally:
            for each in probing:
                each.cancel()
            await asyncio.gather(*probing, return_exceptions=True)
        if self._process.returncode is not None:
            self._ended()
            self.record.restarts += 1

    async def _start(self) -> asyncio.subprocess.Process:
        words = command(self._container, self._environment, self._images)
        with self._output.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *TETHER,
                *words,
                cwd=ROOT,
                env=self._environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )

    async def _probe(self) -> None:
        probe = self._container.readinessProbe
        while True:
            ready = probe is None or await answers(self.record.ip, self._container, probe)
            if ready != self.record.is_ready:
                await self._report(ready=ready)
            period_s = float(probe.periodSeconds or 10) if probe is not None else 3600.0
            await asyncio.sleep(period_s if self.record.is_ready else STARTING_PERIOD_S)

    async def _end_if_unwell(self, process: asyncio.subprocess.Process) -> None:
        """Another one is started then, as after every end."""
        await unwell(self.record.ip, self._container)
        process.kill()

    async def _report(self, *, ready: bool) -> None:
        if ready and self.record.ready is None:
            self.record.ready = time.monotonic()
        status = pod_status.running(self._pod, self.record.ip, ready=ready, restarts=self.record.restarts)
        await patch_status(self._client, self._pod, status)
        self.record.is_ready = ready
        self._changed()

    async def _end(self) -> None:
        """Not ready, preStop, SIGTERM, the grace period, SIGKILL, and away with the object."""
        if self._process is not None and self._process.returncode is None:
            reporting = asyncio.get_running_loop().create_task(self._report(ready=False))
            try:
                async with asyncio.timeout(self._grace_s):
                    await self._before_stop()
                    self._process.send_signal(signal.SIGTERM)
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
            await reporting
            self._ended()
        self._changed()
        name, namespace = self._pod.metadata.name, self._pod.metadata.namespace
        await insist(lambda: self._client.delete(Pod, name, namespace=namespace, grace_period=0))

    async def _before_stop(self) -> None:
        lifecycle = self._container.lifecycle
        hook = lifecycle.preStop if lifecycle is not None else None
        if hook is not None and hook.exec is not None:
            process = await asyncio.create_subprocess_exec(*TETHER, *hook.exec.command, env=self._environment)
            try:
                await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()

    def _ended(self) -> None:
        self.record.ended = time.monotonic()
        self.record.exit_code = self._process.returncode
        self.record.is_ready = False
        self._changed()

    async def _until_terminating(self, other: Coroutine[Any, Any, object]) -> None:
        """Until the pod is to go, or the other thing has come to its end."""
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(each) for each in (other, self._terminating.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


def _free_ip(ports: Sequence[int]) -> str:
    """A loopback address that no other pod on this machine has, whatever test run it is of."""
    while True:
        ip = f"127.{random.randint(64, 127)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        if all(_is_free(ip, port) for port in ports):
            return ip


def _is_free(ip: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ip, port))
        except OSError:
            return False
    return True
