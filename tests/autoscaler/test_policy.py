"""Scaling decisions as tables: time goes in, sizes and reasons come out.

A scenario is played with a target that obeys at once: the next observation finds the size that was decided. Rows are
(t, in flight, queued, ready, expected size, reason). `warm` scenarios begin, at time 0, one window without load after
the autoscaler met the workload, so that only the rule under test is seen.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.errors import OutOfRange
from autoscaler.policy import Decision, Direction, Observation, Reason, ScalingSettings, ScalingState, decide
from autoscaler.sizing import replicas_for

SETTINGS = ScalingSettings(min_replicas=1, max_replicas=100)
UP, DOWN, HOLD = Direction.UP, Direction.DOWN, Direction.HOLD


class Played:
    """A workload under the policy: remembers state and size between looks."""

    def __init__(self, settings=SETTINGS, current=1, since=0.0):
        self.settings = settings
        self.state = ScalingState.begin(since, current)
        self.current = current
        self.changes: list[Decision] = []

    def see(self, now, in_flight=0, queued=0, *, age_s=0.0, **seen) -> Decision:
        seen.setdefault("ready", self.current)
        return self.decide(Observation(now - age_s, in_flight, queued, current=self.current, **seen), now)

    def see_nothing(self, now) -> Decision:
        return self.decide(None, now)

    def decide(self, observation, now) -> Decision:
        self.state, decision = decide(self.settings, self.state, observation, now)
        if decision.direction is not HOLD:
            self.changes.append(decision)
            self.current = decision.desired
        return decision

    def play(self, rows):
        for now, in_flight, queued, ready, expected, reason in rows:
            decision = self.see(now, in_flight, queued, ready=ready)
            assert (now, decision.desired, decision.reason) == (now, expected, reason)


def warm(settings=SETTINGS, current=1, **counters):
    """A workload of this size that has been known for exactly one window, without load, at the time 0."""
    workload = Played(settings, current, since=-settings.scale_down_window_s)
    workload.see(-settings.scale_down_window_s, **counters)
    workload.current = current
    workload.changes.clear()
    return workload


def test_step_up_in_one_decision():
    warm().play([(0.0, 1, 0, 1, 2, "demand"), (1.0, 1, 13, 1, 20, "demand"), (2.0, 14, 0, 20, 20, "demand")])


def test_step_down_waits_for_the_window_and_then_goes_in_one_step():
    warm().play(
        [
            (0.0, 1, 13, 1, 20, "demand"),
            (10.0, 14, 0, 20, 20, "demand"),
            (11.0, 2, 0, 20, 20, "window"),
            (40.0, 4, 0, 20, 20, "window"),
            (41.0, 2, 0, 20, 20, "window"),
            (70.9, 2, 0, 20, 20, "window"),
            (71.0, 2, 0, 20, 6, "window"),  # to the highest of the last minute: 4 / 0.7
            (100.9, 2, 0, 6, 6, "window"),
            (101.0, 2, 0, 6, 3, "demand"),
        ]
    )


def test_the_first_window_never_goes_down_but_up():
    Played(current=20).play(
        [
            (0.0, 2, 0, 20, 20, "first_window"),
            (30.0, 21, 0, 20, 30, "demand"),
            (31.0, 2, 0, 30, 30, "first_window"),
            (59.9, 2, 0, 30, 30, "first_window"),
            (60.0, 2, 0, 30, 30, "window"),
            (91.0, 2, 0, 30, 3, "demand"),
        ]
    )


def test_a_first_look_that_comes_late_is_the_beginning_of_what_is_known():
    workload = Played(current=20, since=-1000.0)
    workload.play([(0.0, 2, 0, 20, 20, "window"), (59.9, 2, 0, 20, 20, "window"), (60.0, 2, 0, 20, 3, "demand")])


def test_what_a_foreign_hand_adds_is_held_in_the_first_window_only():
    workload = Played(current=5)
    workload.see(0.0, 2)
    workload.current = 30
    workload.play([(10.0, 2, 0, 30, 30, "first_window"), (59.9, 2, 0, 30, 30, "first_window")])
    workload.play([(60.0, 2, 0, 30, 3, "demand")])
    workload.current = 30
    workload.play([(61.0, 2, 0, 30, 3, "demand")])


def test_restart_in_the_middle_of_load_holds_what_it_finds():
    before, after = Played(current=20), Played(current=20, since=30.0)
    before.see(29.0, 14)
    assert after.see_nothing(30.0).desired == 20
    for now in range(31, 90):
        assert after.see(float(now), 14 if now % 2 else 1).desired == 20
    assert after.changes == []


def test_sawtooth_does_not_flap():
    """Five seconds high, five low, for an hour: one way up, and no way down until it ends."""
    workload = warm()
    for now in range(3600):
        workload.see(float(now), 14 if now % 10 < 5 else 1)
    assert [(change.at, change.desired) for change in workload.changes] == [(0.0, 20)]


def test_sawtooth_with_a_period_of_five_seconds_does_not_flap():
    workload = warm()
    for now in range(3600):
        workload.see(float(now), now % 5 * 7)
    assert [change.desired for change in workload.changes] == [2, 10, 20, 30, 40][1:]


def test_flash_crowd_is_up_at_once_and_gone_a_window_later():
    workload = warm()
    for now in range(600):
        workload.see(float(now), *((10, 60) if 100 <= now < 103 else (1, 0)))
    changes = [(change.at, change.direction, change.desired) for change in workload.changes]
    assert changes == [(0.0, UP, 2), (100.0, UP, 100), (163.0, DOWN, 2)]


@pytest.mark.parametrize("age_s", [0.0, 1.0, 3.0])
def test_data_of_three_seconds_is_good_enough(age_s):
    assert warm(current=20).see(0.0, 1, age_s=age_s).reason is Reason.DEMAND


def test_stale_data_holds_both_ways():
    workload = warm(current=20)
    assert (workload.see(0.0, 0, age_s=3.1).desired, workload.see(1.0, 70, age_s=4.0).desired) == (20, 20)
    assert [workload.see_nothing(2.0).reason, workload.see(3.0, age_s=60.0).reason] == [Reason.STALE, Reason.STALE]


def test_what_is_known_without_a_router_raises_and_never_shrinks():
    workload = warm(current=5)
    workload.play([(0.0, 2, 0, 5, 3, "demand")])
    workload.current = 5
    rows = [(2, 5, "stale"), (7, 10, "demand"), (2, 10, "stale"), (0, 10, "stale")]
    for now, (in_flight, expected, reason) in enumerate(rows, 1):
        decision = workload.see(float(now), in_flight, unheard=1)
        assert (decision.desired, decision.reason, decision.settled) == (expected, reason, False)
    assert workload.see(300.0, 0, unheard=1).desired == 10
    assert workload.see(301.0, 0).reason is Reason.WINDOW, "what was held counts as wanted"
    assert workload.see(361.0, 0).desired == 1


def test_the_minimum_holds_without_a_router_too():
    workload = warm(replace(SETTINGS, min_replicas=3), current=2)
    assert workload.see(0.0, 0, unheard=1).desired == 3


def test_data_that_come_back_start_a_window_of_their_own():
    workload = warm(current=20)
    assert workload.see_nothing(0.0).desired == 20
    assert workload.see(1.0, 1).reason is Reason.WINDOW
    assert workload.see(60.9, 1).desired == 20
    assert workload.see(61.0, 1).desired == 2


def test_slow_refresh_allows_for_older_data():
    slow = replace(SETTINGS, refresh_s=10.0)
    assert warm(slow).see(0.0, 14, age_s=30.0).desired == 20
    assert warm(slow).see(0.0, 14, age_s=30.1).desired == 1


def test_without_data_the_minimum_is_there_all_the_same():
    decision = Played(replace(SETTINGS, min_replicas=3), current=0).see_nothing(0.0)
    assert (decision.current, decision.desired, decision.reason) == (0, 3, Reason.MINIMUM)


def test_without_data_not_even_the_maximum_is_enforced():
    assert warm(current=200).see_nothing(0.0).desired == 200


def test_min_equal_to_max():
    workload = warm(replace(SETTINGS, min_replicas=5, max_replicas=5), current=2)
    workload.play([(0.0, 0, 0, 2, 5, "minimum"), (1.0, 90, 9, 5, 5, "maximum"), (200.0, 0, 0, 5, 5, "minimum")])
    assert len(workload.changes) == 1


def test_zero_only_after_a_window_without_any_demand():
    warm(replace(SETTINGS, min_replicas=0), current=0).play(
        [
            (0.0, 0, 0, 0, 0, "demand"),
            (1.0, 0, 1, 0, 2, "demand"),
            (2.0, 1, 0, 2, 2, "demand"),
            (3.0, 0, 0, 2, 2, "window"),
            (50.0, 1, 0, 2, 2, "demand"),
            (51.0, 0, 0, 2, 2, "window"),
            (110.9, 0, 0, 2, 2, "window"),
            (111.0, 0, 0, 2, 0, "demand"),
        ]
    )


def test_requests_between_two_looks_keep_the_last_replica():
    """Two short requests a second are never in flight when one looks; the counters tell of them."""
    workload = Played(replace(SETTINGS, min_replicas=0), current=1)
    for now in range(300):
        decision = workload.see(float(now), arrivals=2 * now, completions=2 * now, service_s=0.002 * now)
    assert (workload.current, workload.changes) == (1, [])
    assert not decision.settled  # the rate is there, and must be seen to end
    for now in range(300, 365):
        workload.see(float(now), arrivals=600, completions=600, service_s=0.6)
    assert workload.current == 0


def test_an_arrival_is_demand_before_its_service_time_is_known():
    workload = warm(replace(SETTINGS, min_replicas=0), current=0)
    workload.see(0.0)
    assert workload.see(1.0, arrivals=1).desired == 1


def test_replicas_that_come_slowly_do_not_raise_the_wish():
    """Demand is counted in requests, not in the utilization of what happens to be ready."""
    workload = warm()
    for now in range(30):
        assert workload.see(float(now), 1, 13, ready=1).desired == 20
    assert len(workload.changes) == 1


def test_a_retry_storm_counts_each_client_once():
    """Ten clients, refused and back a hundred times a second: the router counts one arrival and one waiter for each."""
    workload = warm()
    for now in range(30):
        decision = workload.see(
            float(now), 1, 0, retrying=9, ready=1, arrivals=10, completions=now, service_s=1.0 * now
        )
    assert (decision.numbers.demand, decision.desired, len(workload.changes)) == (10, 15, 1)


def saturated(workload, seconds, rps=20, service_s=10.0):
    """One replica, one slot, requests refused after half a second: little is ever there to be counted."""
    workload.see(0.0, 1, 10, ready=1, arrivals=1000, completions=10, service_s=10 * service_s)
    for now in range(1, seconds + 1):
        done = 10 + int(now / service_s)
        workload.see(
            float(now), 1, 10, ready=1, arrivals=1000 + rps * now, completions=done, service_s=done * service_s
        )


def test_a_saturated_version_is_sized_in_one_step_by_what_was_offered():
    workload = warm(replace(SETTINGS, max_replicas=1000), arrivals=1000, completions=10, service_s=100.0)
    saturated(workload, 60)
    # Before the first request has been measured, only what is there counts: 11 / 0.7.
    assert [(change.at, change.desired) for change in workload.changes] == [(0.0, 16), (10.0, 286)]


def test_a_known_service_time_needs_one_second():
    workload = warm(replace(SETTINGS, max_replicas=1000), arrivals=990, completions=9, service_s=90.0)
    saturated(workload, 60)
    assert [(change.at, change.desired) for change in workload.changes] == [(0.0, 16), (1.0, 286)]


def test_the_first_moments_of_a_step_do_not_inflate_the_rate():
    workload = warm()
    workload.see(-1.0, arrivals=0, completions=0, service_s=0.0)
    workload.see(0.0, arrivals=100, completions=100, service_s=50.0)
    workload.see(5.0, arrivals=100, completions=100, service_s=50.0)
    decision = workload.see(5.1, 4, 6, arrivals=110, completions=100, service_s=50.0)
    assert decision.numbers.arrivals_per_s <= 10
    assert decision.numbers.demand == 10


def test_what_was_offered_ends_with_the_load():
    workload = warm()
    for now in range(11):
        workload.see(float(now), 10, 3, arrivals=20 * now, completions=20 * now, service_s=10.0 * now)
    decision = workload.see(12.0, arrivals=200, completions=200, service_s=100.0)
    assert (decision.numbers.offered, decision.numbers.demand, decision.numbers.needed) == (0, 0, 0)


def test_a_reset_of_the_counters_is_no_load():
    workload = warm(current=2, arrivals=10**6, completions=10**6, service_s=1e6)
    for now in range(1, 10):
        decision = workload.see(float(now), 1, arrivals=now, completions=now, service_s=1.0 * now)
        assert (decision.desired, decision.numbers.demand) == (2, 1)


# Settings


def test_a_raised_minimum_and_maximum_act_at_once_on_the_same_state():
    workload = warm(replace(SETTINGS, max_replicas=10))
    assert workload.see(0.0, 14).desired == 10
    workload.settings = SETTINGS
    assert workload.see(1.0, 14).desired == 20
    workload.settings = replace(SETTINGS, min_replicas=30)
    decision = workload.see(2.0, 14)
    assert (decision.desired, decision.reason) == (30, Reason.MINIMUM)


def test_a_lowered_maximum_acts_at_once():
    workload = warm(current=50)
    workload.settings = replace(SETTINGS, max_replicas=8)
    decision = workload.see(0.0, 35)
    assert (decision.desired, decision.direction, decision.reason) == (8, DOWN, Reason.MAXIMUM)


def test_not_even_the_maximum_takes_anything_away_in_the_first_window():
    workload = Played(replace(SETTINGS, max_replicas=8), current=50)
    assert [workload.see(at, 35).desired for at in (0.0, 59.9, 60.0)] == [50, 50, 8]


def test_a_lowered_minimum_waits_for_the_window():
    workload = warm(replace(SETTINGS, min_replicas=10), current=10)
    workload.see(0.0)
    workload.settings = SETTINGS
    assert [workload.see(1.0).desired, workload.see(60.9).desired, workload.see(61.0).desired] == [10, 10, 1]


def test_a_lower_target_acts_at_once_and_a_longer_window_holds_until_it_is_full():
    workload = warm(current=20)
    workload.see(0.0, 14)
    workload.settings = replace(SETTINGS, target_utilization=35, scale_down_window_s=300.0)
    assert workload.see(1.0, 14).desired == 40
    assert workload.see(2.0, 0).reason is Reason.FIRST_WINDOW
    assert workload.see(239.0, 0).desired == 40
    assert workload.see(302.0, 0).desired == 1


def test_no_window_at_all_follows_demand():
    workload = Played(replace(SETTINGS, scale_down_window_s=0.0), current=20)
    workload.play([(0.0, 14, 0, 20, 20, "demand"), (0.1, 1, 0, 20, 2, "demand"), (0.2, 0, 0, 2, 1, "minimum")])


def test_slots_count():
    assert warm(replace(SETTINGS, slots=4)).see(0.0, 4, 10).desired == 5


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("current", [0, 1, 7])
def test_a_fixed_size_is_kept_whatever_is_seen(enabled, current):
    workload = Played(replace(SETTINGS, enabled=enabled, fixed_replicas=2), current=current)
    assert (workload.see_nothing(0.0).desired, workload.see(1.0, 90, 9).desired) == (2, 2)
    assert workload.see(1.0).reason is Reason.FIXED


@pytest.mark.parametrize("current", [0, 7, 700])
def test_switched_off_leaves_the_size_alone(current):
    workload = warm(replace(SETTINGS, enabled=False), current=current)
    decision = workload.see(0.0, 90)
    assert (decision.desired, decision.reason, decision.numbers.needed) == (current, Reason.DISABLED, 129)


@pytest.mark.parametrize("others", [{}, {"fixed_replicas": 2}, {"enabled": False}, {"dry_run": True}])
@pytest.mark.parametrize("current", [0, 7, 700])
def test_hands_off_leaves_the_size_alone_whatever_else_is_set(others, current):
    workload = warm(replace(SETTINGS, hands_off=True, **others), current=current)
    for decision in (workload.see(0.0, 90), workload.see_nothing(1.0), workload.see(2.0, 90, unschedulable=3)):
        assert (decision.desired, decision.reason, decision.direction) == (current, Reason.HANDS_OFF, HOLD)


def test_hands_that_are_on_again_raise_at_once_and_shrink_after_a_window():
    workload = warm(replace(SETTINGS, hands_off=True), current=20)
    workload.see(0.0, 1)
    workload.settings = SETTINGS
    assert (workload.see(1.0, 1).reason, workload.see(60.9, 1).desired) == (Reason.WINDOW, 20)
    assert workload.see(61.0, 1).desired == 2
    workload.settings = replace(SETTINGS, hands_off=True)
    workload.see(62.0, 14)
    workload.settings = SETTINGS
    assert workload.see(63.0, 14).desired == 20


# A full cluster


def test_nothing_is_raised_while_replicas_cannot_be_scheduled():
    workload = warm()
    assert workload.see(0.0, 14).desired == 20
    for now in range(1, 300):
        decision = workload.see(float(now), 70, ready=12, unschedulable=8)
        assert (decision.desired, decision.reason) == (20, Reason.CLUSTER_FULL)
        assert (decision.numbers.needed, decision.numbers.unschedulable, decision.settled) == (100, 8, False)
    decision = workload.see(300.0, 70)
    assert (decision.desired, decision.reason) == (100, Reason.DEMAND)


def test_a_full_cluster_shrinks_as_always():
    workload = warm()
    workload.see(0.0, 14)
    assert workload.see(1.0, 1, unschedulable=5).reason is Reason.WINDOW
    decision = workload.see(61.0, 1, unschedulable=5)
    assert (decision.desired, decision.direction, decision.reason) == (2, DOWN, Reason.DEMAND)
    assert warm(replace(SETTINGS, max_replicas=8), current=20).see(0.0, 35, unschedulable=5).desired == 8


@pytest.mark.parametrize("settings", [replace(SETTINGS, min_replicas=5), replace(SETTINGS, fixed_replicas=5)])
def test_a_full_cluster_is_given_neither_the_minimum_nor_a_fixed_size(settings):
    workload = warm(settings, current=3)
    full = workload.see(0.0, unschedulable=1)
    assert (full.desired, full.reason, full.settled) == (3, Reason.CLUSTER_FULL, False)
    assert workload.see(1.0).desired == 5


def test_a_full_cluster_is_not_raised_on_stale_data_either():
    workload = warm(replace(SETTINGS, min_replicas=5), current=3)
    assert workload.see(0.0, age_s=60.0, unschedulable=1).desired == 3


def test_from_fixed_to_scaled_holds_for_a_window():
    workload = warm(replace(SETTINGS, fixed_replicas=20), current=20)
    workload.see(0.0)
    workload.settings = SETTINGS
    assert (workload.see(1.0, 1).reason, workload.see(60.9, 1).desired) == (Reason.WINDOW, 20)
    assert workload.see(61.0, 1).desired == 2


def test_a_dry_run_counts_and_never_scales():
    workload = warm(replace(SETTINGS, dry_run=True))
    seen = [workload.see(t, n) for t, n in [(0.0, 14), (1.0, 1), (60.9, 1), (61.0, 1)]]
    assert [decision.desired for decision in seen] == [20, 20, 20, 2]
    assert {decision.direction for decision in seen} == {HOLD}
    assert workload.current == 1


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"min_replicas": -1}, "min replicas"),
        ({"max_replicas": 0, "min_replicas": 0}, "max replicas"),
        ({"min_replicas": 5, "max_replicas": 4}, "max replicas"),
        ({"target_utilization": 0}, "target utilization"),
        ({"target_utilization": 101}, "target utilization"),
        ({"slots": 0}, "slots"),
        ({"fixed_replicas": -1}, "fixed replicas"),
        ({"refresh_s": 0.0}, "refresh period"),
        ({"scale_down_window_s": -1.0}, "scale down window"),
        ({"scale_down_window_s": float("nan")}, "scale down window"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, name):
    with pytest.raises(OutOfRange, match=f"^{name} is "):
        ScalingSettings(**wrong)


# Form


def test_a_decision_describes_itself():
    decision = warm().see(0.0, 1, 13, busy=1, arrivals=30)
    assert decision.describe() == {
        "desired": 20,
        "current": 1,
        "direction": "up",
        "reason": "demand",
        "dry_run": False,
        "demand": 14,
        "in_flight": 1,
        "queued": 13,
        "retrying": 0,
        "offered": 0.0005,
        "arrivals_per_s": 0.5,
        "service_s": None,
        "needed": 20,
        "window_max": 20,
        "busy": 1,
        "ready": 1,
        "age_s": 0.0,
        "unschedulable": 0,
        "unheard": 0,
    }


def test_deciding_again_from_a_kept_state_gives_the_same():
    workload = warm()
    saturated(workload, 20)
    kept, seen = workload.state, Observation(21.0, 1, 10, arrivals=1420, completions=12, service_s=120.0, current=286)
    assert decide(SETTINGS, kept, seen, 21.0) == decide(SETTINGS, kept, seen, 21.0)
    assert kept is workload.state


def test_settled_when_only_something_new_can_change_the_decision():
    workload = Played(current=1)
    assert workload.see(0.0).settled
    assert not workload.see(1.0, 1, arrivals=1).settled  # on its way up
    assert not workload.see(2.0, arrivals=1, completions=1, service_s=0.1).settled  # a window to wait for
    assert not workload.see_nothing(3.0).settled
    assert not workload.see(4.0, arrivals=1, completions=1, service_s=0.1).settled
    assert not workload.see(64.0, arrivals=1, completions=1, service_s=0.1).settled  # on its way down
    assert workload.see(65.0, arrivals=1, completions=1, service_s=0.1).settled


@pytest.mark.parametrize("settings", [replace(SETTINGS, fixed_replicas=1), replace(SETTINGS, enabled=False)])
def test_without_scaling_a_reached_size_is_settled_even_without_data(settings):
    assert Played(settings, current=1).see_nothing(0.0).settled


# Properties

LOADS = st.lists(
    st.tuples(
        st.sampled_from([0.1, 1.0, 7.0, 61.0]),
        st.integers(0, 60),
        st.integers(0, 60),
        st.integers(0, 9),
        st.sampled_from([0.0, 0.0, 2.0, 5.0]),
    ),
    min_size=1,
    max_size=60,
)
BOUNDS = st.tuples(st.integers(0, 10), st.integers(0, 90)).map(lambda pair: (pair[0], max(1, sum(pair))))


def walk(workload, loads):
    """Play a random load, with counters that follow it; gives (now, decision)."""
    now = arrivals = 0
    for pause, in_flight, queued, refused, age_s in loads:
        now += pause
        arrivals += in_flight + queued + refused
        done = max(0, arrivals - 120)
        yield (
            now,
            workload.see(now, in_flight, queued, age_s=age_s, arrivals=arrivals, completions=done, service_s=done / 4),
        )


@given(BOUNDS, st.integers(0, 200), LOADS)
def test_desired_is_always_within_the_bounds(bounds, current, loads):
    workload = Played(replace(SETTINGS, min_replicas=bounds[0], max_replicas=bounds[1]), current)
    for _, decision in walk(workload, loads):
        if decision.reason is not Reason.STALE:
            # in the first window what is there stays, however much it is
            assert bounds[0] <= decision.desired <= max(bounds[1], decision.current)
            assert decision.desired <= bounds[1] or decision.reason is Reason.FIRST_WINDOW
        assert decision.desired >= min(decision.current, bounds[1]) or decision.reason is not Reason.STALE


@given(BOUNDS, st.integers(0, 200), LOADS)
def test_never_down_within_the_window_of_a_higher_wish(bounds, current, loads):
    workload = Played(replace(SETTINGS, min_replicas=bounds[0], max_replicas=bounds[1]), current)
    wished = []
    for now, decision in walk(workload, loads):
        if decision.reason is not Reason.STALE:
            wished.append((now, min(max(decision.numbers.needed, bounds[0]), bounds[1])))
        if decision.direction is DOWN and decision.reason is not Reason.MAXIMUM:
            assert decision.desired >= max(wish for at, wish in wished if at > now - 60.0)
            assert now >= 60.0


@given(LOADS, st.integers(0, 60), st.integers(0, 60), st.integers(0, 20))
def test_monotone_in_demand(loads, in_flight, queued, more):
    workload = Played()
    now = max(now for now, _ in walk(workload, loads)) + 1.0
    ready = workload.current

    def desired(in_flight, queued):
        seen = Observation(now, in_flight, queued, arrivals=10**4, ready=ready, current=ready)
        return decide(SETTINGS, workload.state, seen, now)[1].desired

    assert desired(in_flight, queued) <= desired(in_flight + more, queued) <= 100
    assert desired(in_flight, queued) <= desired(in_flight, queued + more) <= 100


@given(BOUNDS, st.integers(0, 200), LOADS)
def test_never_down_while_a_router_cannot_be_heard_and_never_less_than_with_all(bounds, current, loads):
    settings = replace(SETTINGS, min_replicas=bounds[0], max_replicas=bounds[1])
    workload = Played(settings, current)
    now = 0.0
    for pause, in_flight, queued, _, age_s in loads:
        now += pause
        seen = Observation(now - age_s, in_flight, queued, ready=workload.current, current=workload.current)
        _, whole = decide(settings, workload.state, seen, now)
        partial = workload.decide(replace(seen, unheard=1), now)
        assert partial.desired >= whole.desired
        assert partial.desired >= partial.current or partial.reason is Reason.MAXIMUM


@given(LOADS)
def test_up_is_never_less_than_what_is_there_needs(loads):
    workload = Played(replace(SETTINGS, max_replicas=1000))
    for _, decision in walk(workload, loads):
        if decision.reason is not Reason.STALE:
            present = decision.numbers.in_flight + decision.numbers.queued
            assert decision.desired >= replicas_for(present, 1, 70)


@given(LOADS)
def test_a_dry_run_wishes_what_a_real_one_would(loads):
    real, dry = Played(), Played(replace(SETTINGS, dry_run=True))
    for (_, meant), (_, done) in zip(walk(dry, loads), walk(real, loads), strict=True):
        if done.reason is not Reason.STALE and meant.numbers.offered == done.numbers.offered:
            assert meant.desired <= max(done.desired, meant.numbers.window_max)
        assert meant.direction is HOLD


@given(BOUNDS, st.integers(0, 200), LOADS, st.lists(st.booleans(), min_size=60, max_size=60), st.integers(1, 9))
def test_a_full_cluster_is_never_raised_and_else_everything_is_as_without_it(bounds, current, loads, full, left_over):
    settings = replace(SETTINGS, min_replicas=bounds[0], max_replicas=bounds[1])
    workload = Played(settings, current)
    now = 0.0
    for (pause, in_flight, queued, _, age_s), is_full in zip(loads, full, strict=False):
        now += pause
        seen = Observation(now - age_s, in_flight, queued, ready=workload.current, current=workload.current)
        state, free = decide(settings, workload.state, seen, now)
        decision = workload.decide(replace(seen, unschedulable=left_over if is_full else 0), now)
        assert workload.state == state
        assert decision.desired == (min(free.desired, decision.current) if is_full else free.desired)
        assert (decision.reason is Reason.CLUSTER_FULL) == (is_full and free.desired > decision.current)
        assert not (decision.settled and decision.desired != free.desired)
