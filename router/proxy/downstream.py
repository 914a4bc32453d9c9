"""The client's side: one connection, its requests one after the other.

Bytes become heads and bodies here; what a request means is `router.proxy.exchange`'s business. Requests that arrive
while one is under way (pipelining) wait as bytes and are answered in order.

Invariants:
- at most one exchange at a time; its request's body goes to it and nobody else, exactly to its end;
- the connection has one deadline, whose meaning follows from its state: idle, in a head, closing, or the exchange's;
  how fast bytes have to move is `router.proxy.pace`'s business, which has its own;
- after an answer given before the request's body was read, the connection is not used again: the rest of the body is
  read and dropped for a while, so that the client sees the answer instead of a reset (RFC 9112 section 9.6).
"""

from __future__ import annotations

import asyncio
import fcntl
import re
import socket
import struct
import termios
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, cast

from router.core.framing import BodyReader, ChunkedBody, LengthBody, UntilCloseBody
from router.core.heads import RequestHead, expects_continue, no_request, refuse_early
from router.errors import MalformedMessage, Outcome
from router.proxy import refusals, rewriting
from router.proxy.deadlines import Deadline
from router.proxy.exchange import Exchange
from router.proxy.pace import Pace

if TYPE_CHECKING:
    from router.core.offered import OfferedLoad
    from router.proxy.plane import DataPlane

_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER, on and for 0 s
_INT: Final = struct.Struct("i")
_EMPTY_LINES: Final = re.compile(rb"\A(?:\r\n)++")


