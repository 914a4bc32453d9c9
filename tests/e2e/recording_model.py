"""A model server for tests that writes down when it works: one process, plain asyncio, a port for each replica.

It says `listening PORT …` when it does. A scoring request takes --ms, or what its query says (`?ms=50`). `GET /records`
on any of the ports answers with a line for each request so far, of all replicas:

    <port> <request id> <begun> <ended> <cut>

Times are monotonic nanoseconds, the same clock for all processes of a machine. A request is worked on from when its
head has been read until right before its answer is sent, as the router may use the slot again from then on; or until
its connection is found closed (`cut` is 1). `ended` is 0 while it is worked on.

Nothing may come between the kernel and the record, so sockets are read and written here and not by transports, which
tell of a reset one turn of the loop later. Before a request makes a replica work on more than --slots, the others are
looked at: who has left by then is noted first.
"""

import argparse
import asyncio
import re
import selectors
import socket
import time

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb"\r\nx-request-id: *([^\r]*)", re.IGNORECASE)
_MS = re.compile(rb"^\S+ \S*[?&]ms=([\d.]+)")


def reply(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class Work:
    """One request that is or was worked on."""

    __slots__ = ("begun", "cut", "ended", "id", "port")

    def __init__(self, port: int, id: bytes) -> None:
        self.port = port
        self.id = id
        self.begun = time.monotonic_ns()
        self.ended = 0
        self.cut = False

    def line(self) -> bytes:
        return b"%d %b %d %d %d\n" % (self.port, self.id, self.begun, self.ended, self.cut)


class Model:
    """What all replicas share."""

    def __init__(self, ms: float, slots: int) -> None:
        self.ms = ms
        self.slots = slots
        self.records: list[Work] = []

    def listen(self, host: str, port: int) -> int:
        """One more replica; its port."""
        listening = socket.create_server((host, port), backlog=1024)
        listening.setblocking(False)
        replica = Replica(self, listening)
        asyncio.get_running_loop().add_reader(listening, replica.accept)
        return replica.port


class Replica:
    """One port, and the connections that are at work there."""

    def __init__(self, model: Model, listening: socket.socket) -> None:
        self.model = model
        self.port = listening.getsockname()[1]
        self.working: set[Conversation] = set()
        self._listening = listening

    def accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return  # the router has left
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        conversation = Conversation(self, connection)
        asyncio.get_running_loop().add_reader(connection, conversation.readable)

    def look_who_is_left(self) -> None:
        for conversation in list(self.working):
            conversation.look()


class Conversation:
    """One connection: its requests one after the other."""

    def __init__(self, replica: Replica, connection: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._replica = replica
        self._connection = connection
        self._received = b""
        self._work: Work | None = None
        self._answering: asyncio.TimerHandle | None = None

    def readable(self) -> None:
        try:
            data = self._connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._received += data
            self._go_on()
        else:
            self._left()

    def look(self) -> None:
        """Notices a connection that has ended before its turn to be read."""
        try:
            there = self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            there = b""
        if not there:
            self._left()

    def _go_on(self) -> None:
        """Does what has come: a request may come in parts, and the next one only after its answer."""
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found or self._answering is not None:
            return
        if head.startswith(b"GET /ready "):
            self._received = rest
            self._send(reply(b"ready"))
        elif head.startswith(b"GET /records "):
            self._received = rest
            self._dump()
        else:
            self._score(head, rest)

    def _score(self, head: bytes, rest: bytes) -> None:
        if self._work is None:
            self._begin(head)
        length = _LENGTH.search(head)
        missing = int(length[1]) - len(rest) if length else 0
        if missing <= 0:
            self._received = rest[int(length[1]) :] if length else rest
            wish = _MS.match(head)
            took_s = (float(wish[1]) if wish else self._replica.model.ms) / 1000
            self._answering = self._loop.call_later(took_s, self._answer)

    def _begin(self, head: bytes) -> None:
        replica = self._replica
        if len(replica.working) >= replica.model.slots:
            replica.look_who_is_left()
        id = _ID.search(head)
        self._work = Work(replica.port, id[1] if id else b"-")
        replica.model.records.append(self._work)
        replica.working.add(self)

    def _answer(self) -> None:
        self._end(cut=False)
        self._send(reply(b"scored"))
        self._go_on()

    def _end(self, cut: bool) -> None:
        if self._work is not None:
            self._work.ended = time.monotonic_ns()
            self._work.cut = cut
            self._work = None
            self._replica.working.discard(self)
        if self._answering is not None:
            self._answering.cancel()
            self._answering = None

    def _left(self) -> None:
        self._end(cut=True)
        self._loop.remove_reader(self._connection)
        self._connection.close()

    def _send(self, data: bytes) -> None:
        """An answer is small: the socket takes all of it, or has ended, which is found by reading."""
        try:
            self._connection.send(data)
        except OSError:
            return

    def _dump(self) -> None:
        """All records; nothing else goes on meanwhile, so this is for when the load is over."""
        self._connection.setblocking(True)
        self._connection.sendall(reply(b"".join(work.line() for work in self._replica.model.records)))
        self._connection.setblocking(False)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--ms", type=float, default=0.0)
    options = parser.parse_args()
    model = Model(options.ms, options.slots)
    print("listening", *(model.listen(options.host, options.port) for _ in range(options.replicas)), flush=True)
    await asyncio.Event().wait()


def exact_loop() -> asyncio.AbstractEventLoop:
    """Its timers are exact to some tens of µs. epoll(2) counts in whole milliseconds, and what that adds to a request's
    time depends on how the others come: throughputs would not compare."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=exact_loop) as runner:
        runner.run(main())
