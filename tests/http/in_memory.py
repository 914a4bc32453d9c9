"""The data plane's own protocol classes over transports in memory: no socket, no loop, no clock.

One client, one endpoint with one version, one replica with one slot. Nothing happens by itself: the test delivers
bytes, and `settle` lets the router connect, the model answer and connections end, until nobody has anything to do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from router.core.admission import Admission, Limits
from router.core.credentials import NoCredentials
from router.core.limits import ClientLimits
from router.core.routes import EndpointRoute, RouteTable, VersionRoute
from router.core.traffic import Split
from router.proxy.downstream import Downstream
from router.proxy.exchange import perform
from router.proxy.identifiers import RequestIds
from router.proxy.plane import DataPlane
from router.proxy.upstream import Upstream, UpstreamConnection

SCORING_PATH = "/predict"
CLAIMED_HOST = "example.com"
PEER = b"127.0.0.1"
NOW = 1000.0


class Wire(asyncio.Transport):
    """The router's end of a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closing = False
        self.aborted = False
        self.half_closed = False

    def write(self, data: Any) -> None:
        assert not self.half_closed, "written behind the end"
        if not self.closing:
            self.written += data

    def write_eof(self) -> None:
        self.half_closed = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": (PEER.decode(), 50000), "socket": self}.get(name, default)

    def setsockopt(self, *_option: object) -> None:
        """Only said before a reset."""

    @property
    def ended(self) -> bool:
        """Whether the other side reads an end behind what was written."""
        return self.closing or self.half_closed


@dataclass
class Line:
    """A connection to the model."""

    connection: UpstreamConnection
    wire: Wire = field(default_factory=Wire)
    seen: int = 0
    """How much of what was written the model has looked at."""
    over: bool = False
    reading: Any = None
    """The model's own."""

    def says(self, data: bytes) -> None:
        if not self.wire.closing:
            self.connection.data_received(data)

    def hangs_up(self) -> None:
        """The model closes the connection."""
        if not self.over:
            self.over = True
            self.connection.eof_received()
            self.wire.closing = True
            self.connection.connection_lost(None)


class Model(Protocol):
    def look(self, line: Line) -> bool:
        """Told in every turn of each open connection; whether it did anything."""
        ...


class MemoryLoop(asyncio.AbstractEventLoop):
    """Runs what is ready when it is told to. Connections are made at once; time stands still, so alarms never come."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._ready: deque[asyncio.Handle] = deque()
        self._tasks: list[asyncio.Task[Any]] = []

    def run_ready(self) -> bool:
        """Whether there was anything to run. Raises what a task raised."""
        moved = bool(self._ready)
        asyncio._set_running_loop(self)
        try:
            while self._ready:
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(None)
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.result()
        return moved

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:
        self._tasks.append(asyncio.Task(coro, loop=self, name=name, context=context))
        return self._tasks[-1]

    async def create_connection(self, make: Any, *_where: Any, **_how: Any) -> Any:
        line = Line(make())
        line.connection.connection_made(line.wire)
        self.lines.append(line)
        return line.wire, line.connection

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        self._ready.append(asyncio.Handle(callback, args, self, context))
        return self._ready[-1]

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return asyncio.TimerHandle(when, callback, args, self, context)

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return self.call_at(NOW + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, _handle: asyncio.TimerHandle) -> None:
        pass

    def time(self) -> float:
        return NOW

    def get_debug(self) -> bool:
        return False


class Uncounted:
    """A recorder that remembers the last outcome alone."""

    last = ""

    def finished(self, outcome: str, *_numbers: float) -> None:
        self.last = str(outcome)


def always_the_same_ids() -> RequestIds:
    return RequestIds(lambda bits: (1 << bits) // 3)


class MemoryHouse:
    """One data plane, for any number of conversations, one after the other."""

    def __init__(self) -> None:
        self.counted = Uncounted()
        self.loop = MemoryLoop()
        self.upstream = Upstream(self.loop, "model", 1)
        self.plane = DataPlane(
            self.loop,
            ClientLimits(),
            now=lambda: NOW,
            unix_now=lambda: NOW,
            draw=lambda: 0.0,
            ids=always_the_same_ids(),
            unrouted=self.counted,
        )
        self.admission: Admission[Any, Any] = Admission(Limits())
        perform(self.admission.add_replica("replica-1", self.upstream, NOW), NOW)
        version = VersionRoute(
            endpoint="digits",
            name="blue",
            admission=self.admission,
            recorder=self.counted,
            scoring_path=SCORING_PATH,
            scoring_timeout_s=60.0,
        )
        versions = {"blue": version}
        endpoint = EndpointRoute(
            name="digits",
            credentials=NoCredentials(),
            versions=versions,
            split=Split(versions, {"blue": 100.0}, "blue"),
            recorder=self.counted,
        )
        self.plane.publish(RouteTable({"digits": endpoint}, {CLAIMED_HOST: endpoint}))

    def conversation(self, model: Model) -> Conversation:
        self.plane.ids = always_the_same_ids()  # so that the same bytes give the same bytes
        self.loop.lines = []
        return Conversation(self, model)


class Conversation:
    """One client's connection from its beginning to its end."""

    def __init__(self, house: MemoryHouse, model: Model) -> None:
        self._house = house
        self._model = model
        self.wire = Wire()
        self._client = Downstream(house.plane)
        self._client.connection_made(self.wire)
        self._over = False

    @property
    def lines(self) -> list[Line]:
        return self._house.loop.lines

    def deliver(self, data: bytes) -> None:
        if not self.wire.closing:
            self._client.data_received(data)

    def settle(self) -> None:
        moved = True
        while moved:
            moved = self._house.loop.run_ready()
            for line in self.lines:
                moved |= not line.over and self._model.look(line)
                moved |= self._end_line(line)
        if self.wire.closing:
            self._end()

    def leave(self) -> None:
        """The client is done; nothing may be left of it."""
        self._end()
        for line in self.lines:
            line.hangs_up()
        self.settle()
        house = self._house
        assert house.admission.in_flight == house.admission.queued == 0, house.admission
        assert not house.plane.connections
        assert not house.upstream.idle

    def _end_line(self, line: Line) -> bool:
        """Tells the router of the end that it has made."""
        if line.over or not line.wire.closing:
            return False
        line.over = True
        line.connection.connection_lost(None)
        return True

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self.wire.closing = True
            self._client.connection_lost(None)
