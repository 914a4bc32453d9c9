"""The model server keeps to its contract, over real sockets."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.digits import model as model_module
from examples.digits.model import MOST_BYTES, PIXELS
from tests.examples.digits.conftest import BRIGHT, IMAGE

Serve = Callable[..., httpx.Client]


class Broken:
    def predict(self, images: object) -> Any:
        raise RuntimeError("no such layer")


class Constant:
    def predict(self, images: Any) -> Any:
        return [3] * len(images)


def test_it_is_ready_and_names_its_replica(serve: Serve) -> None:
    answer = serve(Constant()).get("/")
    assert answer.status_code == 200
    assert answer.headers["x-replica"] == "7"


def test_it_scores_with_the_real_library(serve: Serve, tiny_model: Any) -> None:
    answer = serve(tiny_model).post("/score", json={"data": [IMAGE, BRIGHT, IMAGE]})
    assert (answer.status_code, answer.json()) == (200, {"predictions": [0, 8, 0]})


def test_connections_are_kept(serve: Serve) -> None:
    client = serve(Constant())
    streams = set()
    for _ in range(3):
        answer = client.post("/score", json={"data": [IMAGE]})
        assert answer.http_version == "HTTP/1.1"
        streams.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(streams) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "at least one image"),
        (b'{"data": []}', "at least one image"),
        (b'{"data": "x"}', "at least one image"),
        (json.dumps({"data": [IMAGE, IMAGE[:-1]]}).encode(), "data[1] must be 64 numbers"),
        (json.dumps({"data": [[*IMAGE[:-1], "0"]]}).encode(), "data[0] must be 64 numbers"),
        (json.dumps({"data": [[*IMAGE[:-1], True]]}).encode(), "data[0] must be 64 numbers"),
        (json.dumps({"data": [[*IMAGE[:-1], float("nan")]]}).encode(), "data[0] must be 64 numbers"),
        (json.dumps({"data": [[*IMAGE[:-1], 17]]}).encode(), "data[0] must be 64 numbers"),
        (b'{"data": [' + b"[" * 5000 + b"]" * 5000 + b"]}", "not JSON"),
    ],
)
def test_bad_input_is_refused_in_words_and_the_connection_goes_on(serve: Serve, body: bytes, words: str) -> None:
    client = serve(Constant())
    answer = client.post("/score", content=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert client.post("/score", json={"data": [IMAGE]}).json() == {"predictions": [3]}


def test_a_failing_model_is_a_500_that_is_marked(serve: Serve) -> None:
    client = serve(Broken())
    answer = client.post("/score", json={"data": [IMAGE]})
    assert answer.status_code == 500
    assert answer.headers["x-ms-run-function-failed"] == "True"
    assert "no such layer" in answer.json()["error"]["message"]
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/nowhere", 404), ("GET", "/score", 405)]
)
def test_other_paths_and_methods(serve: Serve, method: str, path: str, status: int) -> None:
    answer = serve(Constant()).request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_the_description_names_the_scoring_path_and_fits_the_check_of_the_input(serve: Serve) -> None:
    description = serve(Constant()).get("/swagger.json").json()
    assert list(description["paths"]) == ["/score"]
    assert description["components"]["schemas"]["Images"]["properties"]["data"]["items"]["minItems"] == PIXELS


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /score HTTP/1.1\r\ntransfer-encoding: chunked", 411),
        ("POST /score HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5", 411),
        ("POST /score HTTP/1.1", 411),
        ("POST /score HTTP/1.1\r\ncontent-length: -1", 411),
        (f"POST /score HTTP/1.1\r\ncontent-length: {MOST_BYTES + 1}", 413),
        ("GET / HTTP/1.1\r\ncontent-length: 30", 200),
    ],
)
def test_a_body_that_is_not_read_ends_the_connection(serve: Serve, head: str, status: int) -> None:
    url = serve(Constant()).base_url
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        connection.sendall(f"{head}\r\nhost: x\r\n\r\n".encode())
        with connection.makefile("rb") as stream:
            answer = stream.read()  # to the end
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"connection: close" in answer


def test_the_pretended_work_takes_its_time(serve: Serve) -> None:
    client = serve(Constant(), work_s=0.05)
    began = time.perf_counter()
    client.post("/score", json={"data": [IMAGE]})
    assert time.perf_counter() - began >= 0.05


def test_the_command_serves_a_pickled_model(tmp_path: Path, tiny_model: Any) -> None:
    (tmp_path / "tiny.pickle").write_bytes(pickle.dumps(tiny_model))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(model_module.__file__), "--model", "tiny.pickle", "--port", str(port)]
    environment = os.environ | {"MAITRE_REPLICA": "3"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == f"pid {process.pid} loads tiny.pickle\n"
            answer = _first_answer(f"http://127.0.0.1:{port}/score")
        finally:
            process.terminate()
    assert process.returncode == 0  # it heard: as the first process of a container it would not, without a handler
    assert answer.json() == {"predictions": [8]}
    assert answer.headers["x-replica"] == "3"


def _first_answer(url: str) -> httpx.Response:
    deadline = time.monotonic() + 30
    while True:
        try:
            return httpx.post(url, json={"data": [BRIGHT]}, trust_env=False)
        except httpx.ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
