"""When requests are due, and figures of what became of them."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.schedule import Figures, constant, figures, poisson, quantile


def test_a_constant_rate_is_equally_far_apart() -> None:
    assert list(constant(4, 1.0)) == [0.0, 0.25, 0.5, 0.75]
    assert len(constant(5_000, 3.0)) == 15_000


def test_independent_clients_ask_at_the_rate_in_the_mean_and_at_exponential_gaps() -> None:
    due = poisson(1_000, 50.0, random.Random(7).random)
    gaps = [after - before for before, after in pairwise(due)]
    mean = math.fsum(gaps) / len(gaps)
    deviation = math.sqrt(math.fsum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert len(due) == pytest.approx(50_000, rel=0.02)
    assert deviation == pytest.approx(mean, rel=0.03)  # which is what makes them exponential; constant ones have none
    assert due[-1] < 50.0


def test_a_draw_of_zero_is_a_gap_of_zero() -> None:
    draws = iter([0.0, 0.5, 1.0 - 2**-53])
    assert list(poisson(1.0, 1.0, lambda: next(draws))) == [0.0, pytest.approx(math.log(2))]


def test_figures_are_milliseconds() -> None:
    found = figures([number / 1000 for number in range(1, 1001)])
    assert (found.mean, found.p50, found.p99, found.p999) == pytest.approx((500.5, 500.0, 990.0, 999.0))


def test_what_is_added_is_a_difference() -> None:
    assert Figures(3.0, 2.0, 9.0, 10.0) - Figures(1.0, 1.5, 4.0, 11.0) == Figures(2.0, 0.5, 5.0, -1.0)


@given(st.lists(st.floats(0.0, 1e3), min_size=1), st.sampled_from([0.0, 0.5, 0.99, 0.999, 1.0]))
def test_a_quantile_is_one_of_the_values_and_covers_its_share(values: list[float], q: float) -> None:
    ordered = sorted(values)
    found = quantile(ordered, q)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= q * len(ordered)
    assert sum(value < found for value in ordered) <= q * len(ordered)
