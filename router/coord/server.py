"""The coordination port: accepts connections of members and hands them to the coordinator, once they are known.

Open in every router, so that whoever begins to lead can be reached at once; who does not lead says so. Connections that
have not proven anything yet are few and short-lived, so that strangers cannot fill the process.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from router.coord.coordinator import Coordinator
from router.coord.frames import Message
from router.coord.handshake import CHALLENGE_BYTES, Handshake, Key
from router.coord.link import Link, NetworkLink

MAX_STRANGERS: Final = 100
"""Connections whose peer is not known yet. One more, and the oldest of them is closed."""


class CoordinationServer:
    """Implements `LinkOwner` for what is not known yet; what is, is the coordinator's."""

    def __init__(
        self,
        coordinator: Coordinator,
        key: Key,
        *,
        random_bytes: Callable[[int], bytes],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._coordinator = coordinator
        self._key = key
        self._random_bytes = random_bytes
        self._loop = loop
        self._server: asyncio.Server | None = None
        self._strangers: dict[Link, None] = {}
        self._links: dict[Link, None] = {}

    def __repr__(self) -> str:
        return f"<CoordinationServer {len(self._links)} links, {len(self._strangers)} strangers>"

    async def start(self, host: str, port: int) -> int:
        """Returns the port, which was picked if `port` is 0. Raises OSError."""
        self._server = await self._loop.create_server(self._accept, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def start_on(self, bound: socket.socket) -> None:
        """The same, on a socket that is bound."""
        self._server = await self._loop.create_server(self._accept, sock=bound)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for link in [*self._strangers, *self._links]:
            link.close("this router stops")

    def opened(self, link: Link) -> None:
        self._strangers.pop(link, None)
        self._links[link] = None
        self._coordinator.opened(link)

    def received(self, link: Link, message: Message) -> None:
        self._coordinator.received(link, message)

    def closed(self, link: Link, reason: str) -> None:
        self._strangers.pop(link, None)
        if link in self._links:
            del self._links[link]
            self._coordinator.closed(link, reason)

    def _accept(self) -> NetworkLink:
        if len(self._strangers) >= MAX_STRANGERS:
            next(iter(self._strangers)).close("too many connections that have proven nothing")
        handshake = Handshake("coordinator", self._coordinator.name, self._key, self._random_bytes(CHALLENGE_BYTES))
        link = NetworkLink(self, handshake, self._loop)
        self._strangers[link] = None
        return link
