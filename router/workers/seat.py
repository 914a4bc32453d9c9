"""A seat: a listening socket that stays, and the worker on it, who may be followed by another one.

- The socket listens for as long as the seat is wanted, whatever becomes of its worker: who connects while a worker is
  being replaced waits in the backlog, and is served by the next one.
- One worker at a time; during a replacement two, of which the elder only drains.
- The task of `keep` starts workers that are missing, with pauses that double while they fail; `replace` starts one
  more.
- A seat that is given up closes its own copy of the socket before its worker is told to drain. So the worker's is the
  last one, and it closes it right after it has accepted all who wait. Whose handshake ends in that very moment is
  reset, but where the kernel moves such connections to the other seats (net.ipv4.tcp_migrate_req, Linux 5.14).

Made by `supervisor`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from router.core.backoff import Backoff
from router.workers.channel import Channel
from router.workers.process import Child
from router.workers.worker import Owner, Patience, Phase, Worker

log = logging.getLogger("maitre.workers")

BACKLOG: Final = 1024
"""Connections that wait for a worker; the kernel cuts it to net.core.somaxconn."""

StartWorker = Callable[[str, int, int], "subprocess.Popen[bytes]"]
"""Starts the process of a worker, given its name, its end of the channel and its listening socket, both as descriptors
that it inherits under the same numbers (`pass_fds`). Nothing else may inherit the former. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the seats of one control process share."""

    start: StartWorker
    owner: Owner
    names: Iterator[str]
    now: Callable[[], float]
    sleep: Callable[[float], Coroutine[Any, Any, None]]
    draw: Callable[[], float]
    backoff: Backoff
    patience: Patience


class Seat:
    """`bound` is a bound socket, and the seat's from now on: it listens at once."""

    def __init__(self, bound: socket.socket, around: Surroundings) -> None:
        bound.listen(BACKLOG)
        self.worker: Worker | None = None
        """Who accepts connections, or is about to; None during a pause."""
        self.living: set[Worker] = set()
        """All processes of this seat: also one that drains, or is to follow."""
        self.opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Resolves to nothing when the first worker is ready; or to how it ended before it was."""
        self._listening = bound
        self._around = around
        self._given_up = False
        self._changed = asyncio.Event()
        """Set when the worker has gone, and when the seat is given up."""
        self._pausing: asyncio.Task[None] | None = None
        self._failures = 0
        self._told = ""
        """The last reason of a failure that was logged."""

    async def keep(self) -> None:
        """Returns when the seat was given up and all its processes are gone."""
        while not self._given_up:
            if self.worker is None:
                self.worker = self._launch()
            if self.worker is not None:
                await self._staffed(self.worker)
            if self.worker is None and not self._given_up:
                await self._pause()
        while self.living:
            await asyncio.wait([worker.gone for worker in self.living])
        self._tell_opened("was told to end before it was ready")

    async def replace(self, drain_s: float) -> bool:
        """Puts another worker in the place of this one, who drains when the other is ready; False if that one fails.

        During a pause there is nobody to replace: the pause ends.
        """
        if self.worker is None:
            self._end_pause()
            return True
        follower = self._launch()
        if follower is None:
            return False
        await follower.settled
        if follower.phase is not Phase.READY:
            return self._given_up
        self.worker = follower
        for elder in self.living - {follower}:
            elder.drain(drain_s)
        return True

    def give_up(self, drain_s: float) -> None:
        """Nobody connects here any more; running requests get `drain_s`. Of several calls the earliest end counts."""
        self._given_up = True
        self._listening.close()
        for worker in self.living:
            worker.drain(drain_s)
        self._changed.set()
        self._end_pause()

    def _launch(self) -> Worker | None:
        """Starts a process; None if that cannot be done, which is a failure like any other."""
        name = next(self._around.names)
        try:
            popen, ours = self._start(name)
        except OSError as error:
            self._failed(name, f"cannot be started: {error}", 0.0)
            return None
        worker = Worker(
            name,
            Child(popen),
            partial(Channel, asyncio.get_running_loop(), ours),
            self._around.owner,
            now=self._around.now,
            patience=self._around.patience,
        )
        self.living.add(worker)
        worker.gone.add_done_callback(lambda gone: self._left(worker, gone.result()))
        return worker

    def _start(self, name: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                return self._around.start(name, theirs.fileno(), self._listening.fileno()), ours
            except BaseException:
                ours.close()
                raise

    async def _staffed(self, worker: Worker) -> None:
        """Returns when there is no worker any more, or the seat was given up."""
        await worker.settled
        if worker.phase is Phase.READY:
            self._tell_opened("")
        while self.worker is not None and not self._given_up:
            self._changed.clear()
            await self._changed.wait()

    def _left(self, worker: Worker, how: str) -> None:
        self.living.discard(worker)
        if worker is self.worker:
            self.worker = None
        self._changed.set()
        if worker.asked:
            level = logging.WARNING if worker.killed else logging.INFO
            log.log(level, "worker ended", extra={"fields": {"worker": worker.name, "how": how}})
        else:
            self._failed(worker.name, how, worker.ready_s)

    def _failed(self, name: str, how: str, ready_s: float) -> None:
        """Counts it, and logs it: of a row of failures for one reason only the first."""
        self._failures = self._around.backoff.failures(self._failures, ready_s)
        if self._failures == 1 or how != self._told:
            fields = {"worker": name, "how": how, "ready_s": round(ready_s, 1)}
            log.error("worker failed; another one is started", extra={"fields": fields})
        self._told = how
        self._tell_opened(how)

    async def _pause(self) -> None:
        pause_s = self._around.backoff.pause_s(self._failures, self._around.draw())
        self._pausing = asyncio.get_running_loop().create_task(self._around.sleep(pause_s), name="pause of a seat")
        try:
            await asyncio.wait({self._pausing})
        finally:
            self._end_pause()

    def _end_pause(self) -> None:
        if self._pausing is not None:
            self._pausing.cancel()

    def _tell_opened(self, how: str) -> None:
        if not self.opened.done():
            self.opened.set_result(how)

    def __repr__(self) -> str:
        return f"<Seat {self.worker} living={len(self.living)} failures={self._failures}>"
