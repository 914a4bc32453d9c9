"""A client that writes raw bytes and reads answers strictly."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass, field

from tests.fakes.changes import BOUND_S
from tests.fakes.replica import RESET
from tests.fakes.wire import Head, read_chunk, read_chunked, read_head


@dataclass
class Answer:
    head: Head
    body: bytes = b""
    interim: list[Head] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.head.start.split(b" ")[1])

    @property
    def closes(self) -> bool:
        """Whether it says that the connection ends with it."""
        return b"close" in self.head.all("connection")

    def __contains__(self, name: str) -> bool:
        return name in self.head

    def __getitem__(self, name: str) -> str:
        return self.head[name].decode()


class Client:
    """One connection to the router."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, socket_buffer: int | None = None) -> Client:
        connected = socket.socket()
        connected.setblocking(False)
        if socket_buffer is not None:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                connected.setsockopt(socket.SOL_SOCKET, option, socket_buffer)
        try:
            await asyncio.get_running_loop().sock_connect(connected, ("127.0.0.1", port))
        except OSError:
            connected.close()
            raise
        return cls(*await asyncio.open_connection(sock=connected, limit=1 << 17))

    @property
    def port(self) -> int:
        port: int = self._writer.get_extra_info("sockname")[1]
        return port

    def write(self, data: bytes) -> None:
        """Without waiting for the other side to take it."""
        self._writer.write(data)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def send_for_ever(self) -> None:
        """Until the router cuts the connection."""
        while True:
            await self.send(bytes(1 << 20))

    async def ask(self, message: bytes) -> Answer:
        """Sends a whole request and reads its answer."""
        await self.send(message)
        return await self.answer(message.split(b" ", 1)[0] == b"HEAD")

    async def answer(self, to_head: bool = False) -> Answer:
        async with asyncio.timeout(BOUND_S):
            answer = await self.head()
            answer.body = await self._body(answer, to_head)
            return answer

    async def head(self) -> Answer:
        """An answer up to its body, with the interim responses before it."""
        interim: list[Head] = []
        async with asyncio.timeout(BOUND_S):
            while (answer := Answer(await read_head(self._reader), b"", interim)).status < 200:
                interim.append(answer.head)
        return answer

    async def head_of_any(self) -> Answer:
        """The next head, be it an interim response's or a switch of protocols."""
        async with asyncio.timeout(BOUND_S):
            return Answer(await read_head(self._reader))

    async def read_exactly(self, size: int) -> bytes:
        async with asyncio.timeout(BOUND_S):
            return await self._reader.readexactly(size)

    async def piece(self) -> bytes:
        """The next chunk of a chunked answer; empty at its end."""
        async with asyncio.timeout(BOUND_S):
            return await read_chunk(self._reader)

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(BOUND_S):
            return await self._reader.read(size)

    async def rest(self) -> bytes:
        """All that comes until the router closes. A reset raises ConnectionError."""
        async with asyncio.timeout(BOUND_S):
            return await self._reader.read(-1)

    async def closed(self) -> None:
        """Asserts that the router closes the connection without another byte."""
        assert await self.rest() == b""

    def stop_reading(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def resume_reading(self) -> None:
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    def end(self) -> None:
        """Sends no more, but still reads."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Leaves without a word."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _body(self, answer: Answer, to_head: bool) -> bytes:
        head = answer.head
        if to_head or answer.status in (204, 304):
            return b""
        if "transfer-encoding" in head:
            assert head["transfer-encoding"] == b"chunked"
            assert "content-length" not in head
            return await read_chunked(self._reader)
        if "content-length" in head:
            return await self._reader.readexactly(int(head["content-length"]))
        assert head["connection"] == b"close"
        return await self._reader.read(-1)
