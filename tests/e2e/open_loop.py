"""Load that does not wait for its answers: requests fall due at a rate, whether or not the ones before have ended.

What a request takes is counted from when it was due, so that a router which keeps some waiting cannot hide the wait of
those behind them.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.fakes.changes import BOUND_S

Performer = Callable[[int, float], Awaitable[None]]
"""Does request number n, which was due at that time of the loop. One at a time."""


async def open_loop(rate: float, numbers: Iterable[int], performers: Sequence[Performer]) -> None:
    """Returns when requests of all `numbers` have been performed. Who is free takes the next that is due."""
    loop = asyncio.get_running_loop()
    due_ones: asyncio.Queue[tuple[int, float] | None] = asyncio.Queue()

    async def perform(performer: Performer) -> None:
        while (due := await due_ones.get()) is not None:
            await performer(*due)

    async with asyncio.TaskGroup() as tasks:
        for performer in performers:
            tasks.create_task(perform(performer))
        start = loop.time()
        for number in numbers:
            at = start + number / rate
            if at > loop.time():
                await asyncio.sleep(at - loop.time())
            due_ones.put_nowait((number, at))
        for _ in performers:
            due_ones.put_nowait(None)


@dataclass
class Received:
    """What came back of one request. Without a status: not even a whole head."""

    status: int = 0
    fields: dict[str, str] | None = None
    body: bytes = b""
    whole: bool = False

    @property
    def outcome(self) -> str:
        """In the contract's words, as far as a client can tell."""
        if not self.status:
            return "nothing"
        if not self.whole:
            return "cut"
        if "content-type" not in self.fields:  # the models of these tests send none, the router always does
            return "model_error" if self.status == 502 else "ok"
        return json.loads(self.body)["error"]["code"]


class Line(asyncio.Protocol):
    """One connection that keeps what it received also when it is reset."""

    def __init__(self) -> None:
        self.received = b""
        self.lost = False
        self._more: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, port: int, host: str = "127.0.0.1") -> "Line":
        _, line = await asyncio.get_running_loop().create_connection(cls, host, port)
        return line

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._wake()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    async def more(self) -> bool:
        """Waits for more bytes; False when the connection has ended and none will come."""
        before = len(self.received)
        if not self.lost:
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        return len(self.received) > before

    async def answer(self, bound_s: float = BOUND_S) -> Received:
        """The next answer, or what there is of it."""
        async with asyncio.timeout(bound_s):
            while b"\r\n\r\n" not in self.received:
                if not await self.more():
                    return Received()
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            start, *lines = head.decode("latin-1").lower().split("\r\n")
            received = Received(int(start.split()[1]), dict(line.split(": ", 1) for line in lines))
            received.whole = await (self._length(received) if "content-length" in received.fields else self._chunks())
        return received

    async def _length(self, received: Received) -> bool:
        length = int(received.fields["content-length"])
        while len(self.received) < length:
            if not await self.more():
                return False
        received.body, self.received = self.received[:length], self.received[length:]
        return True

    async def _chunks(self) -> bool:
        """Only broken ones are sent in these tests: reads to the end of the connection."""
        while not self.lost:
            await self.more()
        return self.received.endswith(b"0\r\n\r\n")

    def close(self) -> None:
        self.transport.close()

    def leave(self) -> None:
        self.transport.abort()
