"""The workers of a control process: as many as wished, each on its seat, kept going, replaced, ended in order.

- `resize` takes the wish, and the newest one wins; the newest seats are given up first.
- A worker that ends unasked, or says nothing for too long and is killed for it, is started again on the same socket.
- The owner hears of each worker's beginning, words and end (`worker.Owner`), and alone knows what the words mean.
- Orphans of an earlier control process are adopted: they go on until there are workers in their place, then drain; they
  are watched like the others until they are gone.

Made by the composition root.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from router.core.backoff import Backoff
from router.errors import WorkerFailed
from router.workers.orphans import Orphan
from router.workers.seat import Seat, StartWorker, Surroundings
from router.workers.worker import Owner, Patience, Phase, Worker

log = logging.getLogger("maitre.workers")

LOOK_S: Final = 0.25
"""Between two looks at all workers."""


class Supervisor:
    """Needs a running event loop. `bind` gives one more bound SO_REUSEPORT socket of the data port, or raises OSError;
    `drain_s` is what running requests get when a worker is replaced or one too many."""

    def __init__(
        self,
        start: StartWorker,
        owner: Owner,
        *,
        bind: Callable[[], socket.socket],
        drain_s: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
        backoff: Backoff | None = None,
        patience: Patience | None = None,
    ) -> None:
        names = map(str, itertools.count(1))
        self._around = Surroundings(start, owner, names, now, sleep, draw, backoff or Backoff(), patience or Patience())
        self._bind = bind
        self._drain_s = drain_s
        self._seats: list[Seat] = []
        self._keeping: dict[Seat, asyncio.Task[None]] = {}
        """All seats that there are, also those given up whose workers have not gone yet."""
        self._adopted: set[Worker] = set()
        self._reloading = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._started = self._stopped = False

    @property
    def size(self) -> int:
        """How many workers are wished."""
        return len(self._seats)

    @property
    def ready(self) -> int:
        """How many accept connections."""
        return sum(worker.phase is Phase.READY for worker in self.workers)

    @property
    def workers(self) -> list[Worker]:
        """All that live: also those that start, drain, or were adopted."""
        return [worker for seat in self._keeping for worker in seat.living] + list(self._adopted)

    async def start(self, size: int) -> None:
        """Returns when so many workers are ready; orphans that were adopted before drain from then on.

        WorkerFailed, and none is left, if one ends before it is ready.
        """
        self._watch()
        self.resize(size)
        for opening in [seat.opened for seat in self._seats]:
            if how := await opening:
                await self.stop(0.0)
                raise WorkerFailed(f"a worker {how}")
        self._started = True
        for adopted in self._adopted:
            adopted.drain(self._drain_s)

    def resize(self, size: int) -> None:
        """Wishes for `size` workers. OSError if no further socket can be bound. Once stopped, it stays empty."""
        if self._stopped:
            return
        while len(self._seats) < size:
            self._add_seat(self._bind())
        while len(self._seats) > size:
            self._seats.pop().give_up(self._drain_s)

    async def reload(self) -> bool:
        """Replaces each worker, one at a time, and returns when those who were there are gone.

        False as soon as one that was to follow ends before it is ready: the others go on as they are.
        """
        async with self._reloading:
            elders = [worker.gone for seat in self._seats for worker in seat.living]
            for seat in tuple(self._seats):
                if seat in self._seats and not await seat.replace(self._drain_s):
                    log.error("workers are not replaced: the new one was never ready")
                    return False
            if elders:
                await asyncio.wait(elders)
        return True

    def adopt(self, orphan: Orphan) -> Worker:
        """Takes an orphan in: its owner hears of it as of any other worker. It drains once this has started."""
        self._watch()
        around = self._around
        worker = Worker(
            next(around.names),
            orphan.process,
            orphan.attach,
            around.owner,
            now=around.now,
            patience=around.patience,
            up=True,
        )
        self._adopted.add(worker)
        worker.gone.add_done_callback(lambda gone: self._adopted_left(worker, gone.result()))
        if self._started:
            worker.drain(self._drain_s)
        return worker

    async def stop(self, drain_s: float) -> None:
        """Ends all workers and returns when they are gone. May be called again, to hurry: the earliest end counts."""
        self._stopped = True
        self._seats.clear()
        for seat in self._keeping:
            seat.give_up(drain_s)
        for worker in self._adopted:
            worker.drain(drain_s)
        while self._keeping or self._adopted:
            leaving: set[asyncio.Future[Any]] = {*self._keeping.values(), *(worker.gone for worker in self._adopted)}
            await asyncio.wait(leaving)
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _add_seat(self, bound: socket.socket) -> None:
        seat = Seat(bound, self._around)
        self._seats.append(seat)
        task = self._keeping[seat] = asyncio.get_running_loop().create_task(seat.keep(), name="keep a worker's seat")
        task.add_done_callback(lambda done: self._left_empty(seat, done))

    def _left_empty(self, seat: Seat, task: asyncio.Task[None]) -> None:
        del self._keeping[seat]
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "the keeper of a worker's seat failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)

    def _adopted_left(self, worker: Worker, how: str) -> None:
        self._adopted.discard(worker)
        log.info("adopted worker ended", extra={"fields": {"worker": worker.name, "pid": worker.pid, "how": how}})

    def _watch(self) -> None:
        if self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._look(), name="watch workers")

    async def _look(self) -> None:
        """Finds those who hang. Whoever comes late to look was not listening either, and blames nobody for silence."""
        while True:
            before = self._around.now()
            await self._around.sleep(LOOK_S)
            late = self._around.now() - before > 2 * LOOK_S
            for worker in self.workers:
                if late:
                    worker.excuse()
                worker.look()

    def __repr__(self) -> str:
        return f"<Supervisor size={self.size} ready={self.ready} {self.workers}>"
