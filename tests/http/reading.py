"""How h11 reads bytes: the second opinion that the router's is held against."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import h11

Fields = list[tuple[bytes, bytes]]
LARGEST = 1 << 20
_EMPTY_LINES = re.compile(rb"(?:\r\n)+")


@dataclass(slots=True)
class Message:
    """A request or an answer. `whole`: its end was seen."""

    start: tuple[bytes, bytes]
    """Method and target, or status and reason."""
    fields: Fields
    http11: bool
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    whole: bool = False

    def all(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.fields if each == name]

    @property
    def connection(self) -> set[bytes]:
        """The options in Connection, in small letters."""
        options = {option.strip(b" \t") for value in self.all(b"connection") for option in value.lower().split(b",")}
        return options - {b""}

    @property
    def persists(self) -> bool:
        """RFC 9112 section 9.3."""
        options = self.connection
        return b"close" not in options and (self.http11 or b"keep-alive" in options)


class Reader:
    """Collects what h11 says, until a message is whole or refused."""

    __slots__ = ("connection", "interim", "message", "refused")

    def __init__(self, connection: h11.Connection) -> None:
        self.connection = connection
        self.message: Message | None = None
        self.interim: list[Message] = []
        self.refused = False

    def feed(self, data: bytes) -> None:
        """No data: the connection ended."""
        self.connection.receive_data(data)
        try:
            while self._take(self.connection.next_event()):
                pass
        except h11.RemoteProtocolError:
            self.refused = True

    @property
    def whole(self) -> bool:
        return self.message is not None and self.message.whole

    def _take(self, event: object) -> bool:
        """Whether there may be more to take."""
        kind, message = type(event), self.message
        if kind is h11.Data:
            message.body += event.data
        elif kind is h11.EndOfMessage:
            message.trailers, message.whole = list(event.headers), True
        elif kind is h11.Request:
            self.message = Message((event.method, event.target), list(event.headers), event.http_version == b"1.1")
        elif kind is h11.Response:
            self.message = Message((b"%d" % event.status_code, event.reason), list(event.headers), True)
        elif kind is h11.InformationalResponse:
            self.interim.append(Message((b"%d" % event.status_code, event.reason), list(event.headers), True))
        else:
            return False
        return kind is not h11.EndOfMessage


def read_requests(data: bytes) -> list[Message]:
    """The requests of a connection, in order, up to the first that h11 refuses or that is not whole, or the last.

    Of that one there may be a beginning. Two differences of opinion are settled here. Empty lines before a request,
    which h11 refuses, are skipped, as RFC 9112 section 2.2 asks for; and HTTP/1.0 connections, which h11 never keeps,
    go on where the client asked for it.
    """
    messages: list[Message] = []
    while True:
        empty = _EMPTY_LINES.match(data)
        if empty is not None:
            data = data[empty.end() :]
        if not data:
            return messages
        reader = Reader(h11.Connection(h11.SERVER, LARGEST))
        reader.feed(data)
        if reader.message is None:
            return messages
        messages.append(reader.message)
        if not reader.whole or not reader.message.persists:
            return messages
        data = reader.connection.trailing_data[0]


def read_answer(asked: bytes, data: bytes, ended: bool) -> Reader:
    """What a client understands of the bytes that answer its one request, `asked` with this method."""
    connection = h11.Connection(h11.CLIENT, LARGEST)
    connection.send(h11.Request(method=asked, target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    reader = Reader(connection)
    if data:
        reader.feed(data)
    if ended and not reader.whole and not reader.refused:
        reader.feed(b"")
    return reader
