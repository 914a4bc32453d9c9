"""One worker, as its control process sees it: from its start, or its adoption, until its process is known to be gone.

It is told its end once, after everything that it had said, and only when its process has been reaped: what it used may
then be given to others. Whoever does not say a word for too long is killed, so that this comes about.

Made by `seat` for the processes that it starts, and by `supervisor` for orphans.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from router.workers.channel import Channel
from router.workers.messages import Drain, Heartbeat, Ready
from router.workers.process import Process

HUNG_S: Final = 3.0
"""A worker that says nothing for so long hangs: it sends a heartbeat each second."""
START_S: Final = 60.0
"""How long a worker may take to be ready. A second is what it takes; a starved machine is no reason to begin again."""
GRACE_S: Final = 2.0
"""What a worker gets, beyond the time to drain, to say its last words and exit."""


Connect = Callable[[Callable[[object], None], Callable[[], None]], Channel]
"""Makes the channel to the worker, given who takes its messages, and who is told that it ended."""


class Phase(Enum):
    STARTING = "starting"
    LEFT_BEHIND = "left behind"
    READY = "ready"
    DRAINING = "draining"
    GONE = "gone"


class Owner(Protocol):
    """Who the workers work for: knows what messages mean. All calls come on the loop; none may raise."""

    def joined(self, worker: Worker) -> None:
        """It can be sent messages from now on; it reads them as soon as it is up. Comes first of all calls."""

    def received(self, worker: Worker, message: object) -> None:
        """It said something; also while it drains, and its last words after it has exited."""

    def ready(self, worker: Worker) -> None:
        """It accepts connections from now on. An orphan is never told as ready."""

    def left(self, worker: Worker, how: str) -> None:
        """Its process is gone, and nothing of it uses anything any more. Comes once, last of all calls."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, in seconds, is too long."""

    hung_s: float = HUNG_S
    start_s: float = START_S
    grace_s: float = GRACE_S


class Worker:
    """`name` is its own for ever: no other worker under this control process has it, or ever had."""

    def __init__(
        self,
        name: str,
        process: Process,
        connect: Connect,
        owner: Owner,
        *,
        now: Callable[[], float],
        patience: Patience,
        up: bool = False,
    ) -> None:
        """`up`: it runs and serves already, so it is given no time to begin."""
        self.name = name
        self.phase = Phase.LEFT_BEHIND if up else Phase.STARTING
        self.asked = False
        """Whether its end was wished for: it was told to drain."""
        self.killed = ""
        """Why it was killed by its control process; empty: it was not."""
        loop = asyncio.get_running_loop()
        self.settled: asyncio.Future[None] = loop.create_future()
        """Resolves when it is ready, or gone before it ever was."""
        self.gone: asyncio.Future[str] = loop.create_future()
        """Resolves to how it ended, after the owner was told."""
        self._process = process
        self._owner = owner
        self._now = now
        self._patience = patience
        self._heard = now() if up else None
        """When it last said something; None: it is not up yet."""
        self._ready_at: float | None = None
        self._ends_at: float | None = None
        self._due = math.inf if up else now() + patience.start_s
        """When it is to be what it was last told to become: ready, or gone."""
        self.channel = connect(self._received, self._lost)
        process.ended.add_done_callback(self._ended)
        owner.joined(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ready_s(self) -> float:
        """For how long it was ready, or has been."""
        return 0.0 if self._ready_at is None else (self._ends_at or self._now()) - self._ready_at

    def send(self, message: object) -> None:
        """Nothing happens once it is gone."""
        self.channel.send(message)

    def drain(self, seconds: float) -> None:
        """Asks it to end; kills it when it has not, a little after. Of several calls the earliest end counts."""
        due = self._now() + seconds + self._patience.grace_s
        if self.phase is Phase.GONE or (self.asked and due >= self._due):
            return
        self.asked = True
        self.phase = Phase.DRAINING
        self._due = due
        self.send(Drain(seconds))

    def look(self) -> None:
        """Kills it if it is overdue. To be called several times a second, while the loop is listening."""
        now = self._now()
        if now >= self._due:
            self.kill(self._overdue())
        elif self._heard is not None and now - self._heard >= self._patience.hung_s:
            self.kill(f"said nothing for {self._patience.hung_s:g} s")

    def excuse(self) -> None:
        """Nobody has listened for a while, so it cannot be blamed for having said nothing."""
        if self._heard is not None:
            self._heard = self._now()

    def kill(self, why: str) -> None:
        """SIGKILL; `why` is told with its end. Its slots are not free before that has come."""
        if self.phase is not Phase.GONE and not self.killed:
            self.killed = why
            self._process.kill()

    def _overdue(self) -> str:
        if self.asked:
            return "did not end when told to"
        return "did not become ready" if self.phase is Phase.STARTING else "closed its channel and did not exit"

    def _received(self, message: object) -> None:
        self._heard = self._now()
        if isinstance(message, Ready):
            self._become_ready()
        elif not isinstance(message, Heartbeat):
            self._owner.received(self, message)

    def _become_ready(self) -> None:
        if self.phase is not Phase.STARTING:
            return
        self.phase = Phase.READY
        self._ready_at = self._now()
        self._due = math.inf
        _resolve(self.settled)
        self._owner.ready(self)

    def _lost(self) -> None:
        """Its end of the channel is closed: it is about to exit, or of no use any more."""
        if self.channel.problem:
            self.kill(self.channel.problem)
        else:
            self._due = min(self._due, self._now() + self._patience.grace_s)

    def _ended(self, ended: asyncio.Future[str]) -> None:
        if ended.cancelled():
            return
        self.channel.finish()
        self.phase = Phase.GONE
        self._ends_at = self._now()
        how = f"{self.killed}; {ended.result()}" if self.killed else ended.result()
        try:
            self._owner.left(self, how)
        finally:
            _resolve(self.settled)
            self.gone.set_result(how)

    def __repr__(self) -> str:
        return f"<Worker {self.name} pid={self.pid} {self.phase.value}>"


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
