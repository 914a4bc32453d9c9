"""A small HTTP/1.1 client for load in tests: cheap enough for 10,000 requests in seconds, honest about what it saw."""

import asyncio
import contextlib
import json
import ssl
from dataclasses import dataclass, field


class Broken(Exception):
    """The connection ended before a whole answer was there."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def version(self) -> str:
        return self.headers.get("azureml-model-deployment", "")


@dataclass
class Connection:
    """One kept-alive connection; opened when first needed, again when the router closed it."""

    port: int
    key: str | None = None
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(default=None, repr=False)

    async def post(self, endpoint: str, wish: object = None, path: str = "score", **headers: str) -> Answer:
        body = json.dumps(wish or {}).encode()
        lines = [f"POST /api/v1/service/{endpoint}/{path} HTTP/1.1", "host: test", f"content-length: {len(body)}"]
        if self.key:
            lines.append(f"authorization: Bearer {self.key}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def send(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
        reader, writer = self._streams
        try:
            writer.write(request)
            return await self._read(reader)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError) as error:
            await self.close()
            raise Broken(repr(error)) from error
        except asyncio.CancelledError:
            await self.close()
            raise

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            await self.close()
        return Answer(int(head[0].split()[1]), headers, body)

    async def close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    @property
    def local_port(self) -> int:
        """Of the connection that stands."""
        assert self._streams is not None
        return self._streams[1].get_extra_info("sockname")[1]

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """Of the connection that stands, over TLS."""
        assert self._streams is not None
        return self._streams[1].get_extra_info("ssl_object")
