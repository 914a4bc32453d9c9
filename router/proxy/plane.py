"""What all connections of one worker share: the routes in force, limits, clock, deadlines, ids.

`routes` is replaced by one assignment; an exchange reads it once, when it begins. The plane owns the wheel's alarm (the
one timer of the data plane) and knows the open connections, for drain. Built by `router.main`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from math import inf
from typing import TYPE_CHECKING, Final

from router.core.headmemo import HeadMemo
from router.core.heads import parse_request
from router.core.routes import RefusalRecorder, RouteTable, unpicked_route
from router.proxy.deadlines import TICK_S, DeadlineWheel
from router.proxy.identifiers import RequestIds

if TYPE_CHECKING:
    from router.proxy.downstream import Downstream
    from router.proxy.exchange import Exchange


MEMO: Final = 1024
"""Heads of requests that a worker remembers."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What a client may send, and how slowly. None of them is unbounded. Bytes and seconds."""

    head_bytes: int = 64 * 1024
    header_lines: int = 100
    body_bytes: int = 100 * 1024 * 1024
    head_s: float = 10.0
    """From a head's first byte to its last."""
    idle_s: float = 75.0
    """Between requests on a connection; nginx's keepalive_timeout."""
    linger_s: float = 2.0
    """How long a refused body is read and dropped, so that the client sees the answer and not a reset."""
    buffer_bytes: int = 64 * 1024
    """Body held for a request that has no replica yet, and bytes of pipelined requests; then the client has to wait."""


class DataPlane:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: ClientLimits,
        *,
        now: Callable[[], float],
        draw: Callable[[], float],
        ids: RequestIds,
        unrouted: RefusalRecorder,
        access_log: Callable[[Exchange, float], None] | None = None,
        trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = (),
    ) -> None:
        """`now` is monotonic seconds, `draw` is uniform in [0, 1); `unrouted` counts what met no endpoint."""
        self.loop = loop
        self.limits = limits
        self.now = now
        self.draw = draw
        self.ids = ids
        self.nowhere = unpicked_route("", unrouted)
        self.access_log = access_log
        self.trusted_proxies = trusted_proxies
        self.memo = HeadMemo(partial(parse_request, max_fields=limits.header_lines), MEMO)
        self.routes = RouteTable()
        self.draining = False
        self.connections: set[Downstream] = set()
        self.wheel = DeadlineWheel(self._set_alarm)
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._alarm: asyncio.TimerHandle | None = None

    def publish(self, routes: RouteTable) -> None:
        """Another configuration is in force, for every request that begins from now on."""
        self.routes = routes

    def opened(self, connection: Downstream) -> None:
        self.connections.add(connection)
        self._emptied.clear()

    def closed(self, connection: Downstream) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self._emptied.set()

    async def emptied(self) -> None:
        """Returns when no connection is open."""
        await self._emptied.wait()

    def drain(self) -> None:
        """Takes no new request: idle connections are closed, the others after the request they are in."""
        self.draining = True
        for connection in list(self.connections):
            connection.drain()

    def abort(self) -> None:
        """Cuts what is left."""
        for connection in list(self.connections):
            connection.abort()
        if self._alarm is not None:
            self._alarm.cancel()

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        # half a tick more: the loop's timers are rounded to milliseconds and must not come early
        self._alarm = self.loop.call_later(max(0.0, at - self.now()) + TICK_S / 2, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        now = self.now()
        for deadline in self.wheel.advance(now):
            if deadline.at == inf:  # unless one before it has ended its request, and it stands for something else now
                deadline.on_due(now)
