"""When an issuer is asked for its keys: an hour passes in microseconds here."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.key_fetching import FIRST_PAUSE_S, LONGEST_PAUSE_S, UNKNOWN_S, FetchPlan


def fetch(plan, now, max_age_s=None):
    plan.begin(now)
    plan.fetched(now, max_age_s)


def test_at_once_and_then_every_hour():
    plan = FetchPlan(100.0)
    assert plan.due == 100
    plan.begin(100.0)
    assert plan.due == inf, "one at a time"
    plan.fetched(101.0, None)
    assert plan.due == 3701


@pytest.mark.parametrize(("max_age_s", "wait_s"), [(0, 300), (299, 300), (600, 600), (86_401, 86_400), (1e9, 86_400)])
def test_or_as_the_issuer_says_within_bounds(max_age_s, wait_s):
    plan = FetchPlan(0.0)
    fetch(plan, 0.0, max_age_s)
    assert plan.due == wait_s


def test_an_issuer_that_is_down_is_asked_with_growing_pauses():
    plan, now, pauses = FetchPlan(0.0), 0.0, []
    for _ in range(8):
        plan.begin(now)
        plan.failed(now, u=1.0)
        pauses.append(plan.due - now)
        now = plan.due
    assert pauses == [FIRST_PAUSE_S * 2**n for n in range(6)] + [LONGEST_PAUSE_S] * 2
    fetch(plan, now)
    plan.begin(plan.due)
    plan.failed(now, u=0.0)
    assert plan.due - now == FIRST_PAUSE_S / 2


def test_a_key_that_nobody_knows_is_asked_for_at_once_if_the_last_fetch_was_long_ago():
    plan = FetchPlan(0.0)
    fetch(plan, 0.0)
    assert plan.unknown_key(1000.0)
    assert plan.due == 1000
    assert not plan.unknown_key(1000.0), "it is due already"


def test_while_a_fetch_is_under_way_none_is_added():
    plan = FetchPlan(0.0)
    plan.begin(0.0)
    assert not plan.unknown_key(1.0)
    assert plan.due == inf


@given(st.lists(st.floats(0, 2), max_size=300), st.booleans())
def test_any_storm_of_unknown_keys_is_one_fetch_a_minute(gaps, down):
    """Failures have pauses of their own, which unknown keys do not shorten."""
    plan, now, fetches = FetchPlan(0.0), 0.0, []
    fetch(plan, 0.0)
    for gap in gaps:
        now += gap
        plan.unknown_key(now)
        if plan.due <= now:
            fetches.append(now)
            plan.begin(now)
            if down and len(fetches) > 10:
                plan.failed(now, 1.0)
            else:
                plan.fetched(now, None)
    apart = [later - earlier for earlier, later in zip([0.0, *fetches], fetches, strict=False)]
    assert all(each >= UNKNOWN_S for each in apart)
