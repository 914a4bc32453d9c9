"""The smallest worker: greets whoever connects, repeats lines, and says the words that a supervisor knows."""

import argparse
import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path

from router.workers.channel import Channel
from router.workers.door import Door
from router.workers.messages import Drain, Heartbeat, Ready


class StubWorker:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.loop = asyncio.get_running_loop()
        self.listening = socket.socket(fileno=arguments.listening)
        self.listening.setblocking(False)
        self.served = 0
        self.clients: set[socket.socket] = set()
        self.orphaned = False
        self.draining = False
        self.finished = asyncio.Event()
        self.hurried: asyncio.TimerHandle | None = None
        self.channel = Channel(self.loop, socket.socket(fileno=arguments.channel), self.received, self.lost)

    async def run(self) -> None:
        door = None
        if self.arguments.doors:
            door = Door(
                self.arguments.doors,
                "stub",
                orphaned=lambda: self.orphaned,
                taken_over=self.taken_over,
            )
            door.open()
        if not self.arguments.never_ready:
            self.loop.add_reader(self.listening.fileno(), self.accept)
            self.channel.send(Ready())
        self.beat()
        await self.finished.wait()
        if door is not None:
            door.close()
        self.channel.send(("served", self.served))
        await self.channel.flushed()

    def beat(self) -> None:
        self.channel.send(Heartbeat())
        self.loop.call_later(0.05, self.beat)

    def accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                client, _ = self.listening.accept()
                client.setblocking(False)
                self.served += 1
                self.clients.add(client)
                client.send(f"{self.arguments.name} {os.getpid()}\n".encode())
                self.loop.add_reader(client.fileno(), self.repeat, client)

    def repeat(self, client: socket.socket) -> None:
        data = b""
        with suppress(OSError):
            data = client.recv(4096)
        if data:
            client.send(data)
        else:
            self.loop.remove_reader(client.fileno())
            client.close()
            self.clients.discard(client)
            self.end_when_empty()

    def received(self, message: object) -> None:
        if isinstance(message, Drain):
            self.drain(message.seconds)
        elif message == "exit without a word":
            os._exit(7)
        elif message == "garbage":
            self.channel._socket.send(b"\xff" * 10)
        elif message == "close":
            self.channel.close()
        else:
            self.channel.send(("echo", message))

    def drain(self, seconds: float) -> None:
        if self.arguments.deaf:
            return
        if not self.draining:
            self.draining = True
            if not self.arguments.never_ready:
                self.accept()
                self.loop.remove_reader(self.listening.fileno())
            self.listening.close()
        if self.hurried is not None:
            self.hurried.cancel()
        self.hurried = self.loop.call_later(seconds, self.finished.set)
        self.end_when_empty()

    def end_when_empty(self) -> None:
        if self.draining and not self.clients:
            self.finished.set()

    def lost(self) -> None:
        self.orphaned = True
        if not self.arguments.doors:
            self.finished.set()

    def taken_over(self, channel: Channel) -> None:
        self.orphaned = False
        self.channel = channel
        channel.received, channel.lost = self.received, self.lost
        channel.send(("bounds of", self.arguments.name))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("channel", type=int)
    parser.add_argument("listening", type=int)
    parser.add_argument("--doors", type=Path)
    parser.add_argument("--never-ready", action="store_true")
    parser.add_argument("--deaf", action="store_true", help="does not do what it is told")
    parser.add_argument("--fail-if", type=Path, help="exit with status 3 at once if this file is there")
    arguments = parser.parse_args()
    if arguments.fail_if is not None and arguments.fail_if.exists():
        raise SystemExit(3)

    async def run() -> None:
        await StubWorker(arguments).run()

    asyncio.run(run())


if __name__ == "__main__":
    main()
