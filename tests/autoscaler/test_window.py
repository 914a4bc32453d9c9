"""What the windows remember, and for how long."""

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.window import GRAINS, LOAD_HISTORY_S, Counters, LoadWindow, MaxWindow

WIDTH = 60.0


def filled(*samples, width=WIDTH):
    window = MaxWindow.begin(*samples[0])
    for at, value in samples[1:]:
        window = window.add(at, value, width)
    return window


def test_a_value_stands_until_the_next_and_counts_one_window_longer():
    peak = filled((0.0, 9), (1.0, 2))
    assert peak.add(60.9, 2, WIDTH).maximum == 9
    assert peak.add(61.0, 2, WIDTH).maximum == 2


def test_a_value_counts_to_the_end_of_a_long_silence():
    window = filled((0.0, 9), (3600.0, 1))
    assert window.maximum == 9
    assert window.add(3659.9, 1, WIDTH).maximum == 9
    assert window.add(3660.0, 1, WIDTH).maximum == 1


def test_adding_leaves_the_old_window_as_it_was():
    before = filled((0.0, 3))
    before.add(1.0, 7, WIDTH)
    assert before == filled((0.0, 3))


def test_without_width_only_the_newest_counts():
    assert filled((0.0, 9), (0.0, 5), (1.0, 2), width=0.0).maximum == 2


def test_the_first_window_is_not_covered():
    window = filled((0.0, 1), (59.9, 1))
    assert not window.covers(59.9, WIDTH)
    assert window.covers(60.0, WIDTH)


def test_a_window_made_longer_is_not_covered_until_it_is_full():
    window = filled((0.0, 1), (100.0, 1))
    assert window.covers(100.0, WIDTH)
    assert not window.covers(100.0, 300.0)
    longer = window.add(101.0, 1, 300.0)
    assert not longer.covers(339.0, 300.0)
    assert longer.covers(340.0, 300.0)


STEPS = st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.5, 1.0, 20.0, 61.0]), st.integers(0, 30)), min_size=1)


@given(STEPS)
def test_against_a_list_of_everything(steps):
    """The window never forgets early, and late by a grain at most."""
    window, now, stood = MaxWindow.begin(0.0, 5), 0.0, [(float("inf"), 5)]
    for pause, value in steps:
        now += pause
        stood = [(min(until, now), old) for until, old in stood] + [(float("inf"), value)]
        window = window.add(now, value, WIDTH)
        exact = max(old for until, old in stood if until > now - WIDTH)
        lenient = max(old for until, old in stood if until > now - WIDTH - WIDTH / GRAINS)
        assert exact <= window.maximum <= lenient


def test_memory_is_bounded():
    window = MaxWindow.begin(0.0, 0)
    for tick in range(30_000):
        window = window.add(tick / 100, 30_000 - tick, WIDTH)
    assert len(window.falling) <= GRAINS + 2
    assert 6000 <= window.maximum <= 6000 + 12  # what stood a minute ago, or a grain before


# Load


def loaded(*samples):
    window = LoadWindow()
    for sample in samples:
        window = window.add(Counters(*sample))
    return window


def steady(rps, seconds, service_s=0.5):
    return [(float(t), rps * t, rps * t, rps * t * service_s) for t in range(seconds + 1)]


def test_no_rate_from_nothing_or_one_sample():
    assert LoadWindow().rate(1.0) == LoadWindow().rate_of_last(20, 1.0, 10.0) == 0
    assert loaded((5.0, 100, 90, 45.0)).rate(1.0) == 0
    assert loaded((5.0, 100, 90, 45.0)).service_s is None


def test_steady_load():
    window = loaded(*steady(rps=20, seconds=30))
    assert window.rate(1.0) == window.rate(10.0) == window.rate_of_last(20, 1.0, 10.0) == 20
    assert window.service_s == 0.5


def test_few_arrivals_in_little_time_are_no_high_rate():
    assert loaded((0.0, 0, 0, 0.0), (0.1, 5, 0, 0.0)).rate(1.0) == 5


def test_a_rate_ends_with_the_load():
    window = loaded(*steady(rps=20, seconds=10), (10.5, 200, 200, 100.0), (11.0, 200, 200, 100.0))
    assert window.rate(1.0) == 0
    assert window.rate_of_last(20, 1.0, 1.0) == 0


def test_a_short_rate_reaches_back_until_it_counts_enough():
    window = loaded(*steady(rps=4, seconds=30))
    assert window.rate_of_last(20, 1.0, 10.0) == 4  # over five seconds
    assert window.rate_of_last(20, 1.0, 4.0) == 0


def test_what_came_in_a_gap_is_spread_over_the_gap():
    window = loaded((0.0, 0, 0, 0.0), (30.0, 300, 300, 30.0))
    assert window.rate(1.0) == 10


def test_a_reset_forgets_the_past_but_not_the_model():
    window = loaded(*steady(rps=20, seconds=30), (31.0, 3, 3, 9.0))
    assert window.rate(1.0) == 0
    assert window.service_s == 0.5
    again = window.add(Counters(32.0, 23, 13, 19.0))
    assert again.rate(1.0) == 20
    assert again.service_s == 1.0


def test_a_sample_that_is_not_newer_is_ignored():
    window = loaded(*steady(rps=20, seconds=3))
    assert window.add(Counters(3.0, 99, 99, 99.0)) == window.add(Counters(1.0, 99, 99, 99.0)) == window


def test_the_mean_service_time_outlives_its_samples():
    window = loaded(*steady(rps=20, seconds=3), (500.0, 60, 60, 30.0), (501.0, 60, 60, 30.0), (562.0, 60, 60, 30.0))
    assert window.service_s == 0.5


def test_load_memory_is_bounded_and_the_rate_stays_right():
    window = LoadWindow()
    for tick in range(30_000):
        window = window.add(Counters(tick / 300, tick, tick, tick * 0.2))
    assert len(window.samples) <= GRAINS + 3
    assert abs(window.rate(1.0) - 300) < 1
    assert abs(window.rate(LOAD_HISTORY_S) - 300) < 1


@given(st.lists(st.tuples(st.floats(0.01, 90), st.integers(0, 50)), min_size=1, max_size=40), st.floats(1, 60))
def test_a_rate_is_never_more_than_all_that_came_in_its_time(steps, over_s):
    at, arrivals, window, seen = 0.0, 0, LoadWindow(), []
    for pause, came in steps:
        at, arrivals = at + pause, arrivals + came
        window = window.add(Counters(at, arrivals, 0, 0.0))
        seen.append((at, arrivals))
    before = [count for time, count in seen if time <= at - over_s - LOAD_HISTORY_S / GRAINS] or [seen[0][1]]
    assert 0 <= window.rate(over_s) * over_s <= arrivals - before[-1] + 1e-6
