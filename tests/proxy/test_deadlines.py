"""The wheel against a list of times: never early, at most a tick late, once, and never asleep with something filed."""

import gc
import weakref
from math import inf

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from router.core.limits import ClientLimits
from router.proxy.deadlines import NEVER, TICK_S, Deadline, DeadlineWheel
from router.proxy.identifiers import RequestIds
from router.proxy.plane import DataPlane

SLACK_S = 1e-9
"""Times are floats: 29 * 0.01 is a little more than 0.29."""


class Alarm:
    """Remembers when the wheel wants to be advanced next."""

    def __init__(self):
        self.at = inf
        self.told = []

    def __call__(self, at):
        self.at = at
        self.told.append(at)


@pytest.fixture
def alarm():
    return Alarm()


@pytest.fixture
def wheel(alarm):
    return DeadlineWheel(alarm)


def deadline(wheel, at=inf):
    made = Deadline(wheel, lambda _now: None)
    if at != inf:
        made.set(at)
    return made


def test_a_deadline_is_due_once_and_then_unset(wheel):
    one = deadline(wheel, 1.0)
    assert wheel.advance(0.5) == []
    assert wheel.advance(1.02) == [one]
    assert one.at == inf
    assert wheel.advance(9.0) == []


def test_deadlines_are_due_in_the_order_of_their_ticks(wheel):
    late, early = deadline(wheel, 2.0), deadline(wheel, 1.0)
    assert wheel.advance(9.0) == [early, late]


def test_moving_a_deadline_later_costs_the_wheel_nothing(wheel, alarm):
    one = deadline(wheel, 1.0)
    for n in range(100):
        one.set(1.0 + n)
    assert alarm.told == [pytest.approx(1.01)]
    assert sum(map(len, wheel._ticks.values())) == 1
    assert wheel.advance(1.02) == []
    assert wheel.advance(100.02) == [one]


def test_a_deadline_that_moved_earlier_fires_then_and_not_again(wheel):
    one = deadline(wheel, 5.0)
    one.set(1.0)
    assert wheel.advance(1.02) == [one]
    assert wheel.advance(9.0) == []


def test_a_deadline_that_comes_back_to_an_old_place_fires_once(wheel):
    one = deadline(wheel, 5.0)
    one.set(1.0)
    one.set(5.0)
    assert wheel.advance(1.02) == []  # looked at, and filed where it was filed before
    assert wheel.advance(5.02) == [one]
    assert wheel.advance(9.0) == []


def test_a_deadline_may_be_set_again(wheel):
    one = deadline(wheel, 1.0)
    wheel.advance(1.02)
    one.set(2.0)
    assert wheel.advance(1.9) == []
    assert wheel.advance(2.02) == [one]


def test_a_deadline_in_the_past_is_due_at_once(wheel, alarm):
    wheel.advance(10.0)
    one = deadline(wheel, 1.0)
    assert alarm.at < 10.0
    assert wheel.advance(10.0) == [one]


def test_a_closed_deadline_is_never_due(wheel):
    one = deadline(wheel, 1.0)
    one.close()
    assert wheel.advance(9.0) == []
    one.on_due(9.0)  # whoever has it in hand already calls nobody


def test_a_closed_deadline_lets_go_of_its_owner(wheel):
    class Owner:
        def __init__(self):
            self.deadline = Deadline(wheel, self.on_due)

        def on_due(self, now):
            raise AssertionError

    owner = Owner()
    owner.deadline.set(75.0)
    gone = weakref.ref(owner)
    owner.deadline.close()
    del owner
    gc.collect()
    assert gone() is None


def test_the_alarm_is_told_when_the_first_deadline_changes_and_only_then(wheel, alarm):
    deadline(wheel, 5.0)
    deadline(wheel, 6.0)
    assert alarm.told == [pytest.approx(5.01)]
    deadline(wheel, 1.0)
    assert alarm.told[1:] == [pytest.approx(1.01)]
    wheel.advance(1.02)
    assert alarm.told[2:] == [pytest.approx(5.01)]
    wheel.advance(9.0)
    assert len(alarm.told) == 3  # nothing is filed: nobody need wake up


