"""The model's stand-in: answers at once, about as much as it got, on one port per replica, the same for all contenders.

An nginx that says `return 200` is the cheapest there is. Where it is missing, `python -m bench.stand_in PORT …`, on
uvloop, does it. Both say under /status what they counted, in the words of nginx's stub_status, and answer to the header
`x-show: yes` with what came through: `x-saw: authorization=… request-id=… path=…`.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, cast

from bench.work import ANSWER, LARGE_ANSWER, PIECE, PIECES, answer_to

_COUNTS: Final = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)\s*")


class Counts(NamedTuple):
    """Since the start: connections accepted, requests seen."""

    connections: int
    requests: int


def command(ports: Sequence[int], directory: Path) -> list[str]:
    nginx = shutil.which("nginx")
    if nginx is None:
        return [sys.executable, "-m", "bench.stand_in", *map(str, ports)]
    configuration = directory / "stand-in.conf"
    configuration.write_text(nginx_configuration(ports, directory))
    return [nginx, "-e", "stderr", "-p", str(directory), "-c", str(configuration)]


def nginx_configuration(ports: Sequence[int], directory: Path) -> str:
    """A request of 10 KB fits into the first buffer, so it is there as a whole before it is answered."""
    large = LARGE_ANSWER.decode().replace(PIECE.decode() * PIECES, "$piece" * PIECES)
    listens = "\n".join(f"    listen 127.0.0.1:{port} backlog=1024;" for port in ports)
    return f"""
daemon off;
worker_processes 1;
pid {directory}/stand-in.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {directory}/stand-in-body;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_header_buffer_size 16k;
  default_type application/json;
  map "" $piece {{ default {PIECE.decode()}; }}
  map $http_content_length $answer {{
    default '{ANSWER.decode()}';
    "~^[0-9]{{5}}$" '{large}';
  }}
  map $http_x_show $saw {{
    default "";
    yes "authorization=$http_authorization request-id=$http_x_request_id path=$request_uri";
  }}
  server {{
{listens}
    location / {{
      add_header x-saw $saw;
      return 200 $answer;
    }}
    location = /status {{ stub_status; }}
  }}
}}
"""


def counts(port: int) -> Counts:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
        return parse_status(answer.read().decode())


def parse_status(text: str) -> Counts:
    """From nginx's stub_status page: `accepts handled requests` and below it the three numbers."""
    _, found, below = text.partition("requests")
    match = _COUNTS.match(below)
    if not found or match is None:
        raise ValueError(f"this is no status page: {text[:200]!r}")
    return Counts(connections=int(match[1]), requests=int(match[3]))


class StandIn(asyncio.Protocol):
    """One connection; requests come whole or in parts, with Content-Length or without a body."""

    connections = 0
    requests = 0

    def __init__(self) -> None:
        StandIn.connections += 1
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n") + 4) >= 4:
            head = self._buffer[:end].lower()
            length = re.search(rb"\r\ncontent-length: *(\d+)", head)
            size = int(length[1]) if length else 0
            rest = end + size
            if len(self._buffer) < rest:
                return
            self._answer(head, size)
            self._buffer = self._buffer[rest:]

    def _answer(self, head: bytes, size: int) -> None:
        StandIn.requests += 1
        extra, body = b"", answer_to(size)
        if head.startswith(b"get /status "):
            numbers = (StandIn.connections, StandIn.connections, StandIn.requests)
            body = b"server accepts handled requests\n %d %d %d\n" % numbers
        elif b"\r\nx-show: yes" in head:
            extra = b"x-saw: authorization=%b request-id=%b path=%b\r\n" % (
                _value(head, b"authorization"),
                _value(head, b"x-request-id"),
                head.split(b" ", 2)[1],
            )
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b"
            % (extra, len(body), body)
        )


def _value(head: bytes, name: bytes) -> bytes:
    match = re.search(rb"\r\n" + name + rb": *([^\r]*)", head)
    return match[1] if match else b""


async def serve(ports: Sequence[int]) -> None:
    loop = asyncio.get_running_loop()
    for port in ports:
        await loop.create_server(StandIn, "127.0.0.1", port, backlog=1024)
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve([int(port) for port in sys.argv[1:]]))
