"""What the tests of processes share: how stubs are started, an owner that remembers, clients."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from router.workers.supervisor import LOOK_S
from router.workers.worker import Worker

STUB = Path(__file__).with_name("stub_worker.py")
ROOT = Path(__file__).parents[2]
BOUND_S = 20.0


def starter(*flags: str) -> Callable[[str, int, int], "subprocess.Popen[bytes]"]:
    def start(name: str, channel: int, listening: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, str(STUB), name, str(channel), str(listening), *flags],
            pass_fds=(channel, listening),
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    return start


class Port:
    """Binds one SO_REUSEPORT socket after another to the same port, picked by the first."""

    def __init__(self, number: int = 0) -> None:
        self.number = number

    def bind(self) -> socket.socket:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(("127.0.0.1", self.number))
        self.number = bound.getsockname()[1]
        return bound


class Owner:
    """Remembers what it is told, in order; refuses what a supervisor promises never to say."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, object]] = []
        self.alive: dict[str, Worker] = {}
        self._told = asyncio.Event()

    def joined(self, worker: Worker) -> None:
        assert worker.name not in {name for _, name, _ in self.events}
        self.alive[worker.name] = worker
        self._note("joined", worker, worker.pid)

    def received(self, worker: Worker, message: object) -> None:
        assert self.alive[worker.name] is worker
        self._note("received", worker, message)

    def ready(self, worker: Worker) -> None:
        assert self.alive[worker.name] is worker
        self._note("ready", worker, worker.pid)

    def left(self, worker: Worker, how: str) -> None:
        assert not runs(worker.pid), "left before it was gone"
        assert self.alive.pop(worker.name) is worker
        self._note("left", worker, how)

    def all(self, kind: str) -> list[tuple[str, object]]:
        return [(name, what) for happened, name, what in self.events if happened == kind]

    async def until(self, kind: str, count: int = 1) -> list[tuple[str, object]]:
        """Returns when so many of the kind have been told."""
        async with asyncio.timeout(BOUND_S):
            while len(self.all(kind)) < count:
                self._told.clear()
                await self._told.wait()
        return self.all(kind)

    async def word(self, message: object) -> None:
        """Returns when somebody has said this."""
        async with asyncio.timeout(BOUND_S):
            while message not in [what for _, what in self.all("received")]:
                self._told.clear()
                await self._told.wait()

    def _note(self, kind: str, worker: Worker, what: object) -> None:
        self.events.append((kind, worker.name, what))
        self._told.set()


class Pauses:
    """A sleep for supervisors: looks are real and quick, the pauses of seats are recorded, and last while `hold` is."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.go = asyncio.Event()
        self.go.set()
        self._begun = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        if seconds == LOOK_S:
            await asyncio.sleep(0.02)
        else:
            self.taken.append(seconds)
            self._begun.set()
            await self.go.wait()

    async def until(self, count: int) -> list[float]:
        async with asyncio.timeout(BOUND_S):
            while len(self.taken) < count:
                self._begun.clear()
                await self._begun.wait()
        return self.taken


class Client:
    """A connection; `name` and `pid` are those of the worker that it got."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.name, self.pid = "", 0

    @classmethod
    async def connect(cls, port: int) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def greeted(self) -> "Client":
        async with asyncio.timeout(BOUND_S):
            name, pid = (await self._reader.readuntil(b"\n")).split()
        self.name, self.pid = name.decode(), int(pid)
        return self

    async def works(self) -> bool:
        self._writer.write(b"hello\n")
        async with asyncio.timeout(BOUND_S):
            return await self._reader.readuntil(b"\n") == b"hello\n"

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def visit(port: int) -> Client:
    return await (await Client.connect(port)).greeted()


def runs(pid: int) -> bool:
    """Whether the process is there: neither gone nor a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
