"""The loop of the router's own size against a clock that the test moves: when it looks, what it asks of whom."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from autoscaler.errors import NotLeading, ScaleFailed
from autoscaler.frontend import FrontendSettings, PodsSeen, Reason, RouterLoad
from autoscaler.frontend_loop import CHANGE_S, FrontendLoop
from tests.fakes.clock import FakeClock

SETTINGS = FrontendSettings(most_pods=3)


class World:
    """Crew, pods, loads and recorder of one router: slow and busy, unless `routing_ms` and `cpu` say otherwise."""

    def __init__(self, clock):
        self.clock = clock
        self.workers, self.pods, self.most = 1, 1, 2
        self.routing_ms, self.cpu = 10.0, 2.0
        self.measured = True
        self.asked = []
        self.decided_on = []
        self.failures = []
        self.answer = self.obey

    def own(self, now):
        load = RouterLoad(now, self.workers, self.most, float(self.most), self.routing_ms, self.cpu)
        return load if self.measured else None

    def others(self, now):
        return [RouterLoad(now, 2, 2, 2.0, self.routing_ms, self.cpu)] * (self.pods - 1)

    def seen(self):
        return PodsSeen(self.pods, self.pods, 0, 0, ours=True)

    async def resize(self, workers):
        self.asked.append((self.clock.now(), "workers", workers))
        await self.answer()
        self.workers = workers

    async def scale(self, pods):
        self.asked.append((self.clock.now(), "pods", pods))
        await self.answer()
        self.pods = pods

    async def obey(self):
        pass

    async def hang(self):
        await asyncio.Event().wait()

    def decided(self, decision):
        self.decided_on.append((decision.part.value, decision.desired))

    def failed(self, decision, error):
        self.failures.append((decision.part.value, str(error)))


@pytest.fixture
def clock():
    return FakeClock(start=0.0)


@pytest.fixture
def world(clock):
    return World(clock)


@asynccontextmanager
async def running(world, clock, settings=SETTINGS, pods=True):
    loop = FrontendLoop(settings, world, world if pods else None, world, world, clock.now, clock.sleep)
    task = asyncio.get_running_loop().create_task(loop.run())
    await clock.settle()
    try:
        yield loop
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()


async def test_workers_first_and_then_pods(clock, world):
    async with running(world, clock) as loop:
        await clock.advance(40.0)
        assert [each[1:] for each in world.asked] == [("workers", 2), ("pods", 2), ("pods", 3)]
        assert world.decided_on == [each[1:] for each in world.asked]
        await clock.advance(100.0)
        assert len(world.asked) == 3
        assert loop.last.reason is Reason.MAXIMUM


async def test_without_a_cluster_there_are_workers_only(clock, world):
    async with running(world, clock, pods=False):
        await clock.advance(100.0)
        assert [each[1:] for each in world.asked] == [("workers", 2)]


async def test_a_dry_run_asks_for_nothing(clock, world):
    async with running(world, clock, FrontendSettings(most_pods=3, dry_run=True)) as loop:
        await clock.advance(100.0)
        assert (world.asked, world.decided_on) == ([], [])
        assert loop.last.reason is Reason.SLOW


async def test_nothing_is_decided_before_anything_is_measured(clock, world):
    world.measured = False
    async with running(world, clock) as loop:
        await clock.advance(100.0)
        assert (world.asked, loop.last.reason) == ([], Reason.STALE)


async def test_what_fails_is_told_and_comes_up_again_after_the_time_between_two_changes(clock, world):
    async def fail():
        raise ScaleFailed("no process can be started")

    world.answer = fail
    async with running(world, clock):
        await clock.advance(26.0)
        assert world.failures == [("workers", "no process can be started")] * 2
        first, second = world.asked
        assert second[0] - first[0] >= 10.0
        world.answer = world.obey
        await clock.advance(12.0)
        assert world.workers == 2


async def test_a_change_that_hangs_is_given_up_and_never_overtaken(clock, world):
    world.answer = world.hang
    async with running(world, clock):
        await clock.advance(10.0 + CHANGE_S)
        assert len(world.asked) == 1
        assert world.failures == [("workers", f"not done within {CHANGE_S:g} s")]


async def test_what_is_not_ours_to_scale_is_no_failure(clock, world):
    async def refuse():
        raise NotLeading("another router leads")

    world.workers, world.answer = 2, refuse
    async with running(world, clock):
        await clock.advance(12.0)
        assert len(world.asked) == 1
        assert world.failures == []


async def test_a_bug_of_an_adapter_does_not_end_the_loop(clock, world):
    async def stumble():
        raise RuntimeError("a bug")

    world.answer = stumble
    async with running(world, clock):
        await clock.advance(12.0)
        assert world.failures == [("workers", "a bug")]


async def test_a_change_under_way_ends_with_the_loop(clock, world):
    ended = []

    async def hang():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(clock.now())

    world.answer = hang
    async with running(world, clock):
        await clock.advance(12.0)
        assert (len(world.asked), ended) == (1, [])
    assert ended == [12.0]


async def test_low_use_gives_back_pods_and_then_workers(clock, world):
    world.workers, world.pods, world.routing_ms, world.cpu = 2, 2, 0.1, 0.1
    async with running(world, clock):
        await clock.advance(200.0)
        assert [each[1:] for each in world.asked] == [("pods", 1), ("workers", 1)]
