"""One connection between a member and a coordinator: over the network (`NetworkLink`), or within a process (`connect`).

Whoever owns an end implements `LinkOwner`. `opened` comes when the peer is known for sure; only then messages come, in
order; `closed` comes once, last, and also if the link was never open. All that is sent in one turn of the loop leaves
together. A peer that does not read, does not finish the handshake, or says what makes no sense, is cut off.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol, cast

from router.coord.frames import MalformedFrame, Message, Splitter, bodies, framed, messages
from router.coord.handshake import Handshake, HandshakeFailed, Seal
from router.coord.outbox import Outbox

HANDSHAKE_S: Final = 3.0
"""How long a peer may take to prove who it is."""

CLOSE_S: Final = 1.0
"""How long a peer may take to read the last words."""

MAX_UNSENT: Final = 4 << 20
"""Bytes that a peer may leave unread here: several full reports."""

log = logging.getLogger("maitre.coordination")


class Link(Protocol):
    """One end, as its owner sees it."""

    @property
    def peer(self) -> str:
        """The proven name of the other end."""

    def send(self, message: Message) -> None:
        """At the end of this turn of the loop. After `close`: nothing."""

    def close(self, reason: str) -> None:
        """Send what is to be sent, then end; the owner hears of it soon. `reason` is for the log of this side."""


class LinkOwner(Protocol):
    """None of these may raise."""

    def opened(self, link: Link) -> None: ...
    def received(self, link: Link, message: Message) -> None: ...
    def closed(self, link: Link, reason: str) -> None: ...


class NetworkLink(asyncio.Protocol):
    """One end of a stream; made for each connection, by a server or a connecting side."""

    def __init__(self, owner: LinkOwner, handshake: Handshake, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._handshake = handshake
        self._loop = loop
        self._splitter = Splitter()
        self._outbox = Outbox()
        self._transport: asyncio.Transport | None = None
        self._sends: Seal | None = None
        self._receives: Seal | None = None
        self._reason = ""
        self._limit: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<NetworkLink {self._handshake!r} {self._outbox!r} {self._reason}>"

    @property
    def peer(self) -> str:
        return self._handshake.peer

    def send(self, message: Message) -> None:
        if not self._reason and self._outbox.put(message):
            self._loop.call_soon(self._flush)

    def close(self, reason: str) -> None:
        if self._reason:
            return
        self._flush()
        self._end(reason)
        if self._transport is not None:
            self._transport.close()
            self._limit = self._loop.call_later(CLOSE_S, self._transport.abort)

    # -- asyncio.Protocol -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = stream = cast(asyncio.Transport, transport)  # uvloop's are no instances of it
        if self._reason:  # it was closed before it was there
            stream.abort()
            return
        self._limit = self._loop.call_later(HANDSHAKE_S, self._cut, f"no handshake within {HANDSHAKE_S:g} s")
        if self._handshake.role == "member":
            stream.write(framed(self._handshake.opening))

    def data_received(self, data: bytes) -> None:
        try:
            for content in self._splitter.feed(data):
                if self._reason:
                    return
                self._read(content)
        except HandshakeFailed as error:
            self._refuse(str(error))
        except MalformedFrame as error:
            self._cut(str(error))

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_limit()
        self._end(str(error) if error else "the peer closed the connection")
        self._owner.closed(self, self._reason)

    # -- within -----------------------------------------------------------------------------------------------------

    def _read(self, content: bytes) -> None:
        if self._receives is not None:
            for message in messages(self._receives.open(content)):
                if not self._reason:
                    self._owner.received(self, message)
            return
        answer = self._handshake.take(content)
        if answer and self._transport is not None:
            self._transport.write(framed(answer))
        if self._handshake.done:
            self._sends, self._receives = self._handshake.seals()
            self._stop_limit()
            self._owner.opened(self)

    def _flush(self) -> None:
        if self._reason or self._transport is None or self._sends is None:
            return
        for body in bodies(self._outbox.empty()):
            self._transport.write(framed(self._sends.seal(body)))
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self._cut("the peer does not read")

    def _refuse(self, reason: str) -> None:
        """With our own opening while that means something: a peer of another version learns of ours from it."""
        if self._transport is not None and not self._handshake.done and self._handshake.role == "coordinator":
            self._transport.write(framed(self._handshake.opening))
        log.warning("a coordination peer is refused", extra={"fields": {"reason": reason}})
        self.close(reason)

    def _cut(self, reason: str) -> None:
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._stop_limit()

    def _stop_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None


class _DirectEnd:
    """One end of a link within the process."""

    def __init__(self, peer: str, owner: LinkOwner, loop: asyncio.AbstractEventLoop) -> None:
        self.peer = peer
        self.other: _DirectEnd | None = None
        self._owner = owner
        self._loop = loop
        self._outbox = Outbox()
        self._reason = ""

    def __repr__(self) -> str:
        return f"<DirectEnd {self.peer} {self._outbox!r} {self._reason}>"

    def send(self, message: Message) -> None:
        if not self._reason and self._outbox.put(message):
            self._loop.call_soon(self._flush)

    def close(self, reason: str) -> None:
        if self._reason:
            return
        self._flush()
        self._reason = reason
        self._loop.call_soon(self._owner.closed, self, reason)
        if self.other is not None:
            self._loop.call_soon(self.other._left)

    def opened(self) -> None:
        if not self._reason:
            self._owner.opened(self)

    def _left(self) -> None:
        if not self._reason:
            self._reason = "the peer closed the connection"
            self._owner.closed(self, self._reason)

    def _flush(self) -> None:
        if self.other is not None:
            for message in self._outbox.empty():
                self._loop.call_soon(self.other._take, message)

    def _take(self, message: Message) -> None:
        if not self._reason:
            self._owner.received(self, message)


def connect(member: tuple[str, LinkOwner], coordinator: tuple[str, LinkOwner], loop: asyncio.AbstractEventLoop) -> Link:
    """A link between two of this process, each with its name; the member's end. Nobody is called in this turn."""
    (name, owner), (lessor, lessor_owner) = member, coordinator
    end, other = _DirectEnd(lessor, owner, loop), _DirectEnd(name, lessor_owner, loop)
    end.other, other.other = other, end
    loop.call_soon(other.opened)
    loop.call_soon(end.opened)
    return end
