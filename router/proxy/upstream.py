"""The replica's side: connections kept alive per replica, and one replica's bytes understood as responses.

A connection serves one exchange at a time. Because an exchange holds a slot while it uses one, a replica never has more
connections than slots, so there is no pool limit and no queue here: waiting happens in `router.core.admission` alone.

Invariants:
- a connection is in `idle` exactly when no exchange uses it and it may be used again;
- response bytes that no exchange waits for close the connection: they could belong to nobody but the next client;
- `untouched` is true until the first byte of the response: only then may the exchange be tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from typing import Final, Protocol, cast

from router.core.framing import BodyReader, ChunkedBody, LengthBody, UntilCloseBody
from router.core.headmemo import HeadMemo
from router.core.heads import RequestHead, ResponseHead, parse_response, refuse_early
from router.errors import CertificateRefused, MalformedMessage

CONNECT_TIMEOUT_S: Final = 1.0
"""Twice what the KEDA interceptor waits for; a replica is in the same cluster or on the same machine."""
TLS_CONNECT_TIMEOUT_S: Final = 3.0
"""Connecting and the handshake: the kernel accepts for a model that computes, but nobody else shakes hands for it."""
IDLE_S: Final = 55.0
"""An idle connection older than this is not used again; below the 60 s after which many servers drop it."""
FINISH_S: Final = 5.0
"""How long a replica may take for what is left of a tunnel whose client has gone."""
MEMO: Final = 64
"""Heads that are remembered per replica: its answers of one second differ in length alone."""
MAX_HEAD: Final = 256 * 1024
"""Bytes of a response's head. Models are trusted more than clients; still nothing is unbounded."""
START: Final = b"HTTP/1."
LAST_WORDS: Final = 64 * 1024
"""Bytes read at once of what a broken connection still holds; the kernel bounds how often."""


class ResponseSink(Protocol):
    """Who waits for a response: the exchange. All calls are synchronous."""

    head: RequestHead
    """Of the request: what an answer means depends on it."""

    def connected(self, connection: UpstreamConnection) -> None: ...
    def connect_failed(self, error: Exception) -> None: ...
    def interim(self, head: ResponseHead) -> None: ...
    def switched(self, head: ResponseHead, data: bytes) -> None: ...
    def response(self, head: ResponseHead, body: bytes, done: bool, until_close: bool) -> None: ...
    def response_body(self, data: bytes, done: bool) -> None: ...
    def response_failed(self, reason: str) -> None: ...
    def upstream_blocked(self, blocked: bool) -> None: ...


class ReplicaTls(Protocol):
    """How TLS is spoken to a replica, as its files are now."""

    @property
    def server_name(self) -> str | None:
        """The name that its certificate must bear; None: the host of its address."""

    def context(self) -> ssl.SSLContext:
        """Raises CertificateRefused while there is none: then nobody is to connect."""


