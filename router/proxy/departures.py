"""Clients that leave while nobody reads from them, and those that do not see that the router leaves.

Backpressure is not reading; but who does not read does not see the end of a connection either, and a client that left
would keep its place in the queue, or its slot, until its deadline. So the kernel is asked about paused connections, a
few times per second: it knows once the client's FIN or RST is there. (Where the client's last bytes do not fit into the
kernel's buffer the FIN stays behind them; then the deadline decides, as with any proxy.)

Likewise, a connection over TLS that the router closes would stay until its client says goodbye too, and one that keeps
it for later does not look. So it is ended as soon as the client's machine has taken all that was written, the router's
goodbye included (RFC 8446 section 6.1 asks for no more), and no sooner: a slow reader is to get its whole answer.

One per worker, owned by the `DataPlane`; there is no timer while no connection is watched.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from router.proxy.downstream import Downstream

LOOK_S: Final = 0.1
_ESTABLISHED: Final = 1
"""The first byte of tcp_info (tcp(7), include/net/tcp_states.h)."""


class Departures:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: set[Downstream] = set()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, connection: Downstream) -> None:
        """From now on until `unwatch`."""
        self._watched.add(connection)
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_S, self._look)

    def unwatch(self, connection: Downstream) -> None:
        self._watched.discard(connection)

    def close(self) -> None:
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_S, self._look) if self._watched else None
        for connection in [each for each in self._watched if is_over(each)]:
            self._watched.discard(connection)
            connection.abort()


def is_over(connection: Downstream) -> bool:
    """Whether nothing can pass on it any more: the client has left, or has taken the last of what is being closed."""
    return has_left(connection.transport) or (connection.transport.is_closing() and connection.untaken() == 0)


def has_left(transport: asyncio.BaseTransport) -> bool:
    """Whether the other side has closed the connection, or half of it; False where the system cannot tell."""
    if not hasattr(socket, "TCP_INFO"):
        return False
    connected: socket.socket = transport.get_extra_info("socket")
    return connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0] != _ESTABLISHED
