"""A model server that goes wrong by a schedule of its own, and writes down what it saw: one process, plain asyncio.

A scoring request is answered with its own body, unless the fate that it draws says otherwise; a field `x-fate` names
one instead. FATES says how often each is drawn; --sound makes every one `ok`, after --ms. The draw belongs to the model
and not to the request: a request that comes again may be luckier.

The record (--record) has a line per event, written at once, so that it outlives the process:

    seen <id> <when> <nth> <running> <fate>  when, in monotonic ns; nth request of its connection; how many run now
    done <id> <took>                         what the fate says has been done, after so many bytes of the body

A request counts as running until its answer is about to be complete. One that hangs or stalls is not counted: the
router gives its slot away at the time-out, before this process can know.
SIGUSR1: nothing listens for --away seconds, and connections between two requests are closed.
"""

import argparse
import asyncio
import os
import random
import signal
import socket
import struct
import time

RESET = struct.pack("ii", 1, 0)  # SO_LINGER for 0 s: closing sends RST

FATES = {
    "ok": 740,
    "slow": 80,  # ok, after a while
    "early": 30,  # answers as soon as it has the head
    "long": 10,  # more bytes than its head says
    "stale": 20,  # ok, and closes its kept-alive connection a moment later, without having said so
    "failed": 10,  # 500
    "close": 45,  # closes at the request's head, without a byte
    "reset": 25,  # the same with a reset
    "lost": 15,  # closes after the body, without a byte
    "garbage": 5,
    "half head": 5,
    "truncated": 5,  # closes before the end of its answer
    "torn": 5,  # the same with a reset
    "torn chunks": 4,
    "stall": 2,  # never goes on with its answer
    "hang": 4,  # never answers
    "die": 0.2,  # takes the process with it
}
AT_THE_HEAD = {"early", "close", "reset"}
ENDLESS = {"hang", "stall"}


def reply(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def lines_of(head: bytes) -> dict[bytes, bytes]:
    return dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)


class Model:
    """What all connections share: the schedule, the record, the port."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.port = options.port
        self.slow_s = options.ms / 1000
        self.away_s = options.away
        self.running = 0
        self.conversations: set[Conversation] = set()
        self._sound = options.sound
        self._chance = random.Random(options.seed)
        self._record = os.open(options.record, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._accepting: set[asyncio.Task] = set()

    def fate(self) -> str:
        if self._sound:
            return "slow" if self.slow_s else "ok"
        return self._chance.choices(list(FATES), list(FATES.values()))[0]

    def note(self, *words: object) -> None:
        os.write(self._record, (" ".join(str(word).replace(" ", "-") for word in words) + "\n").encode())

    def listen(self) -> None:
        """Accepts by itself: an asyncio server that is closed while it accepts leaves that connection to nobody."""
        self._listening = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        self._listening.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return  # the client has left
        loop = asyncio.get_running_loop()
        accepting = loop.create_task(loop.connect_accepted_socket(lambda: Conversation(self), connection))
        self._accepting.add(accepting)
        accepting.add_done_callback(self._accepting.discard)

    def go_away(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listening)
        self._listening.close()
        for conversation in list(self.conversations):
            conversation.leave_if_idle()
        loop.call_later(self.away_s, self.listen)


class Conversation(asyncio.Protocol):
    """One connection: its requests one after the other."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.received = b""
        self.requests = 0
        self.fields: dict[bytes, bytes] | None = None
        """Of the present request's head; None between two requests."""
        self.fate = ""
        self.counted = False

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.model.conversations.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.model.conversations.discard(self)
        self.count(False)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.fields is not None:
            self.go_on()
        while self.fields is None and b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            self.begin(head)

    def begin(self, head: bytes) -> None:
        if head.startswith(b"GET /ready "):
            self.transport.write(reply(b"ready"))
            return
        self.fields = lines_of(head)
        self.requests += 1
        self.fate = self.fields.get(b"x-fate", b"").decode() or self.model.fate()
        self.count(self.fate not in ENDLESS)
        self.model.note("seen", self.id, time.monotonic_ns(), self.requests, self.model.running, self.fate)
        if self.fate in AT_THE_HEAD and not self.body_is_whole:
            self.meet(self.fate, self.id, self.received)
            self.fate = "answered"
        else:
            self.go_on()

    @property
    def id(self) -> str:
        return self.fields[b"x-id"].decode()

    @property
    def body_is_whole(self) -> bool:
        return len(self.received) >= int(self.fields[b"content-length"])

    def go_on(self) -> None:
        """More of the body has come, or all of it with the head."""
        if not self.body_is_whole or self.fate in ("hang", "under way"):
            return
        fate, id, length = self.fate, self.id, int(self.fields[b"content-length"])
        body = self.received[:length]
        if fate == "slow":
            self.fate = "under way"
            asyncio.get_running_loop().call_later(self.model.slow_s or 0.005, self.end, "ok", id, body)
        else:
            self.end(fate, id, body)

    def end(self, fate: str, id: str, body: bytes) -> None:
        if fate == "stall":
            self.fate = "hang"  # and is not idle: it still owes the rest
        else:
            self.received = self.received[len(body) :]
            self.fields = None
        if fate != "answered":
            self.meet(fate, id, body)

    def meet(self, fate: str, id: str, body: bytes) -> None:
        """Does what `fate` says. The router may use the slot again the moment that it has the last byte."""
        if fate == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.transport.is_closing():
            return  # the router has left
        self.count(False)
        took = max(len(self.received), len(body))
        self.transport.write(answer(fate, body))
        if fate in ("close", "lost", "garbage", "half head", "truncated"):
            self.transport.close()
        elif fate in ("reset", "torn", "torn chunks"):
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()
        elif fate == "stale":
            asyncio.get_running_loop().call_later(0.002, self.leave_if_idle)
        if fate not in ENDLESS:
            self.model.note("done", id, took)

    def leave_if_idle(self) -> None:
        if self.fields is None:
            self.transport.close()

    def count(self, running: bool) -> None:
        if running is not self.counted:
            self.counted = running
            self.model.running += 1 if running else -1


def answer(fate: str, body: bytes) -> bytes:
    """The bytes that a fate sends, before it closes or resets or leaves the connection alone."""
    match fate:
        case "ok" | "early" | "stale":
            return reply(body)
        case "long":
            return reply(body) + b"beyond"
        case "failed":
            return reply(body, b"500 Internal Server Error")
        case "garbage":
            return b"SSH-2.0-OpenSSH_9.6\r\n\r\n"
        case "half head":
            return b"HTTP/1.1 200 OK\r\ncontent-len"
        case "truncated" | "torn" | "stall":
            return reply(body)[:-3]
        case "torn chunks":
            return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body)
    return b""


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--record", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ms", type=float, default=0.0)
    parser.add_argument("--away", type=float, default=0.3)
    parser.add_argument("--sound", action="store_true")
    model = Model(parser.parse_args())
    model.listen()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, model.go_away)
    print("listening", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
