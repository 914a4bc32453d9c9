"""The measuring itself: everybody is started and checked, then takes turns under the same load.

All contenders run all the time; those that are not measured idle.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from itertools import product
from pathlib import Path
from typing import Final

from bench import load, stand_in
from bench.contenders import TREE, Contender, environment
from bench.cores import Cores, pinned
from bench.load import FRESH
from bench.processes import cpu_seconds, running
from bench.proof import Unfit, prove
from bench.ratios import Sample
from bench.shapes import FULL, Shape
from bench.work import Replicas

START_S: Final = 20.0
WARM_UP_S: Final = 1


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
        process = ends.enter_context(running(command, self._cores.model, log, cwd=TREE))
        wait_until_open("the model stand-in", self._replicas.all[-1], process, log)

    def _start(self, contender: Contender, port: int, ends: ExitStack) -> None:
        name = contender.name
        directory = self._directory / contender.directory
        directory.mkdir()
        log = directory / "log"
        command = contender.prepare(directory, port, self._replicas)
        process = ends.enter_context(running(command, self._cores.proxy, log, cwd=contender.tree, env=environment()))
        wait_until_open(name, port, process, log)
        prove(name, port)
        self._ports[name], self._pids[name] = port, process.pid

    def pid(self, name: str) -> int:
        """The process that was started for a contender."""
        return self._pids[name]

    def port(self, name: str) -> int:
        """Where a contender listens."""
        return self._ports[name]

    @property
    def replicas(self) -> Replicas:
        return self._replicas

    def measure(
        self, shapes: Sequence[Shape], rounds: int, seconds: int, tell: Callable[[Sample], None]
    ) -> list[Sample]:
        """All contenders in turn, `rounds` times, after a warm-up that is not counted; `tell` hears of every sample.

        Who comes first changes from round to round, so that nobody always runs after the same one.
        """
        self.warm_up()
        samples = []
        for number, shape in product(range(1, rounds + 1), shapes):
            for contender in rotated(self._contenders, number - 1):
                samples.append(self.sample(contender.name, shape, seconds, number))
                tell(samples[-1])
        return samples

    def warm_up(self) -> None:
        for contender in self._contenders:
            self.drive(contender.name, FULL, WARM_UP_S)

    def sample(self, name: str, shape: Shape, seconds: int, number: int) -> Sample:
        """One contender's turn in the round of that number."""
        pid, status_port = self._pids[name], self._replicas.blue[0]
        counts_before, cpu_before = stand_in.counts(status_port), cpu_seconds(pid)
        result = self.drive(name, shape, seconds)
        cpu_s, counts = cpu_seconds(pid) - cpu_before, stand_in.counts(status_port)
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

    def drive(self, name: str, shape: Shape, seconds: int) -> load.Load:
        """One run of the load generator. Raises Unfit when an answer was missing or no success."""
        command = load.command(self.port(name), seconds, shape, self._heads)
        with pinned(self._cores.load):
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
        result = load.parse(ran.stdout + ran.stderr)
        if result.refused or result.broken or not result.requests:
            raise Unfit(f"{name} failed under load ({shape.name}): {result}")
        return result


def rotated(contenders: Sequence[Contender], by: int) -> list[Contender]:
    first = by % len(contenders)
    return [*contenders[first:], *contenders[:first]]


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
