"""The data port: a bound socket, and a `Downstream` for every connection it accepts. Made by `router.main`."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final, cast

from router.proxy.downstream import Downstream
from router.proxy.plane import DataPlane

BACKLOG: Final = 1024
"""Connections that the kernel keeps while the loop is busy; the kernel cuts it to net.core.somaxconn."""
UNSENT: Final = 128 * 1024
"""Bytes of answers that the kernel takes ahead of what it can send to a client (tcp(7), TCP_NOTSENT_LOWAT).

Left to itself it takes megabytes, and a client that does not read holds them out of the router's sight, which believes
that the answer is on its way.
"""


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A bound TCP socket; port 0 picks a free one. Raises OSError, naming host and port.

    `shared`: others of the same user may be bound to the same port, and the kernel spreads connections over them.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # accepted connections inherit it
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return bound


class Listener:
    """Accepts connections from `start` until `stop`."""

    def __init__(self, plane: DataPlane, bound: socket.socket) -> None:
        self._plane = plane
        self._socket = bound
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    async def start(self) -> None:
        self._server = await self._plane.loop.create_server(self._downstream, sock=self._socket, backlog=BACKLOG)

    async def stop(self) -> None:
        """No further connection; those that stand are the plane's.

        Whom the kernel has connected, but nobody accepted yet, may have sent a request: closing the socket would reset
        them, so they are let in first.
        """
        if self._server is None:
            return
        server, self._server = self._server, None
        waiting = self._accept_all()
        server.close()
        for connected in waiting:
            await self._plane.loop.connect_accepted_socket(self._downstream, connected)

    def _accept_all(self) -> list[socket.socket]:
        accepted: list[socket.socket] = []
        with suppress(OSError):  # BlockingIOError: that were all
            while True:
                accepted.append(self._socket.accept()[0])
        return accepted

    def _downstream(self) -> asyncio.Protocol:
        return cast(asyncio.Protocol, Downstream(self._plane))
