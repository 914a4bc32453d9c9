"""A model server for tests: one process, plain asyncio, that does what the request's body says and records what it saw.

    {"ms": 50}          answers after 50 ms
    {"do": "500"}       answers 500 with x-ms-run-function-failed
    {"do": "hang"}      never answers
    {"do": "cut"}       begins an answer of 1,000 bytes and breaks off after 10
    {"do": "die"}       ends the process

GET /large is answered with 1 MB, as fast as it is taken.
Every other request appends one line to the file that --record names: replica, concurrent requests (this one included).
SIGTERM ends it at once; with --finish, it takes no more connections and ends when its requests are answered.
"""

import argparse
import asyncio
import json
import os
import signal
import ssl

FAILED = b"HTTP/1.1 500 Internal Server Error\r\nx-ms-run-function-failed: True\r\ncontent-length: 9\r\n\r\nthe model"
PIECE = bytes(64 << 10)
CUT = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbeginning."


class Model:
    def __init__(self, ms: float, record: str | None) -> None:
        self.ms = ms
        self.concurrent = 0
        self.ending = False
        self._idle: set[asyncio.StreamWriter] = set()
        self._serving = 0
        self._emptied = asyncio.Event()
        self.replica = os.environ.get("MAITRE_REPLICA", "fixed")
        self.version = os.environ.get("MAITRE_VERSION", "")
        self.record = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if record else None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving += 1
        try:
            while not self.ending:
                self._idle.add(writer)
                head = await reader.readuntil(b"\r\n\r\n")
                self._idle.discard(writer)
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                body = await reader.readexactly(length)
                if not await self.answer(head, body, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._idle.discard(writer)
            writer.close()
            self._serving -= 1
            if not self._serving:
                self._emptied.set()

    async def finish(self) -> None:
        """Closes what idles, lets the rest be answered."""
        self.ending = True
        for writer in self._idle:
            writer.close()
        while self._serving:
            self._emptied.clear()
            await self._emptied.wait()

    async def answer(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> bool:
        if head.startswith(b"GET / "):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            return True
        if head.startswith(b"GET /large "):
            await self.large(writer)
            return True
        self.concurrent += 1
        if self.record is not None:
            os.write(self.record, b"%b %d\n" % (self.replica.encode(), self.concurrent))
        try:
            return await self.score(json.loads(body or b"{}"), writer)
        finally:
            self.concurrent -= 1

    async def large(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (16 * len(PIECE)))
        for _ in range(16):
            writer.write(PIECE)
            await writer.drain()

    async def score(self, wish: dict[str, object], writer: asyncio.StreamWriter) -> bool:
        match wish.get("do"):
            case "500":
                writer.write(FAILED)
                return True
            case "hang":
                await asyncio.Event().wait()
            case "cut":
                writer.write(CUT)
                await writer.drain()
                return False
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
        ms = wish.get("ms", self.ms)
        if ms:
            await asyncio.sleep(float(ms) / 1000)  # type: ignore[arg-type]
        answer = json.dumps({"version": self.version, "replica": self.replica, "pid": os.getpid()}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer))
        writer.write(answer)
        return True


def tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=options.clients)
    context.load_cert_chain(options.tls)
    if options.clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ms", type=float, default=0.0)
    parser.add_argument("--record")
    parser.add_argument("--finish", action="store_true", help="at SIGTERM answer what has been asked")
    parser.add_argument("--tls", help="a PEM file with certificate and key: speak TLS alone")
    parser.add_argument("--clients", help="a PEM file with the authority of client certificates: ask for one")
    options = parser.parse_args()
    model = Model(options.ms, options.record)
    server = await asyncio.start_server(model.serve, options.host, options.port, backlog=512, ssl=tls(options))
    terminated = asyncio.Event()
    if options.finish:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    await terminated.wait()
    server.close()
    await model.finish()


if __name__ == "__main__":
    asyncio.run(main())