class Downstream:
    """One client connection: an `asyncio.Protocol` in all but name (compiled classes have no foreign bases)."""

    __slots__ = (
        "_body",
        "_buffer",
        "_discarding",
        "_forwarded",
        "_in_head",
        "_pace",
        "_pumping",
        "_unread",
        "deadline",
        "exchange",
        "paused",
        "peer",
        "plane",
        "refused_by",
        "scheme",
        "transport",
        "trusted",
        "write_blocked",
    )

    transport: asyncio.Transport

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane
        self.exchange: Exchange | None = None
        self.refused_by: OfferedLoad | None = None
        """The load of the version that refused this client last, until it is served."""
        self.deadline = Deadline(plane.wheel, self._on_deadline)
        self._buffer = bytearray()  # a head that is not complete, or requests that wait for their turn
        self._body: BodyReader | None = None
        self._in_head = False
        self._discarding = False
        self._pace: Pace | None = None  # made when first needed
        self._pumping = False
        self._unread = False  # bytes that are no request may lie behind the present one
        self.paused = False
        """Whether the router has stopped reading from this client."""
        self.write_blocked = False
        """Whether the client takes less than is written to it."""

    # -- as an asyncio.Protocol -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer: str = peer[0] if isinstance(peer, tuple) else ""
        self.trusted = bool(self.plane.trusted_proxies) and self._is_trusted()
        self.scheme = b"https" if transport.get_extra_info("ssl_object") else b"http"
        self._forwarded = b"\r\nx-forwarded-for: %b\r\nx-forwarded-proto: %b\r\nx-forwarded-host: " % (
            self.peer.encode(),
            self.scheme,
        )
        self.deadline.set(self.plane.now() + self.plane.limits.idle_s)
        self.plane.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._body is not None:
            self._feed_body(self._body, data)
        elif self._discarding:
            return
        elif self.exchange is not None or self.write_blocked:
            self._buffer += data
            self.update_reading()
        elif self._buffer:
            self._buffer += data
            # an unfinished head is looked at only where it may end or break: else each byte would cost all before it
            if b"\n" in data or len(self._buffer) > self.plane.limits.head_bytes:
                self._pump()
        else:
            self._read_request(data)
            if self._buffer:
                self._pump()

    def eof_received(self) -> None:
        """The client says it sends no more. Like nginx, maitre takes it for gone: asyncio closes the connection.

        Closing waits until what was written is taken: a tunnel may say its last, but a request has to end at once.
        """
        if self.exchange is not None and not isinstance(self._body, UntilCloseBody):
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.plane.closed(self)
        if self.exchange is not None:
            self.exchange.client_gone()
        self.deadline.close()
        if self._pace is not None:
            self._pace.close()
        if self.refused_by is not None:
            self.refused_by.gone(self)

    def pause_writing(self) -> None:
        self.write_blocked = True
        self._keep_pace()
        if self.exchange is not None:
            self.exchange.client_blocked(True)

    def resume_writing(self) -> None:
        self.write_blocked = False
        if self._pace is not None:
            self._pace.taken()
        if self.exchange is not None:
            self.exchange.client_blocked(False)
        elif self._buffer:
            self._pump()

    # -- requests ---------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Begins the requests that are at hand, one after the other, until one is under way or bytes run out."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._buffer and self.exchange is None and not (self._discarding or self.write_blocked):
                before = len(self._buffer)
                data = bytes(self._buffer)
                self._buffer.clear()
                self._read_request(data)
                if len(self._buffer) == before:
                    break  # an incomplete head
        finally:
            self._pumping = False
        self.update_reading()

    def _read_request(self, data: bytes) -> None:
        """Begins one request, or keeps the bytes until its head is complete. Bytes beyond it stay in the buffer."""
        plane = self.plane
        try:
            end = data.find(b"\r\n\r\n") + 4
            if end < 4 or end > plane.limits.head_bytes or data[:2] == b"\r\n":
                self._without_head(data)
                return
            head = plane.memo.understand(data, end)
        except MalformedMessage as error:
            self._refuse(error)
            return
        self._in_head = False
        exchange = self.exchange = Exchange(plane, self, head)
        if head.chunked:
            self._body = ChunkedBody()
        elif len(data) - end < head.length:
            self._body = LengthBody(head.length)
        else:
            rest = end + head.length
            if len(data) > rest:
                self._buffer += data[rest:]
            exchange.begin(data[end:rest], True, data)
            return
        exchange.begin(b"", False, data)
        if self.body_pending and end < len(data):
            self.data_received(data[end:])
        if self.unread_body is not None and not expects_continue(head):
            self._keep_pace()

    def _without_head(self, data: bytes) -> None:
        """Keeps the bytes of a head that is not complete; raises MalformedMessage when it cannot become one."""
        limits = self.plane.limits
        if data[:2] == b"\r\n":
            # RFC 9112 section 2.2: empty lines before the request are ignored; all at once, or each would cost a copy
            self._buffer += _EMPTY_LINES.sub(b"", data, 1)
            self._in_head = False  # no head has begun; who only sends empty lines is not kept longer for them
            return
        if len(data) > limits.head_bytes:
            raise MalformedMessage(f"the head is larger than {limits.head_bytes} bytes", Outcome.HEAD_TOO_LARGE)
        refuse_early(data)
        if not self._in_head:
            self._in_head = True
            self.deadline.set(self.plane.now() + limits.head_s)
        self._buffer += data

    def _feed_body(self, body: BodyReader, data: bytes) -> None:
        exchange = self.exchange
        try:
            passed, beyond = body.feed(data)
        except MalformedMessage as error:
            if exchange is not None:
                exchange.body_malformed(str(error))
            return
        if body.done:
            self._body = None
            self._buffer += beyond
        elif self.unread_body is not None:
            self._keep_pace()  # if it is not kept yet: who waited for a 100 has begun
        if exchange is not None:
            exchange.body(passed, body.done, body.received)
        self.update_reading()

    # -- for the exchange -------------------------------------------------------------------------------------------

    @property
    def unread_body(self) -> BodyReader | None:
        """The reader of the present request's body, until its end; a tunnel is none."""
        return None if isinstance(self._body, UntilCloseBody) else self._body

    @property
    def body_pending(self) -> bool:
        """Whether input is left behind which the connection cannot go on: unread body, or no request."""
        return self._unread or self.unread_body is not None

    def tunnel(self) -> None:
        """The present request was an upgrade: all that the client sends from here on goes to the replica."""
        self._body = UntilCloseBody()
        if self._buffer:
            early = bytes(self._buffer)
            self._buffer.clear()
            self._feed_body(self._body, early)

    def untaken(self) -> int:
        """Bytes written to the client that its machine has not acknowledged: what waits here and in the kernel (tcp(7),
        SIOCOUTQ)."""
        waiting = self.transport.get_write_buffer_size()
        descriptor = self.transport.get_extra_info("socket").fileno()
        try:
            in_kernel: int = _INT.unpack(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(_INT.size)))[0]
        except OSError:  # not every system tells it of sockets; then what waits here has to do
            return waiting
        return waiting + in_kernel

    def sends_too_slowly(self) -> None:
        if self.exchange is not None:
            self.exchange.body_too_slow()

    def takes_too_slowly(self) -> None:
        """Like a client that has left: it holds a slot and memory for an answer that it does not take.

        By a reset, since a plain end would leave what waits in the kernel to be offered for minutes.
        """
        self.cut()

    def exchange_ended(self, keep_alive: bool) -> None:
        """The exchange's answer is written, all of it. `keep_alive` is what its head told the client."""
        self.exchange = None
        if self.body_pending:
            self._linger()
        elif not keep_alive or (self.plane.draining and not self._buffer):  # even if its head promised more
            self._close()
        else:
            self.deadline.set(self.plane.now() + self.plane.limits.idle_s)
            if self._buffer:
                self._pump()
            elif self.paused:
                self.update_reading()

    def forwarded_lines(self, head: RequestHead) -> bytes:
        """The x-forwarded lines for a request on this connection."""
        if self.trusted:
            return rewriting.forwarded_by_trusted(head, self.peer.encode(), self.scheme)
        return self._forwarded + head.host

    def update_reading(self) -> None:
        """Reads while somebody can take what comes; stopping is what makes the client wait."""
        if self._discarding:
            wanted = True
        elif self._body is not None and self.exchange is not None:
            wanted = self.exchange.wants_body
        else:
            wanted = len(self._buffer) <= self.plane.limits.buffer_bytes
        if wanted == self.paused and not self.transport.is_closing():
            self.paused = not wanted
            if wanted:
                self.plane.departures.unwatch(self)
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()
                self.plane.departures.watch(self)
                if self._pace is not None:
                    self._pace.excuse()

    def _keep_pace(self) -> None:
        if self._pace is None:
            self._pace = Pace(self)
        self._pace.watch()

    def drain(self, last_call: float) -> None:
        """A request that begins until `last_call` (monotonic seconds) is still served, as the connection's last."""
        if self.exchange is None and not self._discarding:  # who is reading a refusal has little time left anyway
            self.deadline.set(min(self.deadline.at, last_call))

    def abort(self) -> None:
        self.transport.abort()

    def cut(self) -> None:
        """Breaks off an answer that ends with the connection: by a reset, since a plain end would look like its own."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    # -- ends -------------------------------------------------------------------------------------------------------

    def _refuse(self, error: MalformedMessage) -> None:
        """The bytes are no request: nothing after them on this connection can be trusted."""
        self._unread = True
        Exchange(self.plane, self, no_request()).refuse(error.outcome, str(error))

    def _linger(self) -> None:
        """Says that nothing more will come, and drops what the client still sends, for a while."""
        self._discard(self.plane.limits.linger_s)
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()
        self.update_reading()

    def _close(self) -> None:
        """Closes once the client has taken what is written; not for ever, should it not read."""
        self._discard(self.plane.limits.idle_s)
        self.transport.close()
        if self.scheme == b"https":
            self.plane.departures.watch(self)  # TLS would wait for the client to say goodbye, too

    def _discard(self, seconds: float) -> None:
        self._discarding = True
        self._body = None
        self._buffer.clear()
        self.deadline.set(self.plane.now() + seconds)

    def _on_deadline(self, now: float) -> None:
        if self._discarding:
            self.transport.abort()
        elif self.exchange is not None:
            self.exchange.deadline_passed(now)
        elif self._in_head and self.plane.draining:
            self._refuse(MalformedMessage(refusals.DRAINING, Outcome.DRAINING))
        elif self._in_head:
            limit = self.plane.limits.head_s
            self._refuse(MalformedMessage(f"the head did not arrive within {limit:g} s", Outcome.REQUEST_TIMEOUT))
        elif self.write_blocked:
            self.transport.abort()
        else:
            self._close()

    def _is_trusted(self) -> bool:
        try:
            address = ip_address(self.peer)
        except ValueError:
            return False
        return any(address in network for network in self.plane.trusted_proxies)
