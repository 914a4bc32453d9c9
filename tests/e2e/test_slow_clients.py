"""Slow clients by the thousand (slowhttptest): a client that behaves hardly notices, memory is bounded, none stays.

They share endpoint, version and replicas with the client that behaves. There are slots for all of them: how many there
are is the owner's business; how long a slow client can keep one, and what it costs the others, is what is shown here.
"""

import asyncio
import re
import shutil
import statistics
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.conftest import Maitre, endpoint, version
from tests.e2e.open_loop import Line, Received, open_loop

CONNECTIONS = 1000
HONEST = 8
REQUEST = b"POST /api/v1/service/digits/score HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\n{}"
RATE = 100.0
WINDOW_S = 2.0
ALLOWANCE_S = 0.003
"""Of the timers of client and kernel: 1 ms each on a loop, 4 ms for a turn of a busy core's scheduler."""
GONE_WITHIN_S = 30.0
"""After the 16 s of load. Connecting takes 2 s, on a busy machine 15; a head may take 10 s, a body or an answer that
hardly moves one or two windows of 10 s. By itself the attack lasts for a minute."""
TRIES = 3
"""A neighbour of the machine can disturb one measurement; slow clients that disturb would disturb each."""
MEMORY_MB = {"slow heads": 20, "slow bodies": 30, "slow readers": 350}
"""The last: for each, 64 KiB that wait for it and the read of at most 256 KiB that came on top of them."""

ATTACKS = {
    "slow heads": ["-H", "-i", "2", "-x", "24", "-u", "{url}/score"],
    "slow bodies": ["-B", "-i", "2", "-x", "24", "-s", "8192", "-u", "{url}/score"],
    "slow readers": ["-X", "-n", "2", "-w", "512", "-y", "1024", "-z", "32", "-u", "{url}/large"],
}

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("slowhttptest") is None, reason="slowhttptest is not installed (Debian package)"),
]


class Honest:
    """A client that behaves, on HONEST kept-alive connections; `wrong` is what was not answered 200."""

    def __init__(self, port: int) -> None:
        self.wrong: list[Received] = []
        self._latencies: list[float] = []
        self._port = port
        self._lines: list[Line] = []

    async def __aenter__(self) -> "Honest":
        self._lines = [await Line.open(self._port) for _ in range(HONEST)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in self._lines:
            line.close()

    async def load(self, seconds: float) -> float:
        """At RATE for so long; returns the median of its windows' p99, in seconds."""
        self._latencies.clear()
        await open_loop(RATE, range(int(RATE * seconds)), [partial(self._ask, line) for line in self._lines])
        window = int(RATE * WINDOW_S)
        windows = (self._latencies[at : at + window] for at in range(0, len(self._latencies), window))
        return statistics.median(map(p99, windows))

    async def _ask(self, line: Line, number: int, due: float) -> None:
        line.transport.write(REQUEST)
        received = await line.answer()
        self._latencies.append(asyncio.get_running_loop().time() - due)
        if received.status != 200 or not received.whole:
            self.wrong.append(received)


def p99(latencies: list[float]) -> float:
    return sorted(latencies)[int(0.99 * (len(latencies) - 1))]


@dataclass
class Watched:
    """The router's process: the most memory and open files that it was seen with."""

    pid: int
    memory_kb: int = 0
    files: int = 0

    def look(self) -> None:
        status = Path(f"/proc/{self.pid}/status").read_text()
        self.memory_kb = max(self.memory_kb, int(re.search(r"VmRSS:\s+(\d+)", status)[1]))
        self.files = max(self.files, sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir()))

    async def until(self, over: asyncio.Event) -> None:
        while not over.is_set():
            self.look()
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.25)


@asynccontextmanager
async def under_attack(options: list[str], url: str):
    """slowhttptest runs on the cores of router and client; it polls without rest, so it gets what time they leave."""
    command = ["nice", "-n", "19", "slowhttptest", "-c", str(CONNECTIONS), "-r", "500", "-l", "60", "-p", "3"]
    process = await asyncio.create_subprocess_exec(
        *command,
        *(option.format(url=url) for option in options),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it ends by itself when it has no connection left
            process.terminate()
        await process.wait()


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_thousand_slow_clients_do_not_slow_an_honest_one(serve, attack):
    settings = {"maxConcurrentRequestsPerReplica": 800, "autoscale": {"enabled": False, "replicas": 2}}
    maitre = await serve(endpoint(version("blue", **settings), auth="mode: none"))
    await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")
    for _ in range(TRIES):
        if await disturbs_nobody(maitre, attack):
            return
    pytest.fail("the honest client was slowed each time")


async def disturbs_nobody(maitre: Maitre, attack: str) -> bool:
    """Whether the honest client hardly noticed; that it got every answer and memory is bounded is asserted."""
    before, during = Watched(maitre.process.pid), Watched(maitre.process.pid)
    over = asyncio.Event()
    async with Honest(maitre.port) as honest:
        await honest.load(2)
        undisturbed_s = await honest.load(10)
        before.look()
        async with under_attack(ATTACKS[attack], f"http://127.0.0.1:{maitre.port}/api/v1/service/digits"):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(during.until(over))
                disturbed_s = await honest.load(16)
                over.set()
            await until_gone(maitre)
    growth_mb = (during.memory_kb - before.memory_kb) / 1024
    print(
        f"{attack}: p99 {undisturbed_s * 1e3:.1f} ms undisturbed, {disturbed_s * 1e3:.1f} ms under attack; "
        f"memory {before.memory_kb / 1024:.0f} MB + {growth_mb:.0f} MB; open files {before.files}, {during.files}"
    )
    assert during.files - before.files >= 0.8 * CONNECTIONS, "the first may have gone when the last came"
    assert honest.wrong == []
    assert growth_mb < MEMORY_MB[attack]
    return disturbed_s < 3 * undisturbed_s + ALLOWANCE_S


async def until_gone(maitre: Maitre) -> None:
    """Only the honest client's connections are left, although slowhttptest would stay."""
    async with asyncio.timeout(GONE_WITHIN_S):
        while await maitre.metric("maitre_connections_open") > HONEST:
            await asyncio.sleep(0.2)
