"""The ways between routers, which can be cut or hang for one of them: a TCP proxy before each coordination port.

Who dials is known by the opening of its handshake, which names it in the clear. What hangs stays where it is, as in a
network that drops packets: nothing arrives, no connection ends, new ones are accepted and hear nothing. Once it is
healed, what was sent arrives, late.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

POD = re.compile(rb"maitre-\d+(?=_)")
CHUNK = 1 << 16


class PartedNetwork:
    """Routers are known by the names of their pods."""

    def __init__(self) -> None:
        self._cut: set[str] = set()
        self._open: dict[str, asyncio.Event] = {}
        """By pod: cleared while what it sends, and what is sent to it, hangs."""
        self._ends: dict[str, list[asyncio.StreamWriter]] = {}
        self._passing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def way(self, near: str, far: str) -> AsyncIterator[int]:
        """To a router at `far`, for whoever dials `near`; the port, of both."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._pass(reader, writer, far, port)

        server = await asyncio.start_server(accept, near, 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield port
        finally:
            server.close()
            for ends in self._ends.values():
                for end in ends:
                    end.transport.abort()
            for event in self._open.values():
                event.set()
            await asyncio.gather(*self._passing)

    def hang(self, pod: str) -> None:
        self._flow(pod).clear()

    def cut(self, pod: str) -> None:
        """Its connections are reset, and so are those that it tries to make."""
        self._cut.add(pod)
        for end in self._ends.pop(pod, []):
            end.transport.abort()

    def heal(self) -> None:
        self._cut.clear()
        for flow in self._open.values():
            flow.set()

    def _flow(self, pod: str) -> asyncio.Event:
        if pod not in self._open:
            self._open[pod] = asyncio.Event()
            self._open[pod].set()
        return self._open[pod]

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        task = asyncio.current_task()
        self._passing.add(task)
        try:
            with suppress(OSError):
                await self._between(reader, writer, host, port)
        finally:
            self._passing.discard(task)
            writer.transport.abort()

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        opening = await reader.read(CHUNK)
        if not (named := POD.search(opening)):
            return
        pod = named[0].decode()
        if pod in self._cut:
            return
        there, back = await asyncio.open_connection(host, port)
        ends = self._ends.setdefault(pod, [])
        ends += [writer, back]
        try:
            await self._flow(pod).wait()
            back.write(opening)
            await asyncio.gather(self._pump(reader, back, pod), self._pump(there, writer, pod))
        finally:
            back.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, pod: str) -> None:
        """Until one of the two ends, and has the other one end too."""
        with suppress(OSError):
            while data := await source.read(CHUNK):
                await self._flow(pod).wait()
                sink.write(data)
        await self._flow(pod).wait()
        sink.transport.close()
