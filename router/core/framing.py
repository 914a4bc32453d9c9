"""Where a message's body ends: by length, by chunked coding, or with the connection (RFC 9112 sections 6 and 7).

Each reader takes bytes as they arrive and returns two parts: what belongs to this body and may go on to the other side,
and what lies beyond it (the next message on the connection). Bytes are passed on only after they were understood: a
chunk header that is not complete yet stays in the reader. A reader never holds payload. Chunk extensions are for one
hop (RFC 9112 section 7.1.1): they must be well-formed, and go no further, so no two servers can read one differently.

Invariants: `done` turns true once and stays; after that `feed` is not called. What `feed` returned for a chunked body,
concatenated, is itself a valid chunked body with the same payload (or just the payload, with `decode`).

Pure; called by the protocol classes of `router.proxy`.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

from router.errors import MalformedMessage, Outcome

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_CHUNK: Final = re.compile(
    rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*"
)
_MAX_SIZE: Final = 1 << 60
"""Of one chunk: far above any limit, and what a reader with signed numbers of 64 bits still adds up right."""
_TRAILER: Final = re.compile(_TOKEN + rb":[^\x00-\x08\x0a-\x1f\x7f]*")
# A trailer must not change what the head said (RFC 9110 section 6.5.1), nor bring in a field that the router sets.
_OF_HEADS: Final = (
    rb"host|content-length|transfer-encoding|content-encoding|content-type|content-range|connection|trailer|te|upgrade"
    rb"|authorization|proxy-[^:]*|keep-alive|cookie|set-cookie|x-request-id|x-ms-[^:]*|x-forwarded-[^:]*|forwarded"
    rb"|traceparent|tracestate|azureml-model-deployment"
)
_FORBIDDEN_TRAILER: Final = re.compile(rb"(?i:" + _OF_HEADS.replace(b"-", b"[-_]") + rb"):")
MAX_CHUNK_LINE: Final = 4096
"""Bytes of one chunk header, extensions included; nginx and llhttp-based servers stay below this too."""
MAX_TRAILERS: Final = 16384
"""Bytes of all trailer lines together; a quarter of the head's limit."""


class BodyReader(Protocol):
    """What the proxy asks of a body, whatever frames it."""

    done: bool
    received: int
    """Bytes of payload so far, framing not counted."""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Takes the next bytes; returns (bytes of this body to pass on, bytes beyond it). Raises MalformedMessage."""
        ...


class LengthBody:
    """A body of exactly `length` bytes."""

    __slots__ = ("_left", "done", "received")

    def __init__(self, length: int) -> None:
        self._left = length
        self.received = 0
        self.done = length == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        size = len(data)
        if size < self._left:
            self._left -= size
            self.received += size
            return data, b""
        taken = self._left
        self._left = 0
        self.received += taken
        self.done = True
        return data[:taken], data[taken:]


class UntilCloseBody:
    """A response body that ends with the connection: `done` is for whoever sees the end to set."""

    __slots__ = ("done", "received")

    def __init__(self) -> None:
        self.done = False
        self.received = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        self.received += len(data)
        return data, b""


class ChunkedBody:
    """A body in chunked coding. With `decode`, `feed` returns the payload alone instead of the coding."""

    __slots__ = ("_decode", "_left", "_part", "_read_line", "_room", "done", "received")

    def __init__(self, decode: bool = False) -> None:
        self._decode = decode
        self._part = b""  # the beginning of a line that is not complete
        self._left = 0  # bytes of the present chunk still to come, its closing CRLF included
        self._read_line = self._chunk_line
        self._room = MAX_CHUNK_LINE  # bytes that the next line may have, its CRLF not counted
        self.received = 0
        self.done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        data = self._part + data
        self._part = b""
        at = 0
        out: list[bytes] = []
        while at < len(data) and not self.done:
            at = self._chunk_data(data, at, out) if self._left else self._line(data, at, out)
        return b"".join(out), data[at:] if self.done else b""

    def _chunk_data(self, data: bytes, at: int, out: list[bytes]) -> int:
        """Passes on payload; the two bytes that close a chunk must be CRLF."""
        payload = min(self._left - 2, len(data) - at)
        if payload > 0:
            out.append(data[at : at + payload])
            self._left -= payload
            self.received += payload
            at += payload
        if self._left > 2 or len(data) - at < 2:
            if self._left <= 2 and data[at:] not in (b"", b"\r"):
                raise _malformed("a chunk is longer than its size says")
            self._part = data[at:]
            return len(data)
        if data[at : at + 2] != b"\r\n":
            raise _malformed("a chunk is longer than its size says")
        if not self._decode:
            out.append(b"\r\n")
        self._left = 0
        return at + 2

    def _line(self, data: bytes, at: int, out: list[bytes]) -> int:
        end = data.find(b"\r\n", at)
        if end < 0:
            self._part = data[at:]
            # the last byte may be the CR of the line's end: what is refused must not depend on how bytes arrive
            if len(self._part) > self._room + 1 or b"\n" in self._part:
                raise _malformed("a chunk header or trailer is too long or does not end with CRLF")
            return len(data)
        if end - at > self._room:
            raise _malformed("a chunk header is too long, or the trailers are")
        line = self._read_line(data[at:end])
        if not self._decode:
            out.append(line + b"\r\n")
        return end + 2

    def _chunk_line(self, line: bytes) -> bytes:
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise _malformed("a chunk size or extension is malformed")
        size = int(match[1], 16)
        if size >= _MAX_SIZE:
            raise _malformed("a chunk size is too large")
        if size:
            self._left = size + 2
        else:
            self._read_line = self._trailer_line
            self._room = MAX_TRAILERS
        return match[1]

    def _trailer_line(self, line: bytes) -> bytes:
        if not line:
            self.done = True
            return line
        self._room -= len(line)
        if not _TRAILER.fullmatch(line) or _FORBIDDEN_TRAILER.match(line):
            raise _malformed("a trailer is malformed or not allowed")
        return line


def _malformed(reason: str) -> MalformedMessage:
    return MalformedMessage(reason, Outcome.BAD_REQUEST)
