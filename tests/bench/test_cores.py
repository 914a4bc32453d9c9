"""Which core does what."""

from __future__ import annotations

import os

from bench.cores import ANYWHERE, Cores, choose, pinned


def test_the_contender_has_a_core_for_itself() -> None:
    assert choose({0, 1}) == Cores(load=0, model=0, proxy=1)
    assert not choose({0, 1}).shared


def test_where_there_are_more_the_model_has_one_too() -> None:
    assert choose({0, 1, 2, 3}) == Cores(load=0, model=1, proxy=3)
    assert choose({4, 6, 7}) == Cores(load=4, model=6, proxy=7)


def test_one_core_is_shared() -> None:
    assert choose({5}).shared


def test_what_is_where_can_be_read() -> None:
    assert str(choose({0, 1})) == "proxy on core 1, load generator and model on core 0"
    assert str(choose({0, 1, 2})) == "proxy on core 2, load generator on 0, model on 1"


def test_who_may_be_anywhere_is_not_pinned() -> None:
    before = os.sched_getaffinity(0)
    with pinned(min(before)):
        assert os.sched_getaffinity(0) == {min(before)}
    with pinned(ANYWHERE.proxy):
        assert os.sched_getaffinity(0) == before
    assert not ANYWHERE.shared
    assert "all cores" in str(ANYWHERE)
