"""The measuring itself: everybody is started and checked, then takes turns under the same load.

All contenders run all the time; those that are not measured idle. Before the first round each proves that it does the
work: a request without the key is refused, and one with it shows what the replica got.
"""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from email.message import Message
from http.client import HTTPException
from itertools import product
from pathlib import Path
from typing import Final

from bench import load, stand_in
from bench.contenders import TREE, Contender, environment
from bench.cores import Cores, pinned
from bench.load import FRESH, FULL, SHAPES, Shape
from bench.processes import cpu_seconds, running
from bench.ratios import Sample
from bench.work import ANSWER, KEY, PATH, SCORING_PATH, Replicas

START_S: Final = 20.0
WARM_UP_S: Final = 1


class Unfit(Exception):
    """A contender did not start, did not do the work, or failed under load."""


class Arena:
    """The stand-in and all contenders, running. Use as a context manager."""

    def __init__(self, contenders: Sequence[Contender], cores: Cores, directory: Path, heads: str = FRESH) -> None:
        self._contenders = contenders
        self._cores = cores
        self._directory = directory
        self._heads = heads
        self._ends = ExitStack()
        self._ports: dict[str, int] = {}
        self._pids: dict[str, int] = {}

    def __enter__(self) -> Arena:
        with ExitStack() as ends:
            one, two, three, four, *ports = free_ports(4 + len(self._contenders))
            self._replicas = Replicas(blue=(one, two), green=(three, four))
            self._start_stand_in(ends)
            for contender, port in zip(self._contenders, ports, strict=True):
                self._start(contender, port, ends)
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._ends.close()

    def _start_stand_in(self, ends: ExitStack) -> None:
        command = stand_in.command(self._replicas.all, self._directory)
        log = self._directory / "stand-in.log"
        process = ends.enter_context(running(command, self._cores.load, log, cwd=TREE))
        wait_until_open("the model stand-in", self._replicas.all[-1], process, log)

    def _start(self, contender: Contender, port: int, ends: ExitStack) -> None:
        name = contender.name
        directory = self._directory / name.replace(", ", "-").lower()
        directory.mkdir()
        log = directory / "log"
        command = contender.prepare(directory, port, self._replicas)
        process = ends.enter_context(running(command, self._cores.proxy, log, cwd=contender.cwd, env=environment()))
        wait_until_open(name, port, process, log)
        prove(name, port)
        self._ports[name], self._pids[name] = port, process.pid

    def pid(self, name: str) -> int:
        """The process that was started for a contender."""
        return self._pids[name]

    def measure(self, rounds: int, seconds: int, tell: Callable[[Sample], None]) -> list[Sample]:
        """All contenders in turn, `rounds` times, after a warm-up that is not counted; `tell` hears of every sample."""
        for contender in self._contenders:
            self._run(contender.name, FULL, WARM_UP_S, 0)
        samples = []
        for number, shape, contender in product(range(1, rounds + 1), SHAPES, self._contenders):
            samples.append(self._run(contender.name, shape, seconds, number))
            tell(samples[-1])
        return samples

    def _run(self, name: str, shape: Shape, seconds: int, number: int) -> Sample:
        port, pid, status_port = self._ports[name], self._pids[name], self._replicas.blue[0]
        counts_before = stand_in.counts(status_port)
        cpu_before = cpu_seconds(pid)
        with pinned(self._cores.load):
            ran = subprocess.run(
                load.command(port, seconds, shape, self._heads), capture_output=True, text=True, check=False
            )
        cpu_s = cpu_seconds(pid) - cpu_before
        counts = stand_in.counts(status_port)
        result = load.parse(ran.stdout + ran.stderr)
        if result.refused or result.broken or not result.requests:
            raise Unfit(f"{name} failed under load: {result}")
        if counts.requests - counts_before.requests < result.requests:
            raise Unfit(f"{name} answered {result.requests} requests, but asked the replicas less often")
        return Sample(
            contender=name,
            shape=shape.name,
            round=number,
            requests=result.requests,
            seconds=result.seconds,
            cpu_s=cpu_s,
            p50_ms=result.p50_ms,
            p99_ms=result.p99_ms,
            connections=counts.connections - counts_before.connections,
        )


def prove(name: str, port: int) -> None:
    """Raises Unfit unless the contender does the work."""
    try:
        _prove(name, port)
    except (OSError, HTTPException) as error:
        raise Unfit(f"{name} does not answer: {error!r}") from error


def _prove(name: str, port: int) -> None:
    status, _, _ = score(port, "not-the-key")
    if status != 401:
        raise Unfit(f"{name} answers {status} to a wrong key")
    versions = set()
    for _ in range(50):
        status, headers, body = score(port, KEY)
        saw = headers.get("x-saw", "")
        request_id = headers.get("x-request-id") or "missing"
        if (status, body) != (200, ANSWER) or saw != f"authorization= request-id={request_id} path={SCORING_PATH}":
            raise Unfit(
                f"{name} does not do the work: {status}, the replica saw {saw!r}, the answer has {headers.items()}"
            )
        versions.add(headers.get("azureml-model-deployment"))
    if versions != {"blue", "green"}:  # missing one of them by chance: 0.8 to the power of 50, once in 70,000 times
        raise Unfit(f"{name} does not split: {versions}")


def score(port: int, key: str) -> tuple[int, Message, bytes]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "x-show": "yes"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{PATH}", b'{"data": []}', headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers, refused.read()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; held all at once, so that they differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_until_open(name: str, port: int, process: subprocess.Popen[str], log: Path) -> None:
    """Raises Unfit, with what the server said, when it ended or does not listen within START_S."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.02)
    raise Unfit(f"{name} does not listen on port {port}: {log.read_text().strip()[-2000:]}")
