"""When the requests of an open loop are due, and what became of them. Pure.

An open loop asks at times that were fixed before, however slow the answers are. A closed loop waits for an answer
before it asks again, and so leaves out the requests that would have met the slow moments: "coordinated omission". A
latency here begins when the request was due, not when it was sent.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

CONSTANT: Final = "constant"
POISSON: Final = "poisson"


def constant(rate: float, seconds: float) -> array[float]:
    """Seconds from the start, equally far apart. `rate`: requests per second."""
    return array("d", (number / rate for number in range(int(rate * seconds))))


def poisson(rate: float, seconds: float, draw: Callable[[], float]) -> array[float]:
    """As many independent clients ask: gaps are exponential. `draw`: uniform in [0, 1)."""
    due, at = array("d"), 0.0
    while (at := at - math.log(1.0 - draw()) / rate) < seconds:
        due.append(at)
    return due


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds."""

    mean: float
    p50: float
    p99: float
    p999: float

    def __sub__(self, other: Figures) -> Figures:
        return Figures(self.mean - other.mean, self.p50 - other.p50, self.p99 - other.p99, self.p999 - other.p999)


def figures(seconds: Sequence[float]) -> Figures:
    ordered = sorted(seconds)
    mean = math.fsum(ordered) / len(ordered)
    return Figures(*(1e3 * value for value in (mean, *(quantile(ordered, q) for q in (0.5, 0.99, 0.999)))))


def quantile(ordered: Sequence[float], q: float) -> float:
    """The smallest value that at least `q` of all do not exceed (nearest rank). `ordered`: ascending, not empty."""
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]
