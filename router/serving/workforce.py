"""The workers of this maitre: one in the control process itself, or processes of their own. Made by `router.main`.

One process is enough where one core is: it costs no channel and a third of the memory. Several take requests on a
listening socket each, all on one port, and the kernel spreads connections over them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from autoscaler.errors import ScaleFailed
from router.cgroups import usable_cores
from router.discovery.warden import Warden
from router.proxy.listener import bind
from router.serving.channel_link import ChannelLink
from router.serving.crew import Crew
from router.serving.local_link import LocalLink
from router.serving.messages import Begin, Holdings
from router.serving.router_loads import RouterLoads
from router.serving.worker import Worker
from router.settings import Settings
from router.store.certificates import Certificates, Kept
from router.store.contexts import Served
from router.telemetry.source import CrewReading
from router.telemetry.turns import Pulse
from router.workers.orphans import claim_orphans, may_have_orphans
from router.workers.supervisor import Supervisor
from router.workers.worker import Worker as WorkerProcess

PULSE_S: Final = 1.0
HOLDINGS_S: Final = 3.0
"""How long a worker that was left behind may take to say what it has; it says so at once."""


class Workforce(Protocol):
    @property
    def port(self) -> int:
        """Of the data port."""

    @property
    def size(self) -> int:
        """Workers wished."""

    @property
    def most(self) -> int:
        """How many there may be."""

    async def resize(self, workers: int) -> None:
        """The autoscaler's `Crew`."""

    async def tell_loads(self) -> None:
        """Has `WorkerTerms.loads` told what the workers use and wait, until cancelled."""

    def reading(self) -> CrewReading | None:
        """None where there are no processes beside this one."""

    async def start(self) -> None:
        """Returns when connections are accepted. Raises WorkerFailed."""

    async def drain(self, seconds: float, hurry: asyncio.Event) -> None:
        """No further connection; running requests end, for `seconds` at most or until `hurry`."""


@dataclass(frozen=True, slots=True)
class WorkerTerms:
    """What workers are made with, wherever they run."""

    settings: Settings
    default_namespace: str
    now: Callable[[], float]
    crew: Crew
    warden: Warden
    certificates: Certificates
    served: Kept[Served] | None
    loads: RouterLoads


def workforce_of(terms: WorkerTerms, last: AsyncExitStack) -> Workforce:
    """As many workers as the settings say: a fixed number, or one that can become as many as there are cores."""
    settings = terms.settings
    most = settings.workers or (1 if settings.dev_test else max(1, int(usable_cores())))
    return Solo(terms, last) if most == 1 else Crewed(terms, settings.workers or 1, most, last)


class Solo:
    """The one worker is here."""

    size = most = 1

    def __init__(self, terms: WorkerTerms, last: AsyncExitStack) -> None:
        settings = terms.settings
        bound = bind(settings.host, settings.port)
        last.callback(bound.close)
        link = LocalLink(terms.crew)
        self._worker = Worker(
            settings, terms.default_namespace, terms.now, bound, terms.certificates, terms.served, link.say, last
        )
        link.join(self._worker.side)
        self._loads, self._now = terms.loads, terms.now

    @property
    def port(self) -> int:
        return self._worker.port

    async def resize(self, workers: int) -> None:
        """There is nothing to choose."""

    async def tell_loads(self) -> None:
        while True:
            self._loads.shipped(LocalLink.name, self._worker.turns.pulse(), self._now())
            await asyncio.sleep(PULSE_S)

    def reading(self) -> CrewReading | None:
        return None

    async def start(self) -> None:
        await self._worker.start()

    async def drain(self, seconds: float, hurry: asyncio.Event) -> None:
        await self._worker.stop()
        await self._worker.drain(seconds, hurry)


