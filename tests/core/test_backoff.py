import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.backoff import Backoff


@pytest.mark.parametrize(("failures", "most_s"), [(1, 0.2), (2, 0.4), (3, 0.8), (6, 6.4), (7, 10), (100_000, 10)])
def test_doubles_up_to_the_cap(failures, most_s):
    assert Backoff().pause_s(failures, u=0.0) == most_s / 2
    assert Backoff().pause_s(failures, u=1.0) == most_s


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_stays_within_bounds(failures, u):
    assert 0.1 <= Backoff().pause_s(failures, u) <= 10


def test_begins_again_after_it_was_ready_for_long():
    backoff = Backoff(steady_s=30)
    assert backoff.failures(before=4, ready_s=29.9) == 5
    assert backoff.failures(before=4, ready_s=30) == 1
