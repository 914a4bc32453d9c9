"""A roster that remembers, and a version's worth of real processes."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from router.core.backoff import Backoff
from router.discovery.ports import Ports
from router.discovery.processes import LocalProcesses
from router.discovery.program import Program
from router.discovery.readiness import Prober
from router.discovery.warden import Warden

STUB = Path(__file__).with_name("model_stub.py")
BOUND_S = 5.0


class FakeRoster:
    """Keeps what it is told, in order; refuses what discovery promises never to say."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []
        self.ready: dict[str, int] = {}  # name -> port
        self.tls: dict[str, object] = {}  # name -> terms
        self.requests: Counter[str] = Counter()
        self.coming = False
        self._told = asyncio.Condition()
        self._waking: set[asyncio.Task[None]] = set()

    def add(self, replica: str, host: str, port: int, tls: object) -> None:
        assert replica not in self.ready
        assert host == "127.0.0.1"
        assert port not in self.ready.values()
        self.ready[replica] = port
        self.tls[replica] = tls
        self._note("add", replica)

    def retire(self, replica: str) -> None:
        del self.ready[replica]
        self._note("retire", replica)

    def held(self, replica: str) -> int:
        return self.requests[replica]

    async def emptied(self, replica: str) -> None:
        assert replica not in self.ready
        await self.until(lambda: self.requests[replica] == 0)

    def expect(self, coming: bool) -> None:
        assert coming is not self.coming, "said twice"
        self.coming = coming
        self._note("expect", coming)

    def finish(self, replica: str) -> None:
        self.requests[replica] = 0
        self._note("finish", replica)

    async def until(self, true: Callable[[], bool]) -> None:
        async with self._told:
            await self._told.wait_for(true)

    def _note(self, what: str, value: object) -> None:
        self.calls.append((what, value))
        task = asyncio.get_running_loop().create_task(self._wake())
        self._waking.add(task)
        task.add_done_callback(self._waking.discard)

    async def _wake(self) -> None:
        async with self._told:
            self._told.notify_all()


class Output:
    """A sink that tests can wait on."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self._more = asyncio.Event()

    def __call__(self, replica: str, line: str) -> None:
        self.lines.append((replica, line))
        self._more.set()

    async def word(self, first: str, count: int = 1) -> list[list[str]]:
        """The words of the first `count` lines that begin with `first`."""
        found = await self.line(lambda line: line.startswith(first), count)
        return [line.split() for line in found]

    async def line(self, wanted: Callable[[str], bool], count: int = 1) -> list[str]:
        """The first `count` lines that are wanted."""
        async with asyncio.timeout(BOUND_S):
            while len(found := [line for _, line in self.lines if wanted(line)]) < count:
                self._more.clear()
                await self._more.wait()
        return found[:count]


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Processes are where the two loops differ most: tests run under both, but for those whose loop only looks on."""
    factories = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    if "own" in item.fixturenames:
        del factories["asyncio"]
    return factories


@pytest.fixture
async def roster() -> FakeRoster:
    return FakeRoster()


@pytest.fixture
async def output() -> Output:
    return Output()


@pytest.fixture
async def warden() -> AsyncIterator[Warden]:
    warden = Warden()
    await warden.start()
    yield warden
    await warden.close()


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    prober = Prober(timeout_s=0.3)
    yield prober
    await prober.close()


@pytest.fixture
async def ports() -> AsyncIterator[Ports]:
    ports = Ports()
    yield ports
    assert repr(ports) == "<Ports taken=[]>"


@pytest.fixture
async def make(roster, output, warden, ports, prober, tmp_path) -> AsyncIterator[Callable[..., LocalProcesses]]:
    """Makes groups of stub servers, and closes them."""
    made: list[LocalProcesses] = []

    def make(
        *flags: str, command: tuple[str, ...] | None = None, drain_s: float = 5.0, startup_s=5.0, grace_s=0.5, **more
    ) -> LocalProcesses:
        program = Program(
            endpoint="digits",
            version="blue",
            command=(sys.executable, "-I", "-S", str(STUB), "--port", "{port}", *flags) if command is None else command,
            directory=tmp_path,
            startup_s=startup_s,
            grace_s=grace_s,
        )
        more = {"backoff": Backoff(first_s=0.02, most_s=0.1), "sink": output, "u": lambda: 0.0} | more
        group = LocalProcesses(
            program, roster=roster, warden=warden, ports=ports, prober=prober, drain_s=drain_s, **more
        )
        made.append(group)
        return group

    yield make
    for group in made:
        await group.close(drain_s=0)
    assert "groups=[]" in repr(warden)


@pytest.fixture
def gone() -> Callable[[int], object]:
    """Waits until a process is gone or a zombie; there is nobody to tell of processes that are not ours."""

    async def gone(pid: int) -> None:
        async with asyncio.timeout(BOUND_S):
            while alive(pid):
                await asyncio.sleep(0.01)

    return gone


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