class Crewed:
    """Workers in processes of their own; the supervisor's `Owner`."""

    def __init__(self, terms: WorkerTerms, size: int, most: int, last: AsyncExitStack) -> None:
        settings = terms.settings
        self._terms = terms
        self._size = size
        self.most = most
        self._last = last
        self._doors = settings.state_dir / "workers"
        self._instance = f"{settings.config or 'kubernetes'} {settings.host} {settings.port}"
        self._taken = _taken(settings)
        if self._taken is not None and not may_have_orphans(self._doors, self._instance):
            raise self._taken
        self._bound: list[socket.socket] = [bind(settings.host, settings.port, shared=True)]
        self.port: int = self._bound[0].getsockname()[1]
        last.callback(self._close_unused)
        self._failures = self._told = self._heard = 0
        """Of workers that are gone."""
        self._changed = asyncio.Event()
        """Set when a worker has become ready, or is gone."""
        self._claiming = False
        self._adopting: dict[WorkerProcess, asyncio.Event] = {}
        self._reloading: asyncio.Task[bool] | None = None
        self._supervisor = Supervisor(
            self._start_process, self, bind=self._bind, drain_s=settings.drain_seconds, now=terms.now
        )

    @property
    def size(self) -> int:
        return self._supervisor.size

    async def resize(self, workers: int) -> None:
        """Raises ScaleFailed when there is no socket for another one. One that does not become ready is waited for."""
        try:
            self._supervisor.resize(min(workers, self.most))
        except OSError as error:
            raise ScaleFailed(f"no listening socket for another worker: {error}") from error
        while self._supervisor.ready != self._supervisor.size:
            self._changed.clear()
            await self._changed.wait()

    async def tell_loads(self) -> None:
        """They come with the workers' words."""
        await asyncio.Event().wait()

    def reading(self) -> CrewReading:
        channels = [worker.channel for worker in self._supervisor.workers]
        return CrewReading(
            self._failures,
            self._told + sum(channel.outgoing.messages for channel in channels),
            self._heard + sum(channel.incoming.messages for channel in channels),
        )

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        await self._adopt()
        if self._taken is not None and not self._adopting:
            raise self._taken
        await self._supervisor.start(self._size)
        loop.add_signal_handler(signal.SIGUSR2, self._reload)
        self._last.callback(loop.remove_signal_handler, signal.SIGUSR2)
        if self._terms.settings.access_log is not None:
            loop.add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP)

    async def drain(self, seconds: float, hurry: asyncio.Event) -> None:
        if self._reloading is not None:
            self._reloading.cancel()
        async with asyncio.TaskGroup() as tasks:
            hurrying = tasks.create_task(self._hurry(hurry), name="hurry")
            await self._supervisor.stop(seconds)
            hurrying.cancel()

    # -- what the supervisor says (`Owner`) --------------------------------------------------------------------------

    def joined(self, worker: WorkerProcess) -> None:
        if self._claiming:
            return  # it has a configuration, and drains
        terms = self._terms
        worker.send(Begin(terms.settings, terms.default_namespace, self._instance))
        terms.crew.joined(ChannelLink(worker.name, worker.send))

    def received(self, worker: WorkerProcess, message: object) -> None:
        if isinstance(message, Pulse):
            self._terms.loads.shipped(worker.name, message, self._terms.now())
            self._terms.crew.alive(worker.name)
        elif isinstance(message, Holdings):
            self._terms.crew.adopted(ChannelLink(worker.name, worker.send), message)
            self._adopting[worker].set()
        else:
            self._terms.crew.heard(worker.name, message)

    def ready(self, worker: WorkerProcess) -> None:
        self._changed.set()

    def left(self, worker: WorkerProcess, how: str) -> None:
        self._terms.crew.left(worker.name)
        self._terms.loads.ended(worker.name)
        self._changed.set()
        self._failures += not worker.asked
        self._told += worker.channel.outgoing.messages
        self._heard += worker.channel.incoming.messages
        if worker in self._adopting:
            self._adopting[worker].set()

    # -- within ------------------------------------------------------------------------------------------------------

    async def _adopt(self) -> None:
        """Workers that another control process left behind: nothing is leased before it is known what all of them
        have. They are asked at once, and who does not say it for HOLDINGS_S is not waited for any longer here; it keeps
        every slot where it is until it says it, or is killed as one that hangs."""
        self._claiming = True
        for orphan in await claim_orphans(self._doors, self._instance):
            self._adopting[self._supervisor.adopt(orphan)] = asyncio.Event()
        self._claiming = False
        self._terms.crew.awaits(worker.name for worker in self._adopting)
        with suppress(TimeoutError):
            async with asyncio.timeout(HOLDINGS_S):
                for known in list(self._adopting.values()):
                    await known.wait()

    def _bind(self) -> socket.socket:
        settings = self._terms.settings
        return self._bound.pop() if self._bound else bind(settings.host, self.port, shared=True)

    def _close_unused(self) -> None:
        for bound in self._bound:
            bound.close()

    def _start_process(self, name: str, channel: int, listening: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "router.worker", name, str(channel), str(listening)]
        inherited = (channel, listening, self._terms.warden.lifeline)
        # a session of its own: what a terminal sends to the foreground is the control process's to answer
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=inherited, start_new_session=True)

    def _reload(self) -> None:
        """SIGUSR2: every worker is replaced, one at a time."""
        if self._reloading is None or self._reloading.done():
            reloading = self._supervisor.reload()
            self._reloading = asyncio.get_running_loop().create_task(reloading, name="reload workers")

    def _pass_on(self, number: int) -> None:
        for worker in self._supervisor.workers:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, number)

    async def _hurry(self, hurry: asyncio.Event) -> None:
        await hurry.wait()
        await self._supervisor.stop(0.0)


def _taken(settings: Settings) -> OSError | None:
    """Why nobody could have the port alone. Workers that were left behind may; any other maitre is to be noticed, with
    whom the port would be shared without a word."""
    try:
        bind(settings.host, settings.port).close()
    except OSError as error:
        return error
    return None
