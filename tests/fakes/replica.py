"""A model server that does what a script says: raw bytes on a real socket, in the test's own loop.

A script gets one `Call` at a time per connection and answers it with bytes, or does not, or breaks the connection. The
replica keeps what it saw: every request as it came, the connections, and how many calls ran at once.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.fakes.changes import Changes
from tests.fakes.wire import Head, read_chunk, read_chunked, read_head, reply

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER for 0 s: closing sends RST."""


class Call:
    """One request, and the means to answer it."""

    def __init__(self, replica: Replica, connection: int, head: Head, reader, writer) -> None:
        self.replica = replica
        self.connection = connection
        self.head = head
        self.method, self.target, _ = head.start.decode().split(" ")
        self.received = b""
        """The payload, once it was read."""
        self._reader: asyncio.StreamReader = reader
        self._writer: asyncio.StreamWriter = writer

    async def body(self) -> bytes:
        if "transfer-encoding" in self.head:
            self.received = await read_chunked(self._reader)
        elif "content-length" in self.head:
            self.received = await self._reader.readexactly(int(self.head["content-length"]))
        return self.received

    async def piece(self) -> bytes:
        """The next chunk of a chunked body; empty at its end."""
        return await read_chunk(self._reader)

    async def read(self, size: int) -> bytes:
        return await self._reader.read(size)

    async def send(self, data: bytes) -> None:
        """Returns when the kernel or the writer's small buffer has taken it."""
        self._writer.write(data)
        await self._writer.drain()
        self.replica.sent += len(data)
        self.replica.changes.happened()

    async def gone(self) -> None:
        """Returns when the router has closed the connection."""
        with suppress(ConnectionError):
            while await self._reader.read(65536):
                pass

    @property
    def closed(self) -> bool:
        """By this side, or broken."""
        return self._writer.transport.is_closing()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._writer.transport.abort()


Script = Callable[[Call], Awaitable[None]]


class Replica:
    def __init__(self, script: Script, socket_buffer: int | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.calls: list[Call] = []
        self.connections = 0
        self.open = 0
        self.running = 0
        self.most_running = 0
        self.sent = 0
        self.changes = Changes()
        self.port = 0
        self._socket_buffer = socket_buffer
        self._tls = tls
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        listening = socket.create_server(("127.0.0.1", port), reuse_port=True)
        if self._socket_buffer is not None:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                listening.setsockopt(socket.SOL_SOCKET, option, self._socket_buffer)
        self.port = listening.getsockname()[1]
        self._server = await asyncio.start_server(self._serve, sock=listening, limit=1 << 17, ssl=self._tls)

    async def stop(self) -> None:
        """Listens no more: connecting is refused from now on."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await asyncio.sleep(0)

    async def called(self, times: int = 1) -> Call:
        """Waits for that many calls in all; returns the last of them."""
        await self.changes.until(lambda: len(self.calls) >= times)
        return self.calls[times - 1]

    async def left(self) -> None:
        """Waits until no connection is open."""
        await self.changes.until(lambda: self.open == 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            await self._converse(reader, writer, self.connections)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # what the other side did is for the test to see
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self.open -= 1
            self.changes.happened()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        while not writer.is_closing():
            call = Call(self, connection, await read_head(reader), reader, writer)
            self.calls.append(call)
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            self.changes.happened()
            try:
                await self.script(call)
            finally:
                self.running -= 1

    def __repr__(self) -> str:
        return f"<Replica :{self.port} calls={len(self.calls)} open={self.open} running={self.running}>"


# -- scripts -----------------------------------------------------------------------------------------------------------


def answering(*answers: bytes) -> Script:
    """Reads the request, then sends the answers, call by call; the last one again and again."""
    left = list(answers) or [reply(b"42")]

    async def script(call: Call) -> None:
        await call.body()
        await call.send(left.pop(0) if len(left) > 1 else left[0])

    return script


def closing_after(answer: bytes) -> Script:
    """Sends what may be no whole answer, and closes the connection."""

    async def script(call: Call) -> None:
        await call.body()
        await call.send(answer)
        call.close()

    return script


async def hang(call: Call) -> None:
    """Never answers; ends when the router gives up."""
    await call.body()
    await call.gone()


async def reset(call: Call) -> None:
    call.reset()


async def echo(call: Call) -> None:
    """Answers with the body that came."""
    await call.send(reply(await call.body()))
