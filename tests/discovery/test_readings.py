"""Scales are read a few at a time, each until it is not stale, and after a failure not at once."""

import asyncio

import pytest

from router.discovery.following import Following
from router.discovery.readings import AT_ONCE, FIRST_PAUSE_S, LONGEST_PAUSE_S, Readings
from tests.fakes.clock import FakeClock


class Stale:
    """A workload that needs some reads."""

    under_way = most = 0

    def __init__(self, reads=1, failures=0):
        self.left = reads
        self.failures = failures
        self.reads = 0

    @property
    def stale(self):
        return self.left > 0

    async def read(self):
        Stale.under_way += 1
        Stale.most = max(Stale.most, Stale.under_way)
        await asyncio.sleep(0)
        Stale.under_way -= 1
        self.reads += 1
        if self.failures:
            self.failures -= 1
            return False
        self.left -= 1
        return True


@pytest.fixture
async def clock():
    return FakeClock()


@pytest.fixture
async def readings(clock):
    readings = Readings(Following(http=None, contact=None, draw=lambda: 1.0, sleep=clock.sleep))
    async with asyncio.TaskGroup() as tasks:
        readings.begin(tasks)
        yield readings
        for workload in list(readings._under_way):  # of a test that failed: the group would wait for it
            readings.forget(workload)


async def test_thousands_are_read_a_few_at_a_time(readings, clock):
    several = [Stale() for _ in range(2000)]
    for each in several:
        readings.due(each)
        readings.due(each)
    while "under_way=0" not in repr(readings):
        await clock.settle()
    assert {each.reads for each in several} == {1}
    assert Stale.most == AT_ONCE


async def test_what_becomes_stale_while_it_is_read_is_read_again(readings, clock):
    twice = Stale(reads=2)
    readings.due(twice)
    await clock.settle()
    assert twice.reads == 2
    twice.left = 1
    readings.due(twice)
    await clock.settle()
    assert twice.reads == 3


async def test_pauses_after_failures_double_up_to_a_limit(readings, clock):
    failing = Stale(failures=20)
    readings.due(failing)
    await clock.settle()
    pause_s = FIRST_PAUSE_S
    for reads in range(1, 20):
        await clock.advance(pause_s - 0.01)
        assert failing.reads == reads
        await clock.advance(0.01)
        assert failing.reads == reads + 1
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    readings.forget(failing)


async def test_what_is_forgotten_is_read_no_more(readings, clock):
    failing = Stale(failures=20)
    readings.due(failing)
    await clock.settle()
    readings.forget(failing)
    await clock.advance(1000.0)
    assert failing.reads == 1
    assert repr(readings) == "<Readings under_way=0>"


async def test_before_there_is_a_group_of_tasks_nothing_is_read():
    readings = Readings(Following(http=None, contact=None, draw=lambda: 1.0))
    readings.due(Stale())
    assert repr(readings) == "<Readings under_way=0>"
