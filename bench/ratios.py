"""From samples to figures: medians, and ratios of what was measured in the same round. Pure.

Neighbours on the machine make all absolute times wander by tens of percent. Two contenders that were measured within
seconds of each other wander together, so their ratio in one round means something, and the median over rounds more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Sample:
    """One contender in one round. `cpu_s`: of all its processes; `connections`: opened to the replicas meanwhile."""

    contender: str
    shape: str
    round: int
    requests: int
    seconds: float
    cpu_s: float
    p50_ms: float
    p99_ms: float
    connections: int

    @property
    def cpu_us(self) -> float:
        """CPU microseconds per request."""
        return self.cpu_s / self.requests * 1e6

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def busy(self) -> float:
        """How much of one core it used, 0 to 1: far below 1 under full load, something else was the limit."""
        return self.cpu_s / self.seconds


class Spread(NamedTuple):
    """A figure over the rounds."""

    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Spread:
    values = list(values)
    return Spread(median(values), min(values), max(values))


def figure(samples: Sequence[Sample], contender: str, what: Callable[[Sample], float]) -> Spread:
    """A figure of one contender over all rounds of one shape. Raises StatisticsError when it was in none."""
    return spread(what(sample) for sample in samples if sample.contender == contender)


def cpu_ratio(samples: Sequence[Sample], contender: str, reference: str) -> Spread:
    """CPU per request as a multiple of the reference's in the same round."""
    of_reference = {sample.round: sample.cpu_us for sample in samples if sample.contender == reference}
    return spread(
        sample.cpu_us / of_reference[sample.round]
        for sample in samples
        if sample.contender == contender and sample.round in of_reference
    )
