"""A model server for tests of bodies and clients: Starlette on uvicorn, so that HTTP is not our own reading of it.

    POST /score                      says what it got: bytes, SHA-256, the fields that tests ask for
    POST /score  gzip accepted       the same, compressed
    POST /upload?burst=&stall_ms=    reads in bursts with stalls, then the same
    GET  /download?bytes=&framing=   `pattern(bytes)`, framed by length or chunked, in bursts with stalls if asked
    POST /hasty                      answers 403 without reading the body
    POST /echo                       sends the body back while it comes
    GET  /events?count=&every_ms=    server-sent events, each the monotonic time in ns at which it was sent
    POST /v1/chat/completions        what the OpenAI API answers, streamed where the body says so

What both ends must agree on (`pattern`, `Digest`) is imported from here by the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

BLOCK = 256 * 1024
_FILLING = hashlib.shake_128(b"maitre").digest(BLOCK - 8)
TOLD = ("authorization", "content-length", "transfer-encoding", "upgrade")
WORDS = ["The", " router", " shows", " every", " guest", " to", " a", " free", " seat", "."]


def pattern(total: int) -> Iterator[bytes]:
    """`total` bytes in blocks, no two of them equal: what is lost, repeated or swapped changes the digest."""
    for at in range(0, total, BLOCK):
        block = at.to_bytes(8, "big") + _FILLING
        yield block if total - at >= BLOCK else block[: total - at]


class Pace:
    """Lets `burst` bytes pass, then stalls for `stall_s`, and again; 0: never stalls."""

    def __init__(self, burst: int, stall_s: float) -> None:
        self._burst = burst
        self._stall_s = stall_s
        self._passed = 0

    async def passed(self, count: int) -> None:
        self._passed += count
        if self._burst and self._passed >= self._burst:
            self._passed = 0
            await asyncio.sleep(self._stall_s)


class Digest:
    """What a body was: how many bytes, and which."""

    def __init__(self) -> None:
        self._bytes = 0
        self._sha256 = hashlib.sha256()

    def update(self, data: bytes) -> None:
        self._bytes += len(data)
        self._sha256.update(data)

    def said(self) -> dict[str, object]:
        return {"bytes": self._bytes, "sha256": self._sha256.hexdigest()}


def digest_of_pattern(total: int) -> dict[str, object]:
    digest = Digest()
    for block in pattern(total):
        digest.update(block)
    return digest.said()


async def ready(_: Request) -> Response:
    return PlainTextResponse("ok")


async def score(request: Request) -> Response:
    digest = Digest()
    async for data in request.stream():
        digest.update(data)
    fields = {name: request.headers.get(name) for name in TOLD}
    answer = json.dumps({**digest.said(), "method": request.method, **fields}).encode()
    headers = {"content-type": "application/json"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        answer = gzip.compress(answer, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(answer, headers=headers)


async def upload(request: Request) -> Response:
    digest = Digest()
    pace = _pace(request)
    async for data in request.stream():
        digest.update(data)
        await pace.passed(len(data))
    return JSONResponse(digest.said())


async def hasty(_: Request) -> Response:
    return PlainTextResponse("not you", 403)


async def download(request: Request) -> Response:
    total = int(request.query_params["bytes"])
    pace = _pace(request)

    async def body() -> AsyncIterator[bytes]:
        for block in pattern(total):
            yield block
            await pace.passed(len(block))

    by_length = request.query_params.get("framing") == "length"
    return StreamingResponse(body(), headers={"content-length": str(total)} if by_length else {})


class Echo(Response):
    """The request's body, while it comes. Plain ASGI: Starlette's own streams read `receive` to see the client go."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async for data in Request(scope, receive).stream():
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def echo(_: Request) -> Response:
    return Echo()


async def events(request: Request) -> Response:
    count = int(request.query_params["count"])
    every_s = float(request.query_params["every_ms"]) / 1000

    async def body() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"data: %d\n\n" % time.monotonic_ns()
            await asyncio.sleep(every_s)

    return StreamingResponse(body(), media_type="text/event-stream")


async def completions(request: Request) -> Response:
    wish = await request.json()
    if not wish.get("stream"):
        message = {"role": "assistant", "content": "".join(WORDS)}
        return JSONResponse(_completion("chat.completion", wish, {"message": message}, "stop"))

    async def body() -> AsyncIterator[bytes]:
        for word in WORDS:
            yield _event(_completion("chat.completion.chunk", wish, {"delta": {"content": word}}, None))
        yield _event(_completion("chat.completion.chunk", wish, {"delta": {}}, "stop"))
        yield b"data: [DONE]\n\n"

    return StreamingResponse(body(), media_type="text/event-stream")


def _completion(kind: str, wish: dict[str, object], said: dict[str, object], finish: str | None) -> dict[str, object]:
    choice = {"index": 0, "finish_reason": finish, **said}
    return {"id": "chatcmpl-1", "object": kind, "created": 0, "model": wish["model"], "choices": [choice]}


def _event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _pace(request: Request) -> Pace:
    asked = request.query_params
    return Pace(int(asked.get("burst", 0)), float(asked.get("stall_ms", 0)) / 1000)


ROUTES = [
    Route("/", ready),
    Route("/score", score, methods=["GET", "POST", "PUT", "HEAD"]),
    Route("/upload", upload, methods=["POST"]),
    Route("/hasty", hasty, methods=["POST"]),
    Route("/download", download),
    Route("/echo", echo, methods=["POST"]),
    Route("/events", events),
    Route("/v1/chat/completions", completions, methods=["POST"]),
]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    uvicorn.run(
        Starlette(routes=ROUTES), host="127.0.0.1", port=options.port, log_level="warning", timeout_keep_alive=60
    )


if __name__ == "__main__":
    main()
