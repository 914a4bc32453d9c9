"""Runs the admin application with uvicorn inside the event loop that is already there.

Uvicorn is made to keep its hands off what is not its: signals belong to `serve`, log handlers to `router.telemetry`.
The sockets come bound (port 0 included) and are closed by `stop`. The server's task is kept here by name; an exception
in it comes out of `start`, `wait` or `stop`, and out of `wait` as soon as it happens.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

GRACE_S: Final = 3
"""How long requests under way may take once `stop` is called; a page of metrics of 10,000 endpoints takes about two."""


class AdminServer:
    """Serves `app` on `sockets`. One life: start, then stop; the sockets are the server's from the constructor on."""

    def __init__(
        self,
        app: ASGIApp,
        sockets: Sequence[socket.socket],
        grace_s: int = GRACE_S,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        """`tls` gives what the next handshake is to use; None: in the clear."""
        if not sockets:
            raise ValueError("the admin server needs a socket to listen on")
        self._sockets = list(sockets)
        self._server = _Server(_configuration(app, grace_s, tls))
        self._task: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each socket, with the port that the system picked where 0 was asked for."""
        return [sock.getsockname()[:2] for sock in self._sockets]

    async def start(self) -> None:
        """Return when connections are accepted; raise what kept the server from it."""
        if self._task is not None:
            raise RuntimeError("the admin server was started before")
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._server.serve(self._sockets), name="admin-server")
        listening = loop.create_task(self._server.listening.wait(), name="admin-server-listening")
        try:
            await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
        if self._task.done():
            self._task.result()

    async def wait(self) -> None:
        """Return when the server has ended, and raise what ended it; the caller's own cancellation does not end it."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Accept no more, let requests under way end for `grace_s`, then cut them. Raises what the server died of."""
        self._server.should_exit = True
        try:
            await self.wait()
        finally:
            self._server.cut_connections()
            for sock in self._sockets:
                sock.close()


class _Server(uvicorn.Server):
    """Uvicorn's server without its signal handlers, and with an event instead of a flag to poll."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    def cut_connections(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _configuration(app: ASGIApp, grace_s: int, tls: Callable[[], ssl.SSLContext] | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=grace_s,
        ssl_context_factory=None if tls is None else lambda _configuration, _default: _handing_over(tls),
    )


def _handing_over(current: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Uvicorn takes one context for good; this one hands each handshake over to the certificate that is in force."""

    def hand_over(connection: ssl.SSLObject, _name: str, _context: ssl.SSLContext) -> None:
        connection.context = current()

    context = current()
    context.sni_callback = hand_over  # called for every client, also one that names no server
    return context
