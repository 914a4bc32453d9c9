"""Paired ratios: what was measured in the same round belongs together."""

from __future__ import annotations

from statistics import StatisticsError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.ratios import Sample, Spread, cpu_ratio, figure, spread


def sample(contender: str, number: int, cpu_us: float, requests: int = 1000) -> Sample:
    return Sample(
        contender=contender,
        shape="steady",
        round=number,
        requests=requests,
        seconds=2.0,
        cpu_s=cpu_us * requests / 1e6,
        p50_ms=1.0,
        p99_ms=2.0,
        connections=0,
    )


def test_a_sample_knows_its_cost_and_its_rate() -> None:
    one = sample("maitre", 1, cpu_us=60.0, requests=5000)
    assert one.cpu_us == pytest.approx(60.0)
    assert one.rate == 2500.0
    assert one.busy == pytest.approx(0.15)


def test_a_spread_is_the_median_and_both_ends() -> None:
    assert spread([5.0, 1.0, 2.0]) == Spread(2.0, 1.0, 5.0)


def test_a_figure_is_of_one_contender_alone() -> None:
    samples = [sample("a", 1, 10.0), sample("b", 1, 99.0), sample("a", 2, 30.0)]
    found = figure(samples, "a", lambda each: each.cpu_us)
    assert found == pytest.approx((20.0, 10.0, 30.0))


def test_a_figure_of_nobody_is_an_error() -> None:
    with pytest.raises(StatisticsError):
        figure([], "a", lambda each: each.cpu_us)


def test_ratios_pair_what_was_measured_in_the_same_round() -> None:
    # the machine was three times as slow in round 2, for both
    samples = [sample("a", 1, 20.0), sample("b", 1, 10.0), sample("a", 2, 60.0), sample("b", 2, 30.0)]
    assert cpu_ratio(samples, "a", "b") == pytest.approx((2.0, 2.0, 2.0))


def test_a_round_without_the_reference_does_not_count() -> None:
    samples = [sample("a", 1, 20.0), sample("b", 1, 10.0), sample("a", 2, 99.0)]
    assert cpu_ratio(samples, "a", "b") == pytest.approx((2.0, 2.0, 2.0))


@given(
    st.lists(
        st.tuples(st.floats(1.0, 1e3), st.floats(1.0, 1e3), st.floats(0.1, 10.0)),
        min_size=1,
        max_size=9,
    )
)
def test_a_slow_round_changes_no_ratio(rounds: list[tuple[float, float, float]]) -> None:
    """Whatever factor slows down a whole round cancels out."""
    quiet = [sample(name, n, cost) for n, (a, b, _) in enumerate(rounds) for name, cost in (("a", a), ("b", b))]
    noisy = [sample(name, n, cost * f) for n, (a, b, f) in enumerate(rounds) for name, cost in (("a", a), ("b", b))]
    assert cpu_ratio(noisy, "a", "b") == pytest.approx(cpu_ratio(quiet, "a", "b"))
