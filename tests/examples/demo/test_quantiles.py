from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.demo.quantiles import quantile


def test_the_nearest_rank() -> None:
    hundred = range(1, 101)
    assert [quantile(hundred, q) for q in (0.01, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert quantile([3.0], 0.5) == 3.0
    assert quantile([2.0, 1.0], 0.5) == 1.0


def test_of_nothing_there_is_none() -> None:
    assert quantile([], 0.5) is None


@pytest.mark.parametrize("q", [0.0, -0.1, 1.1])
def test_what_is_no_quantile_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        quantile([1.0], q)


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.001, 1.0))
def test_it_was_seen_and_is_the_smallest_that_covers_the_share(values: list[float], q: float) -> None:
    found = quantile(values, q)
    assert found in values
    assert sum(value <= found for value in values) >= q * len(values)
    assert sum(value < found for value in values) < q * len(values)
