"""The loop against a clock that the test moves: when it looks, what it asks for, and who is held up by whom."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count, pairwise

import pytest

from autoscaler.errors import AlreadyWatched, HandsOff, ScaleFailed
from autoscaler.loop import AutoscalerLoop
from autoscaler.policy import Observation, ScalingSettings
from autoscaler.pursuit import SCALE_TIMEOUT_S
from tests.fakes.clock import FakeClock

SETTINGS = ScalingSettings(min_replicas=1, max_replicas=100)


class Version:
    """A workload and its target in one; `serve` sets what is seen of it."""

    def __init__(self, clock, name="blue", settings=SETTINGS, current=1):
        self.key = ("digits", name)
        self.clock = clock
        self.looks = []
        self.asked = []
        self.now_settings = settings
        self.events = 0
        self.seen = {}
        self.size = current
        self.answer = self.obey

    def serve(self, **seen):
        self.events += 1
        self.seen = seen

    def settings(self):
        return self.now_settings

    def activity(self):
        return self.events

    def observe(self, now):
        self.looks.append(now)
        return Observation(now, **self.seen)

    def current(self):
        return self.size

    async def scale(self, replicas):
        self.asked.append((self.clock.now(), replicas))
        await self.answer(replicas)
        self.size = replicas

    async def obey(self, replicas):
        pass

    async def fail(self, replicas):
        raise ScaleFailed("the cluster is away")

    async def hang(self, replicas):
        await asyncio.Event().wait()


class Record:
    def __init__(self):
        self.decisions = []
        self.failures = []

    def decided(self, key, decision):
        self.decisions.append((key[1], decision.current, decision.desired))

    def failed(self, key, decision, error):
        self.failures.append((key[1], decision.desired, str(error)))


@pytest.fixture
def clock():
    return FakeClock(start=0.0)


@pytest.fixture
def record():
    return Record()


@pytest.fixture
def loop(clock, record):
    return AutoscalerLoop(record, clock.now, clock.sleep)


@asynccontextmanager
async def running(loop, clock, *versions):
    for version in versions:
        loop.add(version, version)
    task = asyncio.get_running_loop().create_task(loop.run())
    await clock.settle()
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()


async def test_the_minimum_is_there_at_once(loop, clock, record):
    version = Version(clock, settings=replace(SETTINGS, min_replicas=3), current=0)
    async with running(loop, clock, version):
        assert version.asked == [(0.0, 3)]
        assert record.decisions == [("blue", 0, 3)]


async def test_a_fixed_size_is_there_at_once_also_for_what_is_added_later(loop, clock):
    async with running(loop, clock):
        await clock.advance(5.0)
        version = Version(clock, settings=replace(SETTINGS, enabled=False, fixed_replicas=2), current=0)
        loop.add(version, version)
        await clock.settle()
        assert version.asked == [(5.0, 2)]


async def test_every_refresh_period_each_at_its_own(loop, clock):
    fast, slow = Version(clock), Version(clock, "green", replace(SETTINGS, refresh_s=10.0))
    async with running(loop, clock, fast, slow):
        fast.activity = slow.activity = count(1).__next__
        await clock.advance(20.0)
    assert fast.looks == [float(t) for t in range(21)]
    assert slow.looks == [0.0, 10.0, 20.0]


async def test_a_changed_period_is_kept_from_then_on(loop, clock):
    version = Version(clock)
    async with running(loop, clock, version):
        version.activity = count(1).__next__
        await clock.advance(2.0)
        version.now_settings = replace(SETTINGS, refresh_s=5.0)
        await clock.advance(13.0)
        assert repr(loop) == "<AutoscalerLoop running workloads=1 periods=[5.0]>"
    assert version.looks == [0.0, 1.0, 2.0, 3.0, 8.0, 13.0]


async def test_an_idle_workload_is_not_looked_at_until_something_happens(loop, clock):
    version = Version(clock)
    async with running(loop, clock, version):
        await clock.advance(3600.0)
        assert version.looks == [0.0]
        version.serve(in_flight=14)
        await clock.advance(1.0)
        assert version.asked == [(3601.0, 20)]


async def test_a_workload_without_activity_is_brought_down_when_its_window_ends(loop, clock):
    version = Version(clock)
    async with running(loop, clock, version):
        version.serve(in_flight=14, arrivals=14)
        await clock.advance(10.0)
        version.serve(in_flight=0, arrivals=14, completions=14, service_s=7.0)
        await clock.advance(600.0)
        assert version.asked == [(1.0, 20), (71.0, 1)]
        looked = len(version.looks)
        await clock.advance(600.0)
        assert len(version.looks) == looked


@pytest.mark.parametrize(
    "disturb",
    [
        lambda version: setattr(version, "size", 0),
        lambda version: setattr(version, "now_settings", replace(SETTINGS, min_replicas=4)),
    ],
    ids=["a foreign hand", "new settings"],
)
async def test_an_idle_workload_is_looked_at_after_a_change_from_outside(loop, clock, disturb):
    version = Version(clock)
    async with running(loop, clock, version):
        await clock.advance(10.0)
        disturb(version)
        await clock.advance(1.0)
        assert version.asked == [(11.0, version.now_settings.min_replicas)]


async def test_a_queue_that_forms_leads_to_one_decision_on_the_whole_step(loop, clock):
    version = Version(clock)
    async with running(loop, clock, version):
        await clock.advance(10.5)
        for waiting in range(1, 14):
            version.serve(in_flight=1, queued=waiting, ready=1)
            loop.trigger(version.key)
        await clock.advance(0.09)
        assert version.asked == []
        await clock.advance(0.02)
        assert version.asked == [(pytest.approx(10.6), 20)]
        assert len(version.looks) == 2  # at the start, and once for all triggers
        await clock.advance(0.3)
        assert len(version.asked) == 1


async def test_a_trigger_works_again_after_it_fired(loop, clock):
    version = Version(clock)
    async with running(loop, clock, version):
        for start, waiting in [(0.2, 6), (0.2, 13)]:
            await clock.advance(start)
            version.serve(in_flight=1, queued=waiting)
            loop.trigger(version.key)
        await clock.advance(0.15)
        assert [size for _, size in version.asked] == [10, 20]


async def test_triggers_nobody_waits_for_are_ignored(loop, clock):
    version = Version(clock)
    loop.trigger(version.key)
    async with running(loop, clock, version):
        loop.trigger(("digits", "unknown"))
        version.serve(queued=5)
        loop.trigger(version.key)
        loop.remove(version.key)
        await clock.advance(5.0)
    loop.trigger(version.key)
    assert (version.asked, version.looks) == ([], [0.0])


async def test_a_failing_target_is_asked_again_with_growing_pauses(loop, clock, record, caplog):
    version, other = Version(clock), Version(clock, "green")
    version.answer = version.fail
    async with running(loop, clock, version, other):
        version.serve(in_flight=14)
        other.serve(in_flight=14)
        await clock.advance(20.0)
        assert version.asked == [(at, 20) for at in (1.0, 2.0, 4.0, 8.0, 16.0)]
        assert record.failures == [("blue", 20, "the cluster is away")] * 5
        assert record.decisions == [("blue", 1, 20), ("green", 1, 20)]  # each once, however often it is tried
        assert other.asked == [(1.0, 20)]
        version.answer = version.obey
        await clock.advance(20.0)
        assert (version.size, version.asked[-1]) == (20, (32.0, 20))
        await clock.advance(100.0)
        assert len(version.asked) == 6
    assert caplog.text.count("scaling digits/blue to 20 failed: the cluster is away") == 1  # however often it is tried


async def test_pauses_grow_to_half_a_minute_only(loop, clock):
    version = Version(clock, current=0)
    version.answer = version.fail
    async with running(loop, clock, version):
        await clock.advance(300.0)
    times = [at for at, _ in version.asked]
    assert max(later - earlier for earlier, later in pairwise(times)) == 30.0


async def test_a_hanging_target_is_given_up_and_holds_up_nobody(loop, clock, record):
    version, other = Version(clock), Version(clock, "green")
    version.answer = version.hang
    async with running(loop, clock, version, other):
        version.serve(in_flight=14)
        await clock.advance(5.0)
        other.serve(in_flight=14)
        await clock.advance(1.0)
        assert other.asked == [(6.0, 20)]
        await clock.advance(SCALE_TIMEOUT_S)
        assert version.asked == [(1.0, 20), (12.0, 20)]
        assert record.failures == [("blue", 20, "given up: no answer within 10 s")]


async def test_never_two_calls_at_once_and_the_newest_wish_wins(loop, clock):
    version, gate, inside = Version(clock), asyncio.Event(), []

    async def slow(replicas):
        inside.append(replicas)
        assert len(inside) == 1
        await gate.wait()
        inside.pop()

    version.answer = slow
    async with running(loop, clock, version):
        for in_flight in (7, 14, 21):
            version.serve(in_flight=in_flight)
            await clock.advance(1.0)
        assert [size for _, size in version.asked] == [10]
        gate.set()
        await clock.settle()
        assert [size for _, size in version.asked] == [10, 30]
        assert version.size == 30


async def test_a_newer_wish_replaces_one_that_fails(loop, clock, record):
    version = Version(clock)
    version.answer = version.fail
    async with running(loop, clock, version):
        version.serve(in_flight=7)
        await clock.advance(1.5)
        version.answer = version.obey
        version.serve(in_flight=14)
        await clock.advance(5.0)
        assert [size for _, size in version.asked] == [10, 20]
        assert record.decisions == [("blue", 1, 10), ("blue", 10, 20)]


async def test_a_removed_workload_is_left_alone_and_its_call_cancelled(loop, clock):
    version, cancelled = Version(clock), []

    async def hang(replicas):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(replicas)
            raise

    version.answer = hang
    async with running(loop, clock, version):
        version.serve(in_flight=14)
        await clock.advance(1.0)
        loop.remove(version.key)
        loop.remove(version.key)
        await clock.advance(5.0)
        assert (cancelled, len(version.asked), clock.sleepers) == ([20], 1, 0)
        loop.add(version, version)
        await clock.advance(1.0)
        assert len(version.asked) == 2


async def test_a_key_is_watched_once(loop, clock):
    version = Version(clock)
    loop.add(version, version)
    with pytest.raises(AlreadyWatched, match="digits/blue"):
        loop.add(version, version)


async def test_a_workload_that_raises_is_logged_and_holds_up_nobody(loop, clock, caplog):
    broken, other = Version(clock, "broken"), Version(clock)
    broken.observe = lambda now: 1 / 0
    async with running(loop, clock, broken, other):
        other.serve(in_flight=14)
        await clock.advance(1.0)
        assert other.asked == [(1.0, 20)]
        assert "no decision for digits/broken" in caplog.text
        del broken.observe
        broken.serve(in_flight=14)
        await clock.advance(1.0)
        assert broken.asked == [(2.0, 20)]


async def test_a_recorder_that_raises_keeps_nothing_from_being_scaled(loop, clock, record, caplog):
    version = Version(clock)
    record.decided = record.failed = lambda *what: 1 / 0
    version.answer = version.fail
    async with running(loop, clock, version):
        version.serve(in_flight=14)
        await clock.advance(1.0)
        version.answer = version.obey
        await clock.advance(1.0)
        assert version.size == 20
    assert "could not be recorded" in caplog.text


async def test_without_observations_the_size_holds(loop, clock):
    version = Version(clock, current=7)
    version.observe = lambda now: None
    async with running(loop, clock, version):
        await clock.advance(300.0)
        assert version.asked == []


async def test_a_dry_run_asks_for_nothing(loop, clock, record):
    version = Version(clock, settings=replace(SETTINGS, dry_run=True), current=0)
    async with running(loop, clock, version):
        version.serve(in_flight=14)
        await clock.advance(5.0)
    assert (version.asked, record.decisions) == ([], [])


async def test_it_runs_again_after_it_was_stopped_in_the_middle_of_a_call(loop, clock):
    version = Version(clock)
    version.answer = version.hang
    async with running(loop, clock, version):
        version.serve(in_flight=14)
        await clock.advance(1.0)
    version.answer = version.obey
    async with running(loop, clock):
        assert version.size == 20
    assert repr(loop) == "<AutoscalerLoop stopped workloads=1 periods=[]>"


async def test_a_run_never_shrinks_in_its_first_window_whatever_it_saw_before(loop, clock):
    version = Version(clock)
    async with running(loop, clock, version):
        version.serve(in_flight=7, arrivals=7)
        await clock.advance(1.0)
        version.serve(in_flight=1, arrivals=7, completions=6, service_s=3.0)
        await clock.advance(50.0)
    await clock.advance(3600.0)  # another one leads, and makes it 30
    version.size = 30
    async with running(loop, clock):
        begun = clock.now()
        for _ in range(60):
            await clock.advance(0.999)
            version.serve(in_flight=1)
        assert version.asked == [(1.0, 10)]
        await clock.advance(1.0)
        assert version.asked[1:] == [(begun + 60.0, 2)]


async def test_what_was_added_long_before_the_first_run_is_not_shrunk_at_its_start(loop, clock):
    version = Version(clock, current=30)
    loop.add(version, version)
    await clock.advance(3600.0)
    async with running(loop, clock):
        await clock.advance(59.0)
        assert version.asked == []


async def test_no_wish_of_a_run_outlives_it(loop, clock):
    version = Version(clock)
    version.answer = version.fail
    async with running(loop, clock, version):
        version.serve(in_flight=14)
        await clock.advance(1.5)
    version.answer = version.obey
    await clock.advance(60.0)
    assert version.asked == [(1.0, 20)]
    assert clock.sleepers == 0
    version.serve(in_flight=7)
    async with running(loop, clock):
        assert version.asked == [(1.0, 20), (61.5, 10)]


async def test_what_is_not_ours_to_scale_is_neither_reported_nor_tried_again(loop, clock, record):
    version = Version(clock)

    async def held_back(replicas):
        raise HandsOff("somebody else scales it")

    version.answer = held_back
    async with running(loop, clock, version):
        version.serve(in_flight=14)
        await clock.advance(1.5)
        assert len(version.asked) == 1
        assert record.failures == []


async def test_a_call_under_way_when_a_run_ends_goes_no_further(loop, clock):
    version, gate, went_on = Version(clock), asyncio.Event(), []

    async def read_then_write(replicas):
        await gate.wait()
        went_on.append(replicas)

    version.answer = read_then_write
    loop.add(version, version)
    run = asyncio.get_running_loop().create_task(loop.run())
    await clock.settle()
    version.serve(in_flight=14)
    await clock.advance(1.0)
    run.cancel()
    gate.set()  # what the call waits for is there in the very turn in which it is to end
    await clock.advance(60.0)
    assert run.cancelled()
    assert (version.asked, went_on, version.size) == ([(1.0, 20)], [], 1)


async def test_a_trigger_works_in_a_run_after_one_that_ended_before_it_fired(loop, clock):
    version = Version(clock)
    loop.add(version, version)
    run = asyncio.get_running_loop().create_task(loop.run())
    await clock.settle()
    run.cancel()
    loop.trigger(version.key)  # what it began is called off before its first line
    await clock.settle()
    async with running(loop, clock):
        await clock.advance(0.5)
        version.serve(queued=13)
        loop.trigger(version.key)
        await clock.advance(0.15)
        assert [size for _, size in version.asked] == [19]


async def test_a_new_term_lowers_nothing_in_its_first_window(loop, clock):
    """What was wanted while another one led is not known, however long this one has stood by."""
    version = Version(clock)
    loop.add(version, version)
    await clock.advance(3600.0)
    version.size = 20  # by the one that led
    async with running(loop, clock):
        version.serve(in_flight=1)
        await clock.advance(59.0)
        assert version.asked == []
        await clock.advance(2.0)
        assert version.asked == [(3660.0, 2)]


async def test_others_get_a_turn_among_many_decisions(loop, clock):
    versions = [Version(clock, f"v{index}") for index in range(350)]
    async with running(loop, clock, *versions):
        for version in versions:
            version.serve(in_flight=1)
        walk = asyncio.get_running_loop().create_task(clock.advance(1.0))
        looked = set()
        while not walk.done():
            await asyncio.sleep(0)
            looked.add(sum(len(version.looks) - 1 for version in versions))
        assert looked >= {100, 200, 300, 350}
