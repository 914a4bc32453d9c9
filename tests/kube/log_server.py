"""The part of a kubelet that has logs: what the API server asks when somebody wants one. Plays it for `Kubelet`.

Containers write files of lines without times; a line's time here is a millisecond per line, from the same moment on, so
that it is the same whenever it is read.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from lightkube import AsyncClient
from lightkube.resources.core_v1 import Node

from tests.fakes.authority import LOOPBACK, Authority

LOOK_S = 0.02
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class LogServer:
    """`asked`: the queries, in the order in which they came."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connections: set[asyncio.StreamWriter] = set()
        self._refusing = False
        self.asked: list[dict[str, str]] = []

    @contextlib.asynccontextmanager
    async def serving(self, client: AsyncClient, node: str) -> AsyncIterator["LogServer"]:
        """As the kubelet of that node."""
        certificate, key = Authority().issue(LOOPBACK).write(self._folder / "kubelet.crt", self._folder / "kubelet.key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = await asyncio.start_server(self._answer, LOOPBACK, 0, ssl=context)
        status = {
            "addresses": [{"type": "InternalIP", "address": LOOPBACK}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": server.sockets[0].getsockname()[1]}},
        }
        await client.patch(Node.Status, node, {"status": status})
        try:
            yield self
        finally:
            server.close()
            self.cut()
            await server.wait_closed()

    def cut(self) -> None:
        """Ends every answer under way."""
        for writer in tuple(self._connections):
            writer.transport.abort()

    def refuse(self) -> None:
        """From now on every log is one that cannot be read."""
        self._refusing = True

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await self._send(urlsplit(head.split(" ")[1]), writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _send(self, url, writer: asyncio.StreamWriter) -> None:
        _, verb, _, pod, container = url.path.split("/")
        assert verb == "containerLogs"
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        self.asked.append({**query, "pod": pod, "container": container})
        if self._refusing:
            writer.write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 9\r\n\r\ndisk full")
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n")
        lines = self._lines(pod, query)
        for line in lines:
            _write(writer, line)
        await writer.drain()
        seen = len(self._file(pod).read_text().splitlines())
        while query.get("follow") == "true":
            await asyncio.sleep(LOOK_S)
            new = self._file(pod).read_text().splitlines()[seen:]
            for number, line in enumerate(new, seen):
                _write(writer, _stamped(number, line))
            seen += len(new)
            await writer.drain()
            if writer.transport.is_closing():
                raise ConnectionResetError
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    def _lines(self, pod: str, query: dict[str, str]) -> Iterator[str]:
        lines = list(enumerate(self._file(pod).read_text().splitlines()))
        if "tailLines" in query:
            lines = lines[max(0, len(lines) - int(query["tailLines"])) :]
        # the API server hands on whole seconds, so lines come again
        since = datetime.fromisoformat(query.get("sinceTime", BEGAN.isoformat()))
        for number, line in lines:
            if _at(number) >= since:
                yield _stamped(number, line)

    def _file(self, pod: str) -> Path:
        return self._folder / f"{pod}.log"


def _at(number: int) -> datetime:
    return BEGAN + timedelta(milliseconds=number)


def _stamped(number: int, line: str) -> str:
    at = _at(number).isoformat(timespec="microseconds").replace("+00:00", "000Z")
    return f"{at} {line}"


def _write(writer: asyncio.StreamWriter, line: str) -> None:
    data = f"{line}\n".encode()
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))
