"""A model server: one pickled scikit-learn model behind HTTP, for one replica. Needs nothing but scikit-learn.

    python model.py --model blue.pickle --port 5001 [--host 0.0.0.0] [--work-ms 100]

    GET  /               200: the model is loaded. The port is not even open before, so whoever probes it knows
    POST /score          {"data": [[64 numbers], …]} -> {"predictions": [7, …]}
    GET  /swagger.json   the same, described as OpenAPI

What is wrong with the caller's input is a 400 that says what; what goes wrong in the model is a 500 marked with
`x-ms-run-function-failed: True`, by which maitre tells a failing model from a failing road to it. Every answer names
its replica in `x-replica`. Nothing here is special to maitre: any program that answers HTTP can be a replica.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import signal
import sys
import time
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

PIXELS: Final = 64
MOST_BYTES: Final = 8 * 1024 * 1024

OPENAPI: Final = {
    "openapi": "3.0.3",
    "info": {"title": "digits", "version": "1.0", "description": "Which digit is on an image of 8 by 8 pixels."},
    "paths": {
        "/score": {
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Images"}}},
                },
                "responses": {
                    "200": {
                        "description": "One digit per image.",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Digits"}}},
                    },
                    "400": {"description": "The input is not what it has to be; the error says why."},
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Images": {
                "type": "object",
                "required": ["data"],
                "properties": {
                    "data": {
                        "type": "array",
                        "items": {
                            "type": "array",
                            "minItems": PIXELS,
                            "maxItems": PIXELS,
                            "items": {"type": "number", "description": "Brightness, 0 to 16."},
                        },
                    }
                },
            },
            "Digits": {
                "type": "object",
                "required": ["predictions"],
                "properties": {
                    "predictions": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}}
                },
            },
        }
    },
}


class BadInput(Exception):
    """The caller's mistake, in words for the caller."""


class Model(Protocol):
    """What is used of a scikit-learn classifier."""

    def predict(self, images: Sequence[Sequence[float]]) -> Any: ...


def images_of(body: bytes) -> list[list[float]]:
    """The images of a scoring request. Raises BadInput."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:  # the latter: lists in lists in lists
        raise BadInput(f"the body is not JSON: {error}") from None
    images = content.get("data") if isinstance(content, dict) else None
    if not isinstance(images, list) or not images:
        raise BadInput('the body must be {"data": [image, ...]} with at least one image')
    for index, image in enumerate(images):
        if not isinstance(image, list) or len(image) != PIXELS or not all(map(_is_brightness, image)):
            raise BadInput(f"data[{index}] must be {PIXELS} numbers from 0 to 16, the 8 rows of an image one by one")
    return images


def _is_brightness(pixel: object) -> bool:
    return isinstance(pixel, int | float) and not isinstance(pixel, bool) and 0 <= pixel <= 16


class Handler(BaseHTTPRequestHandler):
    """One connection. `model`, `work_s` and `replica` are set by `server_for`."""

    protocol_version = "HTTP/1.1"  # connections are kept: opening one per request costs more than the scoring
    disable_nagle_algorithm = True  # else a kept connection waits 40 ms for an acknowledgement now and then
    wbufsize = -1  # head and body in one write
    timeout = 300  # seconds that a connection may be idle

    model: ClassVar[Model]
    work_s: ClassVar[float]
    replica: ClassVar[str]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/":
            self._answer(HTTPStatus.OK, {"status": "ready", "replica": self.replica})
        elif path == "/swagger.json":
            self._answer(HTTPStatus.OK, OPENAPI)
        elif path == "/score":
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, _error("send the images by POST"), allow="POST")
        else:
            self._answer(HTTPStatus.NOT_FOUND, _error(f"there is no {path} here"))

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        if self.path.partition("?")[0] != "/score":
            self._answer(HTTPStatus.NOT_FOUND, _error(f"there is no {self.path} here; images go to /score"))
            return
        try:
            predictions = self._score(images_of(body))
        except BadInput as mistake:
            self._answer(HTTPStatus.BAD_REQUEST, _error(str(mistake)))
        except Exception as failure:  # noqa: BLE001 - whatever a model raises is an answer, not the end of its server
            self.log_error("scoring failed: %r", failure)
            headers = {"x-ms-run-function-failed": "True"}
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, _error(f"scoring failed: {failure!r}"), **headers)
        else:
            self._answer(HTTPStatus.OK, {"predictions": predictions})

    def _score(self, images: list[list[float]]) -> list[int]:
        predictions = [int(digit) for digit in self.model.predict(images)]
        time.sleep(self.work_s)
        return predictions

    def _body(self) -> bytes | None:
        """The body; None when it was refused, and then the connection ends with the answer."""
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or "transfer-encoding" in self.headers:
            self._answer(HTTPStatus.LENGTH_REQUIRED, _error("send the body with a content-length"), connection="close")
            return None
        if int(length) > MOST_BYTES:
            refusal = _error(f"at most {MOST_BYTES} bytes at a time")
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, refusal, connection="close")
            return None
        return self.rfile.read(int(length))

    def _answer(self, status: HTTPStatus, content: object, **headers: str) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-replica", self.replica)
        if self.command != "POST" and {"content-length", "transfer-encoding"} & {name.lower() for name in self.headers}:
            headers["connection"] = "close"  # a body that nobody reads would be taken for the next request
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Not a line per request: the router has an access log."""


def _error(message: str) -> dict[str, dict[str, str]]:
    return {"error": {"message": message}}


def server_for(
    model: Model, port: int, work_s: float = 0.0, replica: str = "", host: str = "127.0.0.1"
) -> ThreadingHTTPServer:
    """Listens from now on; answers once `serve_forever` is called. Port 0 takes a free one."""
    settings = {"model": model, "work_s": work_s, "replica": replica}
    return _Server((host, port), type("HandlerOfModel", (Handler,), settings))


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # the library's 5 turns connections away in a burst
    daemon_threads = True  # a kept connection that idles does not hold up the end


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve one pickled model of digits over HTTP.")
    parser.add_argument("--model", type=Path, required=True, help="what train.py wrote")
    parser.add_argument("--host", default="127.0.0.1", help="in a container: 0.0.0.0 (default: %(default)s)")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--work-ms", type=float, default=0.0, help="sleep so long per request, in place of a bigger model's work"
    )
    arguments = parser.parse_args()

    replica = os.environ.get("MAITRE_REPLICA", "")
    print(f"pid {os.getpid()} loads {arguments.model.name}", flush=True)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # many replicas on one machine: a thread each is enough
    model: Model = pickle.loads(arguments.model.read_bytes())
    # without a handler, the first process of a container would not even notice that it is to end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server_for(model, arguments.port, arguments.work_ms / 1000, replica, arguments.host).serve_forever()


if __name__ == "__main__":
    main()
