"""How often each duration was seen: a histogram with fixed upper bounds, in seconds.

`observe` is on the way of every request, so it is one bisection and two additions. Counts are kept per bucket and
become cumulative only when a page of metrics is rendered. Two histograms of the same bounds add up exactly, which is
how the control process sums its workers; a later snapshot minus an earlier one is what happened in between, which is
what a live table shows.

The worker's event loop both writes and takes the snapshots, which are immutable and may go to other threads.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, pairwise
from math import ceil
from operator import add, sub
from typing import Final, NamedTuple

DURATION_BOUNDS: Final[tuple[float, ...]] = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""0.1 ms to 60 s, the default of `scoringTimeoutMs`, in Prometheus's usual steps of 1, 2.5, 5."""

OVERHEAD_BOUNDS: Final[tuple[float, ...]] = (
    *(0.00001, 0.000025, 0.00005, 0.000075, 0.0001, 0.00015, 0.0002, 0.0003, 0.0004, 0.0005),
    *(0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1),
)
"""10 µs to 100 ms. The targets (mean 0.5 ms, 99th percentile 3 ms) are bounds themselves, so the 3 ms one is exact."""


class HistogramSnapshot(NamedTuple):
    """A histogram at one moment, immutable and picklable. `counts` has one more entry than `bounds`: what is above."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum_s: float

    @property
    def observations(self) -> int:
        return sum(self.counts)

    def cumulative(self) -> list[int]:
        """For each bound, and for +Inf last, how many observations were at most that."""
        return list(accumulate(self.counts))

    def since(self, earlier: HistogramSnapshot) -> HistogramSnapshot:
        """What was observed after `earlier`, a snapshot of the same histogram."""
        _require_same_bounds(self.bounds, earlier.bounds)
        return HistogramSnapshot(self.bounds, tuple(map(sub, self.counts, earlier.counts)), self.sum_s - earlier.sum_s)

    def quantile(self, q: float) -> float | None:
        """The duration below which the share `q` (0 to 1) of the observations lies, in seconds; None without any.

        Linear within the bucket and the highest bound for what lies above it, as PromQL's `histogram_quantile` has it.
        """
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"a quantile is between 0 and 1, not {q}")
        cumulative = self.cumulative()
        if cumulative[-1] == 0:
            return None
        rank = q * cumulative[-1]
        bucket = bisect_left(cumulative, max(1, ceil(rank)))
        if bucket == len(self.bounds):
            return self.bounds[-1]
        lower = self.bounds[bucket - 1] if bucket else 0.0
        below = cumulative[bucket] - self.counts[bucket]
        return lower + (self.bounds[bucket] - lower) * (rank - below) / self.counts[bucket]


class Histogram:
    """Counts durations. `bounds` are upper bounds in seconds, rising; a duration equal to a bound is within it."""

    __slots__ = ("_bounds", "_counts", "_sum_s")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        if not bounds or any(low >= high for low, high in pairwise(bounds)):
            raise ValueError(f"the bounds of a histogram rise, and there is at least one: {bounds}")
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum_s = 0.0

    def observe(self, duration_s: float) -> None:
        """Count one duration, 0 or more. Not checked: a negative one would make the sum fall, which no counter may."""
        self._counts[bisect_left(self._bounds, duration_s)] += 1
        self._sum_s += duration_s

    def merge(self, other: HistogramSnapshot) -> None:
        """Add what another histogram of the same bounds has counted."""
        _require_same_bounds(self._bounds, other.bounds)
        self._counts = list(map(add, self._counts, other.counts))
        self._sum_s += other.sum_s

    def snapshot(self) -> HistogramSnapshot:
        return HistogramSnapshot(self._bounds, tuple(self._counts), self._sum_s)

    def quantile(self, q: float) -> float | None:
        """See `HistogramSnapshot.quantile`."""
        return self.snapshot().quantile(q)

    def __repr__(self) -> str:
        return f"<Histogram {sum(self._counts)} observations, {self._sum_s:.6f} s>"


def _require_same_bounds(ours: tuple[float, ...], theirs: tuple[float, ...]) -> None:
    if ours != theirs:
        raise ValueError(f"histograms of different bounds do not add up: {ours} and {theirs}")
