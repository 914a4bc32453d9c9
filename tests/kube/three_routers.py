"""Three routers of one cluster that share out slots, each on a loopback address of its own; the ways between them can
be parted, and each can be killed, stopped and started anew."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.e2e.closed_loop import Crowd, crowd, quantile, scoring
from tests.e2e.conftest import Maitre, until_ready
from tests.kube.conftest import launch
from tests.kube.parted_network import PartedNetwork

PATIENCE_S = 60.0
LOOK_S = 0.02


class Router:
    """One pod: the process that it has now, and the load on it."""

    def __init__(
        self,
        number: int,
        kubeconfig: Path,
        namespace: str,
        folder: Path,
        network: PartedNetwork,
        *,
        uid: str | None = None,
    ) -> None:
        """`uid`: of its pod, if it is to know that it is one."""
        self.pod = f"maitre-{number}"
        self._uid = uid
        self.host = f"127.0.0.{number + 2}"
        self.maitre: Maitre
        self.load: Crowd | None = None
        self.crowds: list[Crowd] = []
        """All loads that there were."""
        self._way = network.way(f"127.0.1.{number + 2}", self.host)
        self._near = f"127.0.1.{number + 2}"
        self._cluster = kubeconfig, namespace, folder
        self._ends = AsyncExitStack()

    async def __aenter__(self) -> "Router":
        self._port = await self._ends.enter_async_context(self._way)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._ends.aclose()

    async def start(self) -> None:
        """Also again, once the process before has ended."""
        kubeconfig, namespace, folder = self._cluster
        key = folder / "coordination.key"
        if not key.exists():
            key.touch(0o600)
            key.write_text(os.urandom(32).hex())
        coordination = ["--coordination-key-file", str(key), "--coordination-host", self.host]
        coordination += [
            "--coordination-port",
            str(self._port),
            "--coordination-advertise",
            f"{self._near}:{self._port}",
        ]
        options = ["--host", self.host, "--workers", "1", "--default-namespace", namespace, *coordination]
        names = {"POD_NAME": self.pod, "POD_NAMESPACE": namespace}
        if self._uid is not None:
            names["POD_UID"] = self._uid
        process = await launch(kubeconfig, namespace, folder / self.pod, *options, **names)
        self.maitre = await until_ready(process, kubeconfig)
        self._ends.push_async_callback(self.maitre.close)

    @asynccontextmanager
    async def under_load(self, clients: int, key: str) -> AsyncIterator[Crowd]:
        request = scoring(key=key)
        async with crowd(self.maitre.port, clients, request, host=self.host, patience_s=PATIENCE_S) as load:
            self.load = load
            self.crowds.append(load)
            yield load

    @property
    def alive(self) -> bool:
        return self.maitre.process.returncode is None

    async def leads(self) -> bool:
        return self.alive and await self.maitre.metric("maitre_leader") == 1

    async def standing(self) -> str:
        page = (await self.maitre.admin("/metrics")).text
        return next(
            line.split('"')[1]
            for line in page.splitlines()
            if line.startswith("maitre_coordination_standing{") and line.endswith(" 1.0")
        )

    async def until_standing(self, *wanted: str, bound_s: float = 30.0) -> str:
        try:
            async with asyncio.timeout(bound_s):
                while (standing := await self.standing()) not in wanted:
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise AssertionError("\n".join([f"{self.pod} never was {wanted}", *self.maitre.log[-30:]])) from None
        return standing

    async def kill(self) -> None:
        """With its load, which would find nobody."""
        self.load.stop()
        self.maitre.process.kill()
        await self.maitre.process.wait()

    def stop(self) -> None:
        self.maitre.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.maitre.process.send_signal(signal.SIGCONT)


class Story:
    """What happened when, and what clients saw of it."""

    def __init__(self, routers: list[Router]) -> None:
        self._routers = routers
        self._phases: list[tuple[str, float]] = []
        self._told: dict[str, list[str]] = {}

    def begins(self, phase: str) -> None:
        self._phases.append((phase, time.monotonic()))
        self._told[phase] = []

    def note(self, what: str) -> None:
        phase, began = self._phases[-1]
        self._told[phase].append(f"{time.monotonic() - began:6.2f} s  {what}")

    def print(self) -> None:
        ends = [at for _, at in self._phases[1:]] + [time.monotonic()]
        for (phase, began), ended in zip(self._phases, ends, strict=True):
            print(f"\n{phase} ({ended - began:.1f} s)")
            for line in self._told[phase]:
                print("  ", line)
            for router in self._routers:
                print(f"   {router.pod}: {self._seen(router, began, ended)}")

    def _seen(self, router: Router, began: float, ended: float) -> str:
        conversations = [each for load in router.crowds for each in load.conversations]
        answered = sum(each.answered(began, ended) for each in conversations)
        failures = [each for load in router.crowds for each in load.failures if began <= each.at < ended]
        return f"{answered} ok, {dict(Counter(each.why for each in failures))}"

    def p99s(self) -> dict[str, float]:
        """Of the waits for a slot, by router, seconds, of the loads that run now, so far."""
        return {
            router.pod: quantile((wait for each in router.load.conversations for wait in each.queued), 0.99)
            for router in self._routers
        }


async def leader(routers: list[Router], *, but: Router | None = None, bound_s: float = 30.0) -> Router:
    """Who leads, as soon as somebody does."""
    async with asyncio.timeout(bound_s):
        while True:
            for router in routers:
                if router is not but and await router.leads():
                    return router
            await asyncio.sleep(LOOK_S)


async def until(true: Callable[[], bool], bound_s: float) -> None:
    async with asyncio.timeout(bound_s):
        while not true():
            await asyncio.sleep(LOOK_S)
