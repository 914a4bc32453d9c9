"""A model server whose understanding of HTTP is h11's, and which keeps every request as the bytes that came."""

from __future__ import annotations

import asyncio

import h11

from tests.fakes.replica import Replica, hang

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n42"


class Model(Replica):
    """Answers every whole request. Bytes that h11 refuses, or that follow a whole request, fail the test."""

    def __init__(self) -> None:
        super().__init__(hang)  # never asked: this one reads for itself
        self.requests: list[bytes] = []
        self.unfinished: list[bytes] = []
        """Of connections that the router broke within a request."""
        self.faults: list[object] = []

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        raw = b""
        understanding = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        while data := await reader.read(1 << 16):
            raw += data
            understanding.receive_data(data)
            method = self._method_when_whole(understanding)
            if method is None:
                continue
            self.requests.append(raw)
            raw = b""
            understanding = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
            writer.write(ANSWER.removesuffix(b"42") if method == b"HEAD" else ANSWER)
            await writer.drain()
        if raw:
            self.unfinished.append(raw)

    def _method_when_whole(self, understanding: h11.Connection) -> bytes | None:
        try:
            while (event := understanding.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Request):
                    self._method = bytes(event.method)
                elif isinstance(event, h11.EndOfMessage):
                    if beyond := understanding.trailing_data[0]:
                        self.faults.append(beyond)
                    return self._method
        except h11.RemoteProtocolError as error:
            self.faults.append(error)
        return None
