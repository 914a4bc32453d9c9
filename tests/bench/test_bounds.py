"""Verdicts: where bounds hold, and what decides."""

from __future__ import annotations

import pytest

from bench.bounds import BINDING, judge
from bench.contenders import ENVOY, HAPROXY, MAITRE
from bench.ratios import Sample
from bench.shapes import FULL, STEADY


def sample(contender: str, number: int, cpu_us: float, shape: str = FULL.name) -> Sample:
    return Sample(contender, shape, number, 1000, 1.0, cpu_us / 1e3, 1.0, 2.0, 0)


def test_bounds_hold_under_full_load_over_many_connections() -> None:
    assert BINDING == ("32x60B", "256x60B", "32x10KB", "256x10KB")


def test_a_load_without_bounds_gets_no_verdict() -> None:
    assert judge([sample(name, 1, 50.0, STEADY.name) for name in (MAITRE, HAPROXY)], MAITRE) == []


@pytest.mark.parametrize(
    ("of_maitre", "kept", "clear"),
    [
        ([40.0, 50.0, 60.0], True, True),
        ([40.0, 50.0, 61.0], True, False),
        ([59.0, 61.0, 62.0], False, False),
        ([61.0, 62.0, 63.0], False, True),
        ([60.0, 60.0, 60.0], True, True),
    ],
)
def test_the_median_decides_and_the_range_says_how_clearly(of_maitre: list[float], kept: bool, clear: bool) -> None:
    samples = [sample(MAITRE, number, cost) for number, cost in enumerate(of_maitre)]
    (verdict,) = judge([*samples, *(sample(HAPROXY, number, 30.0) for number in range(3))], MAITRE)
    assert (verdict.kept, verdict.clear) == (kept, clear)


def test_every_peer_that_was_measured_has_its_bound() -> None:
    found = judge([sample(MAITRE, 1, 50.0), sample(HAPROXY, 1, 30.0), sample(ENVOY, 1, 100.0)], MAITRE)
    assert [(each.bound.peer, round(each.ratio.median, 2), each.kept) for each in found] == [
        (HAPROXY, 1.67, True),
        (ENVOY, 0.5, True),
    ]