class Upstream:
    """How one replica is reached: its address, over TLS or not, and its idle connections."""

    def __init__(self, loop: asyncio.AbstractEventLoop, host: str, port: int, tls: ReplicaTls | None = None) -> None:
        self.host = host
        self.port = port
        self._tls = tls
        self.memo = HeadMemo(parse_response, MEMO)
        self.idle: list[UpstreamConnection] = []
        self.loop = loop
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False

    def take_idle(self, now: float) -> UpstreamConnection | None:
        """The idle connection that was used last; None when there is none."""
        while self.idle:
            connection = self.idle.pop()
            if now - connection.idle_since < IDLE_S:
                return connection
            connection.close()
        return None

    def connect(self, sink: ResponseSink) -> None:
        """Opens a connection; `sink` is told when it stands or that it failed."""
        task = self.loop.create_task(self._open(sink), name=f"connect {self.host}:{self.port}")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, sink: ResponseSink) -> None:
        try:
            connection = await (self._connect() if self._tls is None else self._connect_securely(self._tls))
        except ssl.SSLCertVerificationError as error:
            sink.connect_failed(ConnectionError(f"its certificate is not accepted: {error.verify_message}"))
        except (OSError, CertificateRefused) as error:  # TimeoutError is an OSError
            sink.connect_failed(error)
        else:
            sink.connected(cast(UpstreamConnection, connection))

    async def _connect(self) -> asyncio.Protocol:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, connection = await self.loop.create_connection(self._make, self.host, self.port)
        return connection

    async def _connect_securely(self, tls: ReplicaTls) -> asyncio.Protocol:
        async with asyncio.timeout(TLS_CONNECT_TIMEOUT_S):
            _, connection = await self.loop.create_connection(
                self._make,
                self.host,
                self.port,
                ssl=tls.context(),
                server_hostname=tls.server_name or self.host,
                ssl_shutdown_timeout=FINISH_S,
            )
        return connection

    def _make(self) -> asyncio.Protocol:
        return cast(asyncio.Protocol, UpstreamConnection(self))

    def park(self, connection: UpstreamConnection, now: float) -> None:
        """Keeps a connection for the next request."""
        if self._closed:
            connection.close()
        else:
            connection.idle_since = now
            self.idle.append(connection)

    def close(self) -> None:
        """The replica takes no further request: idle connections are closed, used ones when their request ends."""
        self._closed = True
        for connection in list(self.idle):
            connection.close()

    def __repr__(self) -> str:
        return f"<Upstream {self.host}:{self.port} idle={len(self.idle)}>"


