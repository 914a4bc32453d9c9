"""Keeps one replica of a version going until told to leave: starts it, tells the roster, starts it again when it ends.

Each start is a new replica to the outside, with its own name and port. The task of `keep` is the only one that starts
and ends processes; `leave` only gives the word. Whatever way a process ends, the roster no longer lists it, its group
is gone and its port given back before the next one starts. Made by `processes`, one per wished replica.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from router.core.backoff import Backoff
from router.discovery.lifecycle import Phase
from router.discovery.ports import LOOPBACK, Ports
from router.discovery.process import ReplicaProcess
from router.discovery.program import Program
from router.discovery.race import called_off, first_of
from router.discovery.readiness import Prober
from router.discovery.roster import Roster
from router.discovery.warden import Warden
from router.errors import ReplicaFailed

log = logging.getLogger("maitre.discovery")

Sink = Callable[[str, str], None]
"""Takes the name of a replica and one line of its output."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the keepers of one version share."""

    roster: Roster
    warden: Warden
    ports: Ports
    prober: Prober
    backoff: Backoff
    sink: Sink
    numbers: Iterator[int]  # names of replicas
    u: Callable[[], float]  # uniform in [0, 1)
    changed: Callable[[], None]  # called when the phase of a replica has changed


class Keeper:
    """One wished replica."""

    def __init__(self, program: Program, around: Surroundings) -> None:
        loop = asyncio.get_running_loop()
        self.phase = Phase.STARTING
        self.replica = ""
        self._program = program
        self._around = around
        self._told: asyncio.Future[None] = loop.create_future()
        self._time_up: asyncio.Future[None] = loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def held(self) -> int:
        """Requests that it runs now."""
        return self._around.roster.held(self.replica) if self.phase is Phase.READY else 0

    def leave(self, drain_s: float) -> None:
        """No new request from now on; running ones get `drain_s`. Of several calls the earliest end counts."""
        self._enter(Phase.LEAVING)
        loop = asyncio.get_running_loop()
        if self._timer is None or loop.time() + drain_s < self._timer.when():
            self._cancel_timer()
            self._timer = loop.call_later(drain_s, _resolve, self._time_up)
        _resolve(self._told)

    async def keep(self) -> None:
        """Returns when it was told to leave and its process is gone."""
        failures = 0
        try:
            while not self._told.done():
                self._enter(Phase.STARTING)
                ready_s = await self._live_once()
                failures = self._around.backoff.failures(failures, ready_s)
                await self._pause(failures)
        finally:
            self._cancel_timer()

    async def _live_once(self) -> float:
        """From the start of one process to its end; the seconds for which it was ready."""
        self.replica = str(next(self._around.numbers))
        try:
            port = self._around.ports.take()
        except OSError as error:
            log.error("%s: no free port for a replica: %s", self._program.label, error)
            return 0.0
        try:
            return await self._live_on(port)
        except ReplicaFailed as error:
            log.error("%s", error)
            return 0.0
        finally:
            self._around.ports.give_back(port)

    async def _live_on(self, port: int) -> float:
        process = ReplicaProcess(self._program, self.replica, port, warden=self._around.warden, line=self._printed)
        ready_s = 0.0
        try:
            if await self._becomes_ready(process, port):
                ready_s = await self._serve(process, port)
        finally:
            unasked = not self._told.done()
            self._enter(Phase.WAITING)
            await process.end()
        self._log_end(process, ready_s, unasked)
        return ready_s

    async def _becomes_ready(self, process: ReplicaProcess, port: int) -> bool:
        program = self._program
        url = f"{'https' if program.tls else 'http'}://{LOOPBACK}:{port}{program.readiness_path}"
        probing = self._around.prober.until_ready(url, program.tls)
        ready = asyncio.get_running_loop().create_task(probing, name=f"probe {url}")
        try:
            await first_of(ready, process.exited, self._told, timeout_s=program.startup_s)
            if process.exited.done() or self._told.done():
                return False
            if not ready.done():
                log.error("%s/%s was not ready within %g s", program.label, self.replica, program.startup_s)
                return False
            ready.result()
            return True
        finally:
            await called_off(ready)

    async def _serve(self, process: ReplicaProcess, port: int) -> float:
        loop = asyncio.get_running_loop()
        since = loop.time()
        self._around.roster.add(self.replica, LOOPBACK, port, self._program.tls)
        self._enter(Phase.READY)
        log.info("%s/%s is ready on port %d", self._program.label, self.replica, port)
        await first_of(process.exited, self._told)
        ready_s = loop.time() - since
        if not process.exited.done():
            await self._drain(process)
        return ready_s

    async def _drain(self, process: ReplicaProcess) -> None:
        emptied = asyncio.get_running_loop().create_task(
            self._around.roster.emptied(self.replica), name=f"drain {self.replica}"
        )
        try:
            await first_of(emptied, process.exited, self._time_up)
            if emptied.done():
                emptied.result()
        finally:
            await called_off(emptied)

    async def _pause(self, failures: int) -> None:
        if not self._told.done():
            pause_s = self._around.backoff.pause_s(failures, self._around.u())
            log.info("%s: starting another replica in %.1f s", self._program.label, pause_s)
            await first_of(self._told, timeout_s=pause_s)

    def _enter(self, phase: Phase) -> None:
        """The only writer of `phase`. Leaving is for good, and a replica that is not ready is on no roster."""
        before = self.phase
        if before is phase or before is Phase.LEAVING:
            return
        self.phase = phase
        self._around.changed()  # first: whoever routes shall not see neither a replica nor one that is coming
        if before is Phase.READY:
            self._around.roster.retire(self.replica)

    def _printed(self, line: str) -> None:
        self._around.sink(self.replica, line)

    def _log_end(self, process: ReplicaProcess, ready_s: float, unasked: bool) -> None:
        name = f"{self._program.label}/{self.replica}"
        if not process.exited.done():
            return  # `process` has said so
        if unasked:
            log.warning("%s %s after %.1f s ready; it printed:%s", name, process.how_it_ended(), ready_s, process.tail)
        else:
            log.info("%s ended as told: it %s", name, process.how_it_ended())

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def __repr__(self) -> str:
        return f"<Keeper {self._program.label}/{self.replica} {self.phase.value} held={self.held}>"


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
