"""The data port over TLS: accepts, shakes hands, and makes a `Downstream` of whoever got through.

It has an accept loop of its own so that each handshake takes the context that is in force, and so that handshakes that
lead nowhere cost little: their number is bounded, and when there are too many the oldest gives way, since an honest
client needs a few round trips and a silent one all the time it gets. Made by `router.main`; the plain port, without any
of this, is `router.proxy.listener`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from router.proxy.downstream import Downstream
from router.proxy.listener import BACKLOG
from router.proxy.plane import DataPlane

log = logging.getLogger("maitre.tls")

HANDSHAKES: Final = 512
"""Under way at once; a few tens of kilobytes each."""
HANDSHAKE_TIMEOUT_S: Final = 10.0
"""As long as a client may take for a head."""
ACCEPTS: Final = 64
"""Connections accepted before those that stand get their turn."""
EXHAUSTED_PAUSE_S: Final = 1.0
"""Without file descriptors or memory, accepting would fail again at once; asyncio waits as long."""
EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class TlsListener:
    """Accepts connections from `start` until `stop`. `context` gives what the next handshake is to use."""

    def __init__(
        self,
        plane: DataPlane,
        bound: socket.socket,
        context: Callable[[], ssl.SSLContext],
        handshakes: int = HANDSHAKES,
    ) -> None:
        self._plane = plane
        self._socket = bound
        self._context = context
        self._most = handshakes
        self._handshakes: dict[asyncio.Task[None], None] = {}  # oldest first
        self._pause: asyncio.TimerHandle | None = None
        self._failed = 0

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    async def start(self) -> None:
        self._socket.setblocking(False)
        self._socket.listen(BACKLOG)
        self._resume()

    async def stop(self) -> None:
        """No further connection, nor one whose handshake is not over; those that stand are the plane's."""
        if self._socket.fileno() < 0:
            return
        self._plane.loop.remove_reader(self._socket)
        if self._pause is not None:
            self._pause.cancel()
        self._socket.close()
        for handshake in list(self._handshakes):
            handshake.cancel()

    def _resume(self) -> None:
        self._plane.loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                connection, _peer = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._wait_for_room(error)
                    return
                continue  # the client has left before it was accepted
            self._begin(connection)

    def _wait_for_room(self, error: OSError) -> None:
        log.error("cannot accept connections for now", extra={"fields": {"error": error.strerror}})
        self._plane.loop.remove_reader(self._socket)
        self._pause = self._plane.loop.call_later(EXHAUSTED_PAUSE_S, self._resume)

    def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        if len(self._handshakes) >= self._most:
            oldest = next(iter(self._handshakes))
            del self._handshakes[oldest]
            oldest.cancel()
        handshake = self._plane.loop.create_task(self._shake_hands(connection), name="handshake")
        self._handshakes[handshake] = None
        handshake.add_done_callback(partial(self._ended, connection))

    async def _shake_hands(self, connection: socket.socket) -> None:
        try:
            await self._plane.loop.connect_accepted_socket(
                lambda: cast(asyncio.Protocol, Downstream(self._plane)),
                connection,
                ssl=self._context(),
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                ssl_shutdown_timeout=self._plane.limits.idle_s,  # what is written last has to be taken in it, too
            )
        except OSError as error:  # bytes that are no TLS, a certificate that we do not trust, no end in time
            self._failed += 1
            log.debug("handshake failed", extra={"fields": {"error": str(error) or type(error).__name__}})

    def _ended(self, connection: socket.socket, handshake: asyncio.Task[None]) -> None:
        self._handshakes.pop(handshake, None)
        if handshake.cancelled():
            connection.close()  # where the loop has taken it over, it has closed it already
        elif (error := handshake.exception()) is not None:
            context = {"message": "a handshake failed by a fault of ours", "exception": error, "task": handshake}
            self._plane.loop.call_exception_handler(context)

    def __repr__(self) -> str:
        return f"<TlsListener handshakes={len(self._handshakes)} failed={self._failed}>"