class UpstreamConnection:
    """One connection to a replica: an `asyncio.Protocol` in all but name (compiled classes have no foreign bases)."""

    __slots__ = (
        "_body",
        "_buffer",
        "_ended",
        "_paused",
        "idle_since",
        "reusable",
        "sink",
        "transport",
        "untouched",
        "upstream",
        "used",
    )

    transport: asyncio.Transport

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.sink: ResponseSink | None = None
        self.idle_since = 0.0
        self.used = False
        """Whether an exchange before the present one ended on it."""
        self.untouched = True
        self.reusable = True
        self._buffer = b""
        self._body: BodyReader | None = None
        self._ended = False
        self._paused = False

    # -- for the exchange -------------------------------------------------------------------------------------------

    def send(self, sink: ResponseSink, data: bytes) -> None:
        """Begins an exchange: `data` is its head and what is there of its body."""
        self.sink = sink
        self.untouched = True
        self.transport.write(data)

    def let_go(self, now: float) -> None:
        """The exchange is complete on both sides: the connection waits for the next one, or is closed."""
        self.sink = None
        self.used = True
        if self._paused:
            self.pause(False)
        if self.reusable:
            self.upstream.park(self, now)
        else:
            self.close()

    def pause(self, paused: bool) -> None:
        """Stops or resumes reading: the client cannot take more for now."""
        if paused == self._paused or self.transport.is_closing():
            return
        self._paused = paused
        if paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def abort(self) -> None:
        """Ends the exchange before its time; the replica sees the connection break."""
        self.sink = None
        self.transport.abort()

    def finish(self) -> None:
        """Ends a tunnel: the replica still gets what was written, if it takes it soon."""
        self.close()
        self.upstream.loop.call_later(FINISH_S, self.transport.abort)

    def close(self) -> None:
        self.sink = None
        self._leave_idle()
        self.transport.close()

    # -- as an asyncio.Protocol -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        sink = self.sink
        if sink is None:
            self.reusable = False
            self.close()
            return
        self.untouched = False
        try:
            if self._body is not None:
                self._feed(sink, self._body, data)
            else:
                self._read_head(sink, data)
        except MalformedMessage as error:
            self._fail(str(error))

    def eof_received(self) -> None:
        self._ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        self._leave_idle()
        if exc is not None and self.sink is not None:
            self._read_last_words()
        sink, self.sink = self.sink, None
        if sink is None:
            return
        if isinstance(self._body, UntilCloseBody) and self._ended and exc is None:
            sink.response_body(b"", True)
        else:
            sink.response_failed("the replica closed the connection" if exc is None else f"the connection broke: {exc}")

    def _read_last_words(self) -> None:
        """Reads what the replica said before it broke the connection.

        One that answers and closes before it has read all of a request resets the connection. Where writing meets the
        reset before reading does, the transport ends without having read the answer, which the kernel still has.
        """
        if self.transport.get_extra_info("ssl_object") is not None:
            return  # what the kernel has is ciphertext, and the transport's TLS has ended
        descriptor = self.transport.get_extra_info("socket").fileno()
        with contextlib.suppress(OSError):  # nothing is left
            while self.sink is not None and (data := os.read(descriptor, LAST_WORDS)):
                self.data_received(data)

    def pause_writing(self) -> None:
        if self.sink is not None:
            self.sink.upstream_blocked(True)

    def resume_writing(self) -> None:
        if self.sink is not None:
            self.sink.upstream_blocked(False)

    # -- responses --------------------------------------------------------------------------------------------------

    def _read_head(self, sink: ResponseSink, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        while (end := data.find(b"\r\n\r\n") + 4) >= 4:
            head = self.upstream.memo.understand(data, end)
            if head.status >= 200:
                self._begin_response(sink, head, data, end)
                return
            if head.status == 101:
                self._switch(sink, head, data[end:])
                return
            sink.interim(head)  # RFC 9110 section 15.2: a proxy passes 1xx on
            data = data[end:]
        if len(data) > MAX_HEAD:
            raise MalformedMessage("the response's head is too large")
        if not data.startswith(START) and not START.startswith(data):
            raise MalformedMessage("the response does not begin as HTTP/1.1 does")
        refuse_early(data)
        self._buffer = data

    def _switch(self, sink: ResponseSink, head: ResponseHead, data: bytes) -> None:
        """RFC 9110 section 7.8: only to what was asked for. What follows is no HTTP, and ends with the connection."""
        asked = [protocol.lower() for protocol in sink.head.upgrade.split(b", ")]
        if not head.upgrade or head.upgrade.lower() not in asked:
            raise MalformedMessage("the replica switched to a protocol that nobody asked for")
        self.reusable = False
        self._body = UntilCloseBody()
        sink.switched(head, data)

    def _begin_response(self, sink: ResponseSink, head: ResponseHead, data: bytes, end: int) -> None:
        self.reusable = self.reusable and head.keep_alive
        if sink.head.method == b"HEAD" or head.status in (204, 304):
            self._complete(sink, head, b"", data[end:])
        elif head.chunked:
            self._begin_body(sink, head, ChunkedBody(decode=not sink.head.http11), data[end:])
        elif head.length is None:
            self.reusable = False
            self._begin_body(sink, head, UntilCloseBody(), data[end:])
        elif len(data) - end >= head.length:
            self._complete(sink, head, data[end : end + head.length], data[end + head.length :])
        else:
            self._begin_body(sink, head, LengthBody(head.length), data[end:])

    def _complete(self, sink: ResponseSink, head: ResponseHead, body: bytes, beyond: bytes) -> None:
        if beyond:
            self.reusable = False  # nobody asked for it, and it must not answer the next client
        sink.response(head, body, True, False)

    def _begin_body(self, sink: ResponseSink, head: ResponseHead, body: BodyReader, data: bytes) -> None:
        passed, beyond = body.feed(data) if data else (b"", b"")
        if body.done:
            self._complete(sink, head, passed, beyond)
            return
        self._body = body
        sink.response(head, passed, False, isinstance(body, UntilCloseBody))

    def _feed(self, sink: ResponseSink, body: BodyReader, data: bytes) -> None:
        passed, beyond = body.feed(data)
        if beyond:
            self.reusable = False
        if body.done:
            self._body = None
        sink.response_body(passed, body.done)

    def _fail(self, reason: str) -> None:
        self.reusable = False
        sink, self.sink = self.sink, None
        self.transport.abort()
        if sink is not None:
            sink.response_failed(reason)

    def _leave_idle(self) -> None:
        if self in self.upstream.idle:
            self.upstream.idle.remove(self)
