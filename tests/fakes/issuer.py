"""An issuer on loopback: answers what a test has it say, and knows how often it was asked."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class FakeIssuer:
    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        """Whole responses by path; of what is not here it never answers."""
        self.asked: list[str] = []
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self) -> FakeIssuer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def says(self, path: str, body: bytes, *lines: str, status: int = 200) -> str:
        head = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", "Connection: close", *lines]
        self.answers[path] = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        return self.url + path

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._connections):
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            if path in self.answers:
                writer.write(self.answers[path])
                await writer.drain()
                writer.close()
                await writer.wait_closed()
            else:
                await reader.read()  # until the other side gives up
        writer.close()
        self._connections.discard(writer)
