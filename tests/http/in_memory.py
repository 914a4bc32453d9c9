"""The data plane's own protocol classes over transports in memory: no socket, no loop, no clock.

One client, one endpoint with one version, one replica with one slot. Nothing happens by itself: the test delivers
bytes, and `settle` lets the router connect, the model answer and connections end, until nobody has anything to do.
"""

from __future__ import annotations

import asyncio
from copy import copy
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
from router.proxy.upstream import ResponseSink, Upstream, UpstreamConnection

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


class MemoryUpstream(Upstream):
    def __init__(self) -> None:
        super().__init__(None, "model", 1)  # type: ignore[arg-type]  nothing here asks a loop
        self.wanted: list[ResponseSink] = []
        self.lines: list[Line] = []

    def connect(self, sink: ResponseSink) -> None:
        self.wanted.append(sink)

    def turn(self, model: Model) -> bool:
        wanted, self.wanted = self.wanted, []
        for sink in wanted:
            line = Line(UpstreamConnection(self))
            line.connection.connection_made(line.wire)
            self.lines.append(line)
            sink.connected(line.connection)
        moved = bool(wanted)
        for line in self.lines:
            if not line.over:
                moved |= model.look(line)
                moved |= self._end(line)
        return moved

    def _end(self, line: Line) -> bool:
        if not line.wire.closing or line.over:
            return False
        line.over = True
        line.connection.connection_lost(None)
        return True


class Uncounted:
    """A recorder that remembers the last outcome alone."""

    last = ""

    def finished(self, outcome: str, *_numbers: float) -> None:
        self.last = str(outcome)


class Timers:
    """Stands for the loop: alarms are taken, and never come."""

    def call_later(self, *_when_and_what: object) -> Timers:
        return self

    def cancel(self) -> None:
        pass


class MemoryHouse:
    """One data plane, for any number of conversations, one after the other."""

    def __init__(self) -> None:
        self.counted = Uncounted()
        self.upstream = MemoryUpstream()
        self._ids = RequestIds(lambda bits: (1 << bits) // 3)
        self.plane = DataPlane(
            Timers(),  # type: ignore[arg-type]
            ClientLimits(),
            now=lambda: NOW,
            draw=lambda: 0.0,
            ids=self._ids,
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
        self.plane.ids = copy(self._ids)  # so that the same bytes give the same bytes
        self.upstream.lines = []
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
        return self._house.upstream.lines

    def deliver(self, data: bytes) -> None:
        if not self.wire.closing:
            self._client.data_received(data)

    def settle(self) -> None:
        while self._house.upstream.turn(self._model):
            pass
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

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self.wire.closing = True
            self._client.connection_lost(None)
