"""The open-loop load generator: requests at fixed times, over kept-alive connections, from one thread.

It sleeps until the next request is due or an answer comes, and never spins: the model may share its core. How late it
sends is part of what it reports, and of every latency. Called by `bench.latency`.
"""

from __future__ import annotations

import gc
import select
import socket
import time
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.proof import Unfit
from bench.work import ANSWER, KEY

CONNECTIONS: Final = 64
LOST_S: Final = 5.0
"""So long without any answer, and the run has failed."""
_SLACK: Final = Path("/proc/self/timerslack_ns")


@dataclass(frozen=True, slots=True)
class Turn:
    """One run, in seconds. `latency`: from when a request was due to its answer; `lag`: to when it was sent.

    `most`: requests in flight at once; below CONNECTIONS none waited for one. `cpu_s`: what the generator itself used.
    """

    latency: array[float]
    lag: array[float]
    most: int
    cpu_s: float


def drive(port: int, path: str, due: Sequence[float], connections: int = CONNECTIONS) -> Turn:
    """Sends a request at each of the times `due`, seconds from the start.

    Raises Unfit when a connection breaks or an answer is no success.
    """
    with ExitStack() as ends:
        lines = [ends.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(connections)]
        for line in lines:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.settimeout(LOST_S)
        ends.enter_context(punctual())
        return _Run(lines, path, due).drive()


class _Run:
    """The state of one run. Connections take turns, so that all stay in use."""

    def __init__(self, lines: Sequence[socket.socket], path: str, due: Sequence[float]) -> None:
        self._due = due
        self._idle = deque(lines)
        self._busy: dict[socket.socket, int] = {}
        self._got: dict[socket.socket, bytes] = {}
        self._latency = array("d", bytes(8 * len(due)))
        self._lag = array("d", bytes(8 * len(due)))
        self._most = 0
        number = time.monotonic_ns() % 10**11  # the next run has other heads, as with clients that trace
        start, end = _request(path).split(b"@")
        self._requests = [start + b"%012d" % (number + turn) + end for turn in range(len(due))]

    def drive(self) -> Turn:
        due, idle, busy, clock = self._due, self._idle, self._busy, time.perf_counter
        sent, total, cpu_before = 0, len(due), time.process_time()
        start = clock()
        while sent < total or busy:
            while sent < total and idle and due[sent] <= (now := clock() - start):
                self._send(sent, now)
                sent += 1
            asleep_until_answer = sent == total or not idle
            wait = LOST_S if asleep_until_answer else max(0.0, due[sent] - (clock() - start))
            ready, _, _ = select.select(list(busy), (), (), wait)
            if asleep_until_answer and not ready:
                raise Unfit(f"no answer within {LOST_S:g} s")
            for line in ready:
                self._receive(line, start)
        return Turn(self._latency, self._lag, self._most, time.process_time() - cpu_before)

    def _send(self, turn: int, now: float) -> None:
        line = self._idle.popleft()
        self._busy[line] = turn
        self._most = max(self._most, len(self._busy))
        self._lag[turn] = now - self._due[turn]
        line.send(self._requests[turn])

    def _receive(self, line: socket.socket, start: float) -> None:
        data = line.recv(65536)
        at = time.perf_counter()
        if not data:
            raise Unfit("a connection was closed")
        got = self._got.pop(line, b"") + data
        if not got.endswith(ANSWER):
            self._got[line] = got
            return
        if not got.startswith(b"HTTP/1.1 200 "):
            raise Unfit(f"no success: {got[:100]!r}")
        turn = self._busy.pop(line)
        self._latency[turn] = at - start - self._due[turn]
        self._idle.append(line)


def _request(path: str) -> bytes:
    """A request of which `@` is replaced; 60 bytes of body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench-client/1.0\r\nAuthorization: Bearer {KEY}\r\n"
        "Content-Type: application/json\r\nContent-Length: 60\r\nX-Turn: @\r\n\r\n"
    )
    return head.encode() + b'{"data": [' + b"0" * 48 + b"]}"


@contextmanager
def punctual() -> Iterator[None]:
    """No pauses for garbage, and sleeps that end when they should: by default Linux lets them end 50 µs late."""
    before = _SLACK.read_text()
    gc.collect()
    gc.freeze()
    gc.disable()
    _SLACK.write_text("1")
    try:
        yield
    finally:
        _SLACK.write_text(before)
        gc.enable()
        gc.unfreeze()
