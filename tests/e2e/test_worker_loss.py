"""Processes of a router killed, stopped and replaced under load: who loses a request, and when slots are back."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from tests.e2e.closed_loop import Crowd, crowd, scoring
from tests.e2e.conftest import Maitre, endpoint, fixed_version, until_dead
from tests.e2e.occupancy import Work, loss, overbooked, twice
from tests.e2e.recording_replicas import RecordingReplicas
from tests.e2e.replicas import kept_port
from tests.e2e.workers import end, owners, until_workers
from tests.fakes.changes import BOUND_S

WORKERS = 4
REPLICAS = 2
SLOTS = 16
CLIENTS = 96
"""Three times as many as there are slots, so that every slot is wanted all the time."""
REQUESTS = [scoring(query=f"?ms={ms}") for ms in range(90, 111)]
"""Longer than the kernel needs to end a process on a busy machine, so that some are cut. Not all the same, as they
would end together, and a worker would have none in flight now and then."""

SLOTS_BACK_S = 1.0
HUNG_REPLACED_S = 6.0
"""About 5 s are promised; the last is for a busy machine."""
SHIPPED_S = 1.5
"""Workers tell what they counted about once a second."""
ORPHANED_S = 5
"""So long, at least, workers serve on their own."""


@dataclass
class Scene:
    """A router of several workers in front of replicas that record."""

    replicas: RecordingReplicas
    _serve: Callable[..., Awaitable[Maitre]]
    seen: set[int] = field(default_factory=set)
    """Every worker of which a test knew."""

    async def start(self, *options: str) -> Maitre:
        blue = fixed_version(self.replicas.all, maxConcurrentRequestsPerReplica=SLOTS, maxQueueWaitMs=20000)
        maitre = await self._serve(endpoint(blue), "--workers", str(WORKERS), *options)
        await self.workers(maitre)
        await maitre.until_metric(lambda value: value == REPLICAS, "maitre_replicas_total")
        return maitre

    async def workers(self, maitre: Maitre, without: set[int] = frozenset(), bound_s: float = BOUND_S) -> set[int]:
        found = await until_workers(maitre, WORKERS, without, bound_s)
        self.seen |= found
        return found

    async def works(self) -> list[Work]:
        """What was worked on: once each, and never more at once than there were slots for."""
        works = await self.replicas.works()
        assert overbooked(works, SLOTS) == []
        assert twice(works) == {}
        return works


@pytest.fixture
async def scene(serve, recording_replicas) -> AsyncIterator[Scene]:
    scene = Scene(await recording_replicas(REPLICAS, slots=SLOTS, ms=100), serve)
    yield scene
    end(scene.seen)


@dataclass
class Victim:
    """The worker with the most clients, and these clients' ports."""

    pid: int
    ports: set[int]

    @classmethod
    def choose(cls, maitre: Maitre, workers: set[int]) -> "Victim":
        owner = owners(maitre.port, workers)
        pid, _ = Counter(owner.values()).most_common(1)[0]
        return cls(pid, {port for port, its in owner.items() if its == pid})

    def only_its_own_failed(self, clients: Crowd) -> None:
        """Once each: a client has one request under way."""
        failed = Counter(failure.port for failure in clients.failures)
        assert {failure.why for failure in clients.failures} <= {"nothing", "cut"}
        assert set(failed) <= self.ports
        assert set(failed.values()) <= {1}


async def test_a_killed_worker_loses_its_own_requests_and_no_slot(scene: Scene):
    maitre = await scene.start()
    async with crowd(maitre.port, CLIENTS, *REQUESTS) as clients:
        workers = await scene.workers(maitre)
        await clients.more(1000)  # some seconds, in which it tells what it counted
        victim = Victim.choose(maitre, workers)
        killed, killed_ns = time.monotonic(), time.monotonic_ns()
        os.kill(victim.pid, signal.SIGKILL)
        await scene.workers(maitre, without={victim.pid})
        await clients.more(300)
    works = await scene.works()
    victim.only_its_own_failed(clients)
    lost = loss(works, scene.replicas.slots_in_all, killed_ns)
    print(f"{len(clients.failures)} requests failed on {len(victim.ports)} connections; {lost}")
    assert 0 < lost.cut <= len(clients.failures)
    assert lost.back_s is not None
    assert lost.back_s < SLOTS_BACK_S

    counted = await maitre.metric("maitre_requests_total", outcome="ok")
    its = [conversation for conversation in clients.conversations if conversation.port in victim.ports]
    lately = sum(each.answered(killed - SHIPPED_S, killed + SHIPPED_S) for each in its)
    print(f"{clients.outcomes['ok']} answered, {counted:.0f} counted; it answered {lately} in its last {SHIPPED_S:g} s")
    assert -len(clients.failures) <= clients.outcomes["ok"] - counted <= lately


@pytest.mark.long
async def test_a_stopped_worker_is_replaced(scene: Scene):
    """It may go on at any moment, so nobody else gets its slots until it is known dead."""
    maitre = await scene.start()
    async with crowd(maitre.port, CLIENTS, *REQUESTS) as clients:
        workers = await scene.workers(maitre)
        await clients.more(300)
        victim = Victim.choose(maitre, workers)
        stopped = time.monotonic()
        os.kill(victim.pid, signal.SIGSTOP)
        await scene.workers(maitre, without={victim.pid})
        replaced = time.monotonic()
        await clients.more(300)
    rates = [clients.rate(*period, but=victim.ports) for period in ((stopped - 1, stopped), (stopped, replaced))]
    print(
        f"replaced after {replaced - stopped:.1f} s; others: {rates[0]:.0f} answers/s before, {rates[1]:.0f} meanwhile"
    )
    assert replaced - stopped < HUNG_REPLACED_S
    victim.only_its_own_failed(clients)
    assert rates[1] > rates[0] / 2
    await scene.works()


@pytest.mark.long
async def test_workers_are_reloaded_one_at_a_time_and_lose_nothing(scene: Scene):
    maitre = await scene.start()
    async with crowd(maitre.port, CLIENTS, *REQUESTS) as clients:
        old = await scene.workers(maitre)
        await clients.more(300)
        maitre.process.send_signal(signal.SIGUSR2)
        await scene.workers(maitre, without=old, bound_s=30)
        await clients.more(300)
    assert clients.failures == []
    assert len(clients.conversations) >= CLIENTS * 2, "everybody had to connect again"
    await scene.works()


@pytest.mark.long
@pytest.mark.timeout(120)
async def test_workers_outlive_their_control_process_and_are_relieved_by_the_next(scene: Scene):
    """The next one has the same port, as a service manager would start it."""
    with kept_port() as kept:
        at_its_port = ("--port", str(kept.getsockname()[1]))
    first = await scene.start(*at_its_port)
    async with crowd(first.port, CLIENTS, *REQUESTS) as clients:
        old = await scene.workers(first)
        await clients.more(600)
        killed = time.monotonic()
        first.process.kill()
        await until_dead({first.process.pid}, 5)
        await asyncio.sleep(ORPHANED_S)  # nothing happens, and that is the point
        rates = [clients.rate(killed + second, killed + second + 1) for second in range(-1, ORPHANED_S)]
        print("answers/s, the second before and those after:", *(f"{rate:.0f}" for rate in rates))
        assert clients.failures == []
        assert min(rates) > rates[0] / 2
        second = await scene.start(*at_its_port)
        await until_dead(old, 40)
        await clients.more(300)
    assert clients.failures == []
    await scene.works()
    await second.until_metric(lambda value: value == 0, "maitre_requests_in_flight")
