"""Clients that made one request over a connection each, and keep it open without saying anything more.

They come from many loopback addresses, because one address has only some 28,000 ports, and those of closed connections
stay taken for a minute. Called by `bench.idle`.
"""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address
from typing import Final

from bench.proof import Unfit
from bench.work import ANSWER, KEY, PATH

AT_ONCE: Final = 100
"""Connections that ask before the first answer is read."""
PER_ADDRESS: Final = 2_000
FILES_PER_CLIENT: Final = 1.5
"""The router takes so many clients that a third of them could have a connection to a replica too."""
SPARE_FILES: Final = 400
"""For what a process opens besides."""
ANSWER_S: Final = 10.0
_FIRST_ADDRESS: Final = IPv4Address("127.1.0.1")
_BODY: Final = b'{"data": []}'
_REQUEST: Final = (
    f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench-client/1.0\r\nAuthorization: Bearer {KEY}\r\n"
    f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
).encode() + _BODY


def source(crowd: int, client: int, size: int) -> str:
    """The address of one client of the crowd of that number, counted from 0: no two crowds share one."""
    addresses = -(-size // PER_ADDRESS)
    return str(_FIRST_ADDRESS + crowd * addresses + client // PER_ADDRESS)


def allow_files(clients: int) -> tuple[int, str]:
    """Lets this process, and those it starts from now on, have that many clients, or as many as the hard limit permits.

    Returns how many that are, and a sentence about it.
    """
    needed = int(FILES_PER_CLIENT * clients) + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= needed:
        return clients, f"open files: the limit of {soft:,} is enough"
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard if hard == unlimited else max(hard, needed)))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        possible = int((hard - SPARE_FILES) / FILES_PER_CLIENT)
        return (
            possible,
            f"open files: {clients:,} clients need {needed:,}; {hard:,} are permitted, for {possible:,} clients",
        )
    return clients, f"open files: the limit was raised from {soft:,} to {needed:,}, for the clients and for the router"


@contextmanager
def gathered(port: int, size: int, number: int) -> Iterator[Sequence[socket.socket]]:
    """The crowd, from when all have their answer; they leave with the block. Raises Unfit when one got none."""
    with ExitStack() as ends:
        clients: list[socket.socket] = []
        while len(clients) < size:
            group = range(len(clients), min(size, len(clients) + AT_ONCE))
            newcomers = [ends.enter_context(_asking(port, source(number, client, size))) for client in group]
            for client in newcomers:
                _read_answer(client)
            clients += newcomers
        yield clients


def _asking(port: int, address: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S, source_address=(address, 0))
    client.sendall(_REQUEST)
    return client


def _read_answer(client: socket.socket) -> None:
    got = b""
    while not got.endswith(ANSWER):
        part = client.recv(4096)
        if not part:
            raise Unfit(f"an idle client's connection was closed after {got[:100]!r}")
        got += part
    if not got.startswith(b"HTTP/1.1 200 "):
        raise Unfit(f"an idle client got {got[:100]!r}")
    client.setblocking(False)


def left_out(clients: Sequence[socket.socket]) -> int:
    """How many of them the other side has closed."""
    return sum(map(_closed, clients))


def _closed(client: socket.socket) -> bool:
    try:
        client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True