def test_an_empty_wheel_sleeps(wheel, alarm):
    assert wheel.advance(1.0) == []
    assert alarm.told == []
    assert wheel._next == NEVER


@pytest.mark.parametrize("at", [0.29, 0.57, 1.1, 4.35, 1e6 + 0.07, 86_400.01])
def test_rounding_makes_no_deadline_early_and_none_stuck(wheel, alarm, at):
    one = deadline(wheel, at)
    for _ in range(3):  # as the data plane does: half a tick after the alarm
        now = alarm.at + TICK_S / 2
        due = wheel.advance(now)
        if due:
            break
    assert due == [one]
    assert at <= now <= at + 2 * TICK_S


class Loop:
    """The part of an event loop that the data plane's one timer needs."""

    def call_later(self, delay_s, call):
        self.ring = call
        return self

    def cancel(self):
        """The timer that is set next takes this one's place."""


def test_of_those_due_together_one_that_another_has_moved_does_not_fire():
    """A scoring time-out frees a slot, which tells a waiter that it is late: its connection is idle then, not due."""
    loop, now = Loop(), 0.0
    plane = DataPlane(
        loop,
        ClientLimits(),
        now=lambda: now,
        unix_now=lambda: now,
        draw=float,
        ids=RequestIds(lambda _n: 0),
        unrouted=None,
    )
    fired = []
    waiting = Deadline(plane.wheel, lambda _now: fired.append("waiting"))

    def time_out(_now):
        fired.append("running")
        waiting.set(75.0)

    running = Deadline(plane.wheel, time_out)
    running.set(1.0)
    waiting.set(1.0)
    now = 1.02
    loop.ring()
    assert fired == ["running"]
    now = 75.02
    loop.ring()
    assert fired == ["running", "waiting"]


class RandomTimes(RuleBasedStateMachine):
    """Some deadlines, moved at random; the naive model is the list of their times."""

    @initialize(start=st.sampled_from([1.0, 1234.567, 1e6]), count=st.integers(1, 5))
    def begin(self, start, count):
        self.now = start
        self.alarm = Alarm()
        self.wheel = DeadlineWheel(self.alarm)
        self.deadlines = [deadline(self.wheel) for _ in range(count)]
        self.times = [inf] * count
        self.closed = set()

    @rule(which=st.integers(0, 4), after=st.floats(-0.05, 2.0) | st.integers(0, 200).map(lambda ticks: ticks * TICK_S))
    def set(self, which, after):
        which %= len(self.times)
        self.deadlines[which].set(self.now + after)
        self.times[which] = self.now + after

    @rule(which=st.integers(0, 4))
    def close(self, which):
        which %= len(self.times)
        self.deadlines[which].close()
        self.deadlines[which] = deadline(self.wheel)
        self.times[which] = inf

    @rule(seconds=st.floats(0, 0.03) | st.floats(0, 3))
    def advance(self, seconds):
        self._advance(self.now + seconds)

    @rule()
    def wait_for_the_alarm(self):
        """As the data plane waits: half a tick more, because timers are rounded."""
        if self.alarm.at != inf:
            self._advance(max(self.now, self.alarm.at) + TICK_S / 2)

    def _advance(self, now):
        self.now = now
        if now >= self.alarm.at:
            self.alarm.at = inf  # it rings once
        due = self.wheel.advance(now)
        assert len(set(due)) == len(due)
        for which, one in enumerate(self.deadlines):
            if one in due:
                assert self.times[which] <= now  # never early
                self.times[which] = inf
            else:
                assert self.times[which] > now - TICK_S - SLACK_S  # at most a tick late
        assert set(due) <= set(self.deadlines)

    @invariant()
    def times_are_as_they_were_set(self):
        assert [one.at for one in self.deadlines] == self.times

    @invariant()
    def the_alarm_is_set_for_whatever_is_filed(self):
        assert self.alarm.at <= min(self.times) + TICK_S + SLACK_S


TestRandomTimes = RandomTimes.TestCase
