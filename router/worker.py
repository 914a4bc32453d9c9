"""The composition root of a worker process: `python -m router.worker NAME CHANNEL LISTENING`, started by `workforce`.

The two numbers are descriptors that it inherits: its end of the channel to the control process, and a listening socket.
The first message is `Begin`; it accepts connections as soon as it knows what to serve.

    working    does what the control process says, says a word at least every second
    orphaned   the control process is gone: it serves on with the leases that it holds, until it is adopted or
               ORPHANED_S have passed
    draining   told to, adopted, or alone for too long: no further connection, running requests end, last words, exit

Signals that a terminal or a service manager sends to everybody at once are the control process's to answer; an orphan
drains at SIGTERM.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import time
from contextlib import AsyncExitStack
from typing import Final

from router.serving.messages import Begin, Configure, Holdings
from router.serving.worker import Worker, served_by, settle_memory
from router.store.certificates import Certificates
from router.telemetry.logs import configure_logging
from router.workers.channel import Channel
from router.workers.door import Door
from router.workers.messages import Drain, Heartbeat, Ready

log = logging.getLogger("maitre.worker")

HEARTBEAT_S: Final = 1.0
ORPHANED_S: Final = 60.0
"""Without a control process nothing is reloaded, and no key can be taken back: a supervisor has started another one by
then, or there is none."""


class WorkerProcess:
    def __init__(self, name: str, channel: int, listening: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._name = name
        self._listening = socket.socket(fileno=listening)
        self._last = AsyncExitStack()
        self._certificates = Certificates()
        self._begun: asyncio.Future[Begin] = self._loop.create_future()
        self._configured = asyncio.Event()
        self._draining = asyncio.Event()
        self._drained_at = 0.0
        self._hurry = asyncio.Event()
        self._orphaned = False
        self._early: list[object] = []
        self._worker: Worker | None = None
        self._channel = Channel(self._loop, socket.socket(fileno=channel), self._received, self._lost)

    async def run(self) -> None:
        """Returns when it has drained."""
        self._mind_signals()
        async with self._last, asyncio.TaskGroup() as tasks:
            begin = await self._begun
            configure_logging(begin.settings.log_level)
            background = [
                tasks.create_task(self._certificates.watch(), name="certificates"),
                tasks.create_task(self._beat(), name="heartbeat"),
            ]
            worker = self._worker = Worker(
                begin.settings,
                begin.default_namespace,
                time.monotonic,
                self._listening,
                self._certificates,
                served_by(begin.settings, self._certificates),
                self._say,
                self._last,
            )
            door = Door(
                begin.settings.state_dir / "workers",
                begin.instance,
                orphaned=lambda: self._orphaned,
                taken_over=self._taken_over,
            )
            door.open()
            self._last.callback(door.close)
            early, self._early = self._early, []
            for message in early:
                self._received(message)
            await self._until_drained(worker)
            for task in background:
                task.cancel()

    async def _until_drained(self, worker: Worker) -> None:
        await self._configured.wait()
        if not self._draining.is_set():
            await worker.start()
            settle_memory()
            self._say(Ready())
            await self._draining.wait()
            await worker.stop()
        await worker.drain(max(0.0, self._drained_at - self._loop.time()), self._hurry)
        worker.side.report()
        worker.side.ship()
        await self._channel.flushed()
        self._channel.close()

    # -- the control process -------------------------------------------------------------------------------------------

    def _say(self, message: object) -> None:
        self._channel.send(message)

    def _received(self, message: object) -> None:
        if isinstance(message, Begin):
            self._begun.set_result(message)
        elif isinstance(message, Drain):
            self._drain(message.seconds)
        elif self._worker is None:
            self._early.append(message)
        else:
            self._worker.side.tell(message)
            if isinstance(message, Configure):
                self._configured.set()

    def _lost(self) -> None:
        if self._worker is None or not self._configured.is_set():
            raise SystemExit(1)  # nothing was ever served, nothing can be
        self._orphaned = True
        if self._draining.is_set():
            return  # the next one must still learn what is in use here
        log.warning("the control process is gone; serving on", extra={"fields": {"for_s": ORPHANED_S}})
        self._loop.call_later(ORPHANED_S, self._alone_for_too_long)

    def _alone_for_too_long(self) -> None:
        if self._orphaned and not self._draining.is_set():
            log.warning("no other control process came; draining")
            self._drain(self._drain_s)

    def _taken_over(self, channel: Channel) -> None:
        """Says first what it may be using. It is a holder like any other then, until its new owner has it drain."""
        assert self._worker is not None  # noqa: S101  the door is opened after it was made
        self._orphaned = False
        self._channel = channel
        channel.received, channel.lost = self._received, self._lost
        side = self._worker.side
        side.forget_recalls()
        self._say(Holdings(side.bounds()))

    @property
    def _drain_s(self) -> float:
        return self._begun.result().settings.drain_seconds

    def _drain(self, seconds: float) -> None:
        """Of several calls the earliest end counts."""
        at = self._loop.time() + seconds
        if self._draining.is_set():
            if at < self._drained_at:
                self._drained_at = at
                self._loop.call_later(seconds, self._hurry.set)
            return
        self._drained_at = at
        self._draining.set()
        self._configured.set()

    async def _beat(self) -> None:
        while True:
            self._say(Heartbeat() if self._worker is None else self._worker.turns.pulse())
            await asyncio.sleep(HEARTBEAT_S)

    def _mind_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._loop.add_signal_handler(signal.SIGTERM, self._terminated)

    def _terminated(self) -> None:
        if self._orphaned:
            self._drain(self._drain_s)


async def _run(name: str, channel: int, listening: int) -> None:
    await WorkerProcess(name, channel, listening).run()


def main() -> None:
    import uvloop  # noqa: PLC0415  not before the arguments are known to be right

    name, channel, listening = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    uvloop.run(_run(name, channel, listening))


if __name__ == "__main__":
    main()
