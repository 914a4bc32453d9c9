"""What all connections of one worker share: the routes in force, limits, clock, deadlines, ids.

`routes` is replaced by one assignment; an exchange reads it once, when it begins. The plane owns the wheel's alarm (the
one timer of the data plane) and knows the open connections: for drain, and so that there are never more than so many.
Built by `router.main`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from math import inf
from typing import TYPE_CHECKING, Final

from router.core.headmemo import HeadMemo
from router.core.heads import parse_request
from router.core.limits import ClientLimits
from router.core.routes import RefusalRecorder, RouteTable, unpicked_route
from router.proxy.copies import Copies, CopyLimits
from router.proxy.deadlines import TICK_S, DeadlineWheel
from router.proxy.departures import Departures
from router.proxy.identifiers import RequestIds

if TYPE_CHECKING:
    from router.proxy.downstream import Downstream
    from router.proxy.exchange import Exchange


MEMO: Final = 1024
"""Heads of requests that a worker remembers."""
LOOKS: Final = 32
"""Connections that are looked at to make room for one more: enough to find an idle one, few enough to cost nothing."""


class DataPlane:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: ClientLimits,
        *,
        now: Callable[[], float],
        unix_now: Callable[[], float],
        draw: Callable[[], float],
        ids: RequestIds,
        unrouted: RefusalRecorder,
        access_log: Callable[[Exchange, float], None] | None = None,
        trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = (),
        copy_limits: CopyLimits | None = None,
    ) -> None:
        """`now` is monotonic seconds, `unix_now` Unix seconds; `draw` is uniform in [0, 1); `unrouted` counts what met
        no endpoint."""
        self.loop = loop
        self.limits = limits
        self.now = now
        self.unix_now = unix_now
        self.draw = draw
        self.ids = ids
        self.nowhere = unpicked_route("", unrouted)
        self.access_log = access_log
        self.trusted_proxies = trusted_proxies
        self.memo = HeadMemo(partial(parse_request, max_fields=limits.header_lines), MEMO)
        self.routes = RouteTable()
        self.draining = False
        self.last_call = inf
        """From then on (monotonic seconds), requests are refused because of draining."""
        self.connections: OrderedDict[Downstream, None] = OrderedDict()
        self.connections_refused = 0
        self.connections_displaced = 0
        self.departures = Departures(loop)
        self.wheel = DeadlineWheel(self._set_alarm)
        self.copies = Copies(self, copy_limits or CopyLimits())
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._alarm: asyncio.TimerHandle | None = None

    def publish(self, routes: RouteTable) -> None:
        """Another configuration is in force, for every request that begins from now on."""
        self.routes = routes

    def opened(self, connection: Downstream) -> None:
        if len(self.connections) >= self.limits.connections:
            self._make_room(connection)
        self.connections[connection] = None
        self._emptied.clear()

    def closed(self, connection: Downstream) -> None:
        self.connections.pop(connection, None)
        self.departures.unwatch(connection)
        if not self.connections:
            self._emptied.set()

    async def emptied(self) -> None:
        """Returns when no connection is open."""
        await self._emptied.wait()

    def drain(self, last_call_s: float = 0.0) -> None:
        """Every connection is closed after the request it is in; who is between requests has one more, if it begins
        within `last_call_s` seconds.

        A client cannot know that the router ends, and its next request may be on its way already.
        """
        self.draining = True
        self.last_call = self.now() + last_call_s
        for connection in list(self.connections):
            connection.drain(self.last_call)

    def abort(self) -> None:
        """Cuts what is left, copies for mirrors too."""
        for connection in list(self.connections):
            connection.abort()
        self.copies.cut()
        self.departures.close()
        if self._alarm is not None:
            self._alarm.cancel()

    def _make_room(self, newcomer: Downstream) -> None:
        """Ends the connection between requests whose time is up next, of a few that were not looked at for longest.

        So a flood of idle connections, or of heads that never end, displaces itself and not the clients at work: theirs
        have a request under way, or the later deadline. Where all of them are at work, the newcomer has to go.
        """
        resting: list[Downstream] = []
        for _ in range(min(LOOKS, len(self.connections))):
            connection, _ = self.connections.popitem(last=False)
            self.connections[connection] = None
            if connection.exchange is None:
                resting.append(connection)
        if resting:
            self.connections_displaced += 1
            min(resting, key=lambda each: each.deadline.at).abort()
        else:
            self.connections_refused += 1
            newcomer.abort()

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
