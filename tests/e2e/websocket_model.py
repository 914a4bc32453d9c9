"""A WebSocket server for tests, on the package `websockets`.

/echo                     sends every message back; "die" ends the process, "close 4001 why" closes with that code
/flood?messages=&bytes=   sends so many messages of so many bytes each, as fast as they are taken
/refuse?status=           answers with that status instead of switching
GET /ended                the close codes of the connections that have ended, in order, as JSON; 1006: no close frame
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

LARGEST = 2**20


class Model:
    def __init__(self) -> None:
        self._ended: list[int | None] = []

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """What is no WebSocket; None: it is one."""
        match urlsplit(request.path).path:
            case "/":
                return connection.respond(HTTPStatus.OK, "ok")
            case "/ended":
                return connection.respond(HTTPStatus.OK, json.dumps(self._ended))
            case "/refuse":
                return connection.respond(HTTPStatus(_asked(request)["status"]), "no")
        return None

    async def talk(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        try:
            with contextlib.suppress(ConnectionClosed):
                if urlsplit(request.path).path == "/flood":
                    asked = _asked(request)
                    for _ in range(asked["messages"]):
                        await connection.send(bytes(asked["bytes"]))
                else:
                    await self._echo(connection)
        finally:
            await connection.close()
            self._ended.append(connection.close_code)

    async def _echo(self, connection: ServerConnection) -> None:
        async for message in connection:
            match message.split(" ") if isinstance(message, str) else []:
                case ["die"]:
                    os.kill(os.getpid(), signal.SIGKILL)
                case ["close", code, reason]:
                    await connection.close(int(code), reason)
                case _:
                    await connection.send(message)


def _asked(request: Request) -> dict[str, int]:
    return {name: int(values[0]) for name, values in parse_qs(urlsplit(request.path).query).items()}


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    model = Model()
    async with serve(
        model.talk, "127.0.0.1", options.port, process_request=model.answer, max_size=LARGEST, ping_interval=None
    ) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
