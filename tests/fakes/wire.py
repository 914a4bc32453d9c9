"""HTTP/1.1 messages as the bytes that go over the wire, and the reading of them.

The reader shares nothing with the router's own: it takes one message from a stream, strictly, and raises what the
stream raises when the message is cut short (`asyncio.IncompleteReadError`, `ConnectionError`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

SCORE = "/api/v1/service/digits/score"
HOST = "Host: example.com"


def request(method: str = "POST", path: str = SCORE, *lines: str, body: bytes = b"", minor: int = 1) -> bytes:
    """A whole request. Its length is given where there is a body."""
    head = [f"{method} {path} HTTP/1.{minor}", HOST, *lines]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def streaming(method: str = "POST", path: str = SCORE, *lines: str) -> bytes:
    """The head of a request whose body comes in chunks."""
    return request(method, path, "Transfer-Encoding: chunked", *lines)


def reply(body: bytes = b"", status: int = 200, *lines: str, reason: str = "OK") -> bytes:
    """A whole response, framed by its length."""
    head = [f"HTTP/1.1 {status} {reason}", *lines, f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def chunked(*pieces: bytes) -> bytes:
    return b"".join(map(chunk, pieces)) + LAST_CHUNK


@dataclass
class Head:
    """A start line and fields, in the order in which they came."""

    raw: bytes
    start: bytes = field(init=False)
    fields: list[tuple[bytes, bytes]] = field(init=False)

    def __post_init__(self) -> None:
        lines = self.raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
        self.start = lines[0]
        pairs = [line.split(b":", 1) for line in lines[1:]]
        self.fields = [(name, value.strip(b" \t")) for name, value in pairs]

    def all(self, name: str) -> Sequence[bytes]:
        return [value for each, value in self.fields if each.lower() == name.encode()]

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    def __getitem__(self, name: str) -> bytes:
        """The value of a field that stands exactly once."""
        (value,) = self.all(name)
        return value


async def read_head(reader: asyncio.StreamReader) -> Head:
    return Head(await reader.readuntil(b"\r\n\r\n"))


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    """The payload of one chunk; empty for the last one, whose trailers are skipped."""
    size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
    if size:
        data = await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
        return data
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return b""


async def read_chunked(reader: asyncio.StreamReader) -> bytes:
    data = bytearray()
    while piece := await read_chunk(reader):
        data += piece
    return bytes(data)
