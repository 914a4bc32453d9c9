"""How long what comes in waits for the event loop: the part of the routing time that grows when a router is too small.

A byte is sent to oneself every EVERY_S and read like a request: it waits behind all that came before it, so the time
until it is read is what one event waits for its turn. A request takes its turn at least PASSES times: when its bytes
come in, and when the replica's answer does.

Measured by itself, since nothing else shows it. `maitre_router_overhead_seconds` begins when a request has been read,
and what its answer waits to be read looks like time with the replica: on a router without a moment to spare it hardly
changes. Its highest percentiles tell of clients that are slow to send a head. A timer that is late would tell, but the
loop's timers are no finer than a millisecond.

One per worker, made and begun where its event loop is; `pulse` is shipped with the worker's counters.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from router.telemetry.cpu_time import wanted_cpu_s

EVERY_S: Final = 0.1
PASSES: Final = 2


class Pulse(NamedTuple):
    """What a worker has used and waited since it was started: cumulative, picklable."""

    cpu_s: float
    """CPU time that it used, or waited for (`cpu_time`)."""
    turns: int
    """How many bytes were read."""
    waited_s: float
    """How long they waited, all together."""


class Turns:
    """`now` is monotonic seconds, `cpu` the CPU time of this process. Made in the thread that runs the loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = wanted_cpu_s,
    ) -> None:
        self._loop = loop
        self._now = now
        self._cpu = cpu
        self._turns = 0
        self._waited_s = 0.0
        self._sent_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._out, self._in = socket.socketpair()
        self._out.setblocking(False)
        self._in.setblocking(False)

    def start(self) -> None:
        """Measure until `close`."""
        self._loop.add_reader(self._in, self._read)
        self._send()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._loop.remove_reader(self._in)
        self._in.close()
        self._out.close()

    def pulse(self) -> Pulse:
        return Pulse(self._cpu(), self._turns, self._waited_s)

    def _send(self) -> None:
        self._timer = self._loop.call_later(EVERY_S, self._send)
        if self._sent_at is None:
            with suppress(BlockingIOError):  # no room for a byte: the next one will do
                self._out.send(b".")
                self._sent_at = self._now()

    def _read(self) -> None:
        if self._in.recv(16) and self._sent_at is not None:
            self._turns += 1
            self._waited_s += self._now() - self._sent_at
            self._sent_at = None

    def __repr__(self) -> str:
        mean_ms = 1000 * self._waited_s / self._turns if self._turns else 0.0
        return f"<Turns {self._turns} of {mean_ms:.3f} ms>"
