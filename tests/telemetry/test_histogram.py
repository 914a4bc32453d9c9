"""Counting durations: where they land, how histograms add up, what quantiles they tell."""

import pickle
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.telemetry.histogram import DURATION_BOUNDS, OVERHEAD_BOUNDS, Histogram

BOUNDS = (1.0, 2.0, 4.0)
durations = st.lists(st.floats(0.0, 100.0), max_size=50)


def histogram(*observed: float, bounds: tuple[float, ...] = BOUNDS) -> Histogram:
    made = Histogram(bounds)
    for duration_s in observed:
        made.observe(duration_s)
    return made


@pytest.mark.parametrize(
    ("duration_s", "counts"),
    [(0.0, (1, 0, 0, 0)), (1.0, (1, 0, 0, 0)), (1.1, (0, 1, 0, 0)), (4.0, (0, 0, 1, 0)), (4.1, (0, 0, 0, 1))],
)
def test_a_bound_belongs_to_the_bucket_below_it(duration_s, counts):
    assert histogram(duration_s).snapshot() == (BOUNDS, counts, duration_s)


@given(durations)
def test_cumulative_counts_say_how_many_were_at_most_the_bound(observed):
    snapshot = histogram(*observed).snapshot()
    assert snapshot.cumulative() == [sum(each <= bound for each in observed) for bound in (*BOUNDS, inf)]
    assert snapshot.observations == len(observed)


@given(durations, durations)
def test_merging_equals_having_seen_both(one, other):
    merged = histogram(*one)
    merged.merge(histogram(*other).snapshot())
    both = histogram(*one, *other).snapshot()
    assert merged.snapshot().counts == both.counts
    assert merged.snapshot().sum_s == pytest.approx(both.sum_s)


@given(durations, durations)
def test_since_is_what_happened_in_between(before, after):
    growing = histogram(*before)
    earlier = growing.snapshot()
    for duration_s in after:
        growing.observe(duration_s)
    between = growing.snapshot().since(earlier)
    assert between.counts == histogram(*after).snapshot().counts
    assert between.sum_s == pytest.approx(sum(after), abs=1e-9)


def test_snapshots_stay_and_travel_between_processes():
    growing = histogram(1.5)
    snapshot = growing.snapshot()
    growing.observe(1.5)
    assert pickle.loads(pickle.dumps(snapshot)) == (BOUNDS, (0, 1, 0, 0), 1.5)


def test_different_bounds_do_not_add_up():
    other = histogram(bounds=(1.0, 3.0, 4.0))
    with pytest.raises(ValueError, match="different bounds"):
        histogram().merge(other.snapshot())
    with pytest.raises(ValueError, match="different bounds"):
        histogram().snapshot().since(other.snapshot())


@pytest.mark.parametrize("bounds", [(), (1.0, 1.0), (2.0, 1.0)])
def test_bounds_rise(bounds):
    with pytest.raises(ValueError, match="rise"):
        Histogram(bounds)


@pytest.mark.parametrize(
    ("observed", "q", "quantile_s"),
    [
        ((), 0.5, None),
        ((1.5, 1.5), 0.5, 1.5),
        ((1.5, 1.5), 1.0, 2.0),
        ((1.5, 1.5), 0.0, 1.0),
        ((0.5,), 0.5, 0.5),
        ((0.5, 3.0, 3.0, 3.0), 0.25, 1.0),
        ((0.5, 3.0, 3.0, 3.0), 0.5, 2.0 + 2.0 / 3),
        ((9.0,), 0.99, 4.0),
    ],
)
def test_quantiles_are_linear_within_a_bucket(observed, q, quantile_s):
    assert histogram(*observed).quantile(q) == (None if quantile_s is None else pytest.approx(quantile_s))


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan")])
def test_a_quantile_is_a_share(q):
    with pytest.raises(ValueError, match="between 0 and 1"):
        histogram(1.0).quantile(q)


@given(st.lists(st.floats(0.0, 4.0), min_size=1, max_size=50), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_quantiles_rise_and_lie_in_the_bucket_of_the_true_one(observed, one, other):
    seen = histogram(*observed)
    low, high = sorted((one, other))
    assert seen.quantile(low) <= seen.quantile(high) + 1e-9
    true = sorted(observed)[max(0, int(-(-high * len(observed) // 1)) - 1)]
    above = next(bound for bound in BOUNDS if true <= bound)
    below = max((bound for bound in BOUNDS if bound < above), default=0.0)
    assert below - 1e-9 <= seen.quantile(high) <= above + 1e-9


def test_the_targets_of_the_router_are_bounds():
    assert {0.0005, 0.003} <= set(OVERHEAD_BOUNDS)
    assert (OVERHEAD_BOUNDS[0], OVERHEAD_BOUNDS[-1]) == (0.00001, 0.1)
    assert (DURATION_BOUNDS[0], DURATION_BOUNDS[-1]) == (0.0001, 60.0)
    Histogram(DURATION_BOUNDS), Histogram(OVERHEAD_BOUNDS)


def test_repr_shows_the_numbers():
    assert repr(histogram(1.0, 0.5)) == "<Histogram 2 observations, 1.500000 s>"
