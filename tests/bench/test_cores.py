"""Which core does what."""

from __future__ import annotations

from bench.cores import Cores, choose


def test_the_contender_has_a_core_for_itself() -> None:
    assert choose({0, 1, 2, 3}) == Cores(load=0, proxy=3)
    assert not choose({0, 1}).shared


def test_one_core_is_shared() -> None:
    assert choose({5}).shared
