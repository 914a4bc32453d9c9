"""What has been, over the last seconds: the highest wish, and the load that was offered. Pure and immutable.

Two windows, both keyed by timestamps (monotonic seconds), both values: adding returns a new one, so that a state of the
policy can be kept and replayed. Memory is bounded whatever the rate of samples, because samples that fall into one
`GRAINS`th of the window are merged. Called by the policy only.

`MaxWindow` reads its samples as a step function: a value stands until the next one is added. So it does not matter
whether the workload was looked at ten times a second or, being idle, not at all for an hour. It is a monotonic queue:
values fall strictly from old to new, each with the time until which it stood, so the maximum is always the first.
Each sample is pushed and dropped once; what a copy costs is bounded by GRAINS pairs and is in practice the handful of
sizes that are still remembered.

`LoadWindow` keeps cumulative counters and takes differences, over the time that really lies between two samples: a
gap spreads what happened in it, it never looks like a burst. A counter that fell has been reset: the past is
forgotten then, except for the mean service time, which describes the model and not the process that counted.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

GRAINS: Final = 600
"""The finest resolution: 0.1 s of a window of 60 s, the shortest time between two decisions."""

LOAD_HISTORY_S: Final = 60.0
"""How far back counters are kept; also the longest time over which a rate or a mean is taken."""


class Stood(NamedTuple):
    """A value and the time until which it was the newest."""

    until: float
    value: int


@dataclass(frozen=True, slots=True)
class MaxWindow:
    """The highest of the values that stood in the last `width_s` seconds (told at each addition: settings change)."""

    since: float
    """Everything that stood at or after this time is remembered."""
    falling: tuple[Stood, ...]
    """Never empty."""

    @classmethod
    def begin(cls, at: float, value: int) -> MaxWindow:
        """A window without a past, in which `value` stands from `at` on."""
        return cls(at, (Stood(at, value),))

    def add(self, at: float, value: int, width_s: float) -> MaxWindow:
        """The window at time `at`, from which on `value` stands. Times must not run backwards."""
        start = at - width_s
        kept = self._closed(at, width_s)
        while kept and kept[-1].value <= value:
            kept.pop()
        # Half open: what stood until the very start of the window was not there any more when the window began.
        first = next((index for index, stood in enumerate(kept) if stood.until > start), len(kept))
        return MaxWindow(max(self.since, start), (*kept[first:], Stood(at, value)))

    def _closed(self, at: float, width_s: float) -> list[Stood]:
        """The queue with its newest value ended at `at`; one grain keeps only the highest value that ended in it."""
        kept = list(self.falling)
        kept[-1] = kept[-1]._replace(until=at)
        grain = width_s / GRAINS
        if len(kept) > 1 and grain > 0 and kept[-2].until // grain == at // grain:
            kept[-2:] = [kept[-2]._replace(until=at)]
        return kept

    @property
    def maximum(self) -> int:
        """The highest value that stood in the window."""
        return self.falling[0].value

    def covers(self, at: float, width_s: float) -> bool:
        """Whether all of the last `width_s` seconds is known: not so in the first window, or after it grew."""
        return self.since <= at - width_s


class Counters(NamedTuple):
    """Cumulative counters of a workload at one time. `service_s` is the sum over `completions`."""

    at: float
    arrivals: int
    completions: int
    service_s: float


@dataclass(frozen=True, slots=True)
class LoadWindow:
    """Arrival rates and the mean service time of the recent past, from cumulative counters."""

    samples: tuple[Counters, ...] = ()
    service_s: float | None = None
    """Mean service time of what completed in the window, or the last one known; None before the first completion."""

    def add(self, sample: Counters) -> LoadWindow:
        """The window with a newer sample; one that is not newer changes nothing."""
        if not self.samples:
            return replace(self, samples=(sample,))
        newest = self.samples[-1]
        if sample.at <= newest.at:
            return self
        if any(now < before for now, before in zip(sample[1:], newest[1:], strict=True)):
            return replace(self, samples=(sample,))
        samples = (*self._recent(sample.at), sample)
        completed = sample.completions - samples[0].completions
        mean = (sample.service_s - samples[0].service_s) / completed if completed else self.service_s
        return LoadWindow(samples, mean)

    def _recent(self, at: float) -> tuple[Counters, ...]:
        """The samples to keep beside one at `at`: from the newest that is a whole window old on, one to a grain."""
        kept = self.samples[max(0, self._at_or_before(at - LOAD_HISTORY_S)) :]
        grain = LOAD_HISTORY_S / GRAINS
        if len(kept) > 1 and kept[-1].at // grain == kept[-2].at // grain:
            return kept[:-1]
        return kept

    def rate(self, over_s: float) -> float:
        """Arrivals per second over the last `over_s` seconds (or since the first sample, if that is less far back).

        The divisor is never less than `over_s`: right after a start, few arrivals in little time are no high rate.
        """
        base = max(0, self._at_or_before(self.samples[-1].at - over_s)) if self.samples else 0
        return self._rate_from(base, over_s)

    def rate_of_last(self, arrivals: int, at_least_s: float, at_most_s: float) -> float:
        """The rate over the shortest time in these limits that saw so many arrivals; 0 if none did."""
        if not self.samples:
            return 0.0
        newest = self.samples[-1]
        counted = bisect_right(self.samples, newest.arrivals - arrivals, key=lambda sample: sample.arrivals) - 1
        if counted < 0 or newest.at - self.samples[counted].at > at_most_s:
            return 0.0
        return self._rate_from(max(0, min(counted, self._at_or_before(newest.at - at_least_s))), at_least_s)

    def _rate_from(self, base: int, at_least_s: float) -> float:
        if not self.samples:
            return 0.0
        first, newest = self.samples[base], self.samples[-1]
        return (newest.arrivals - first.arrivals) / max(newest.at - first.at, at_least_s)

    def _at_or_before(self, at: float) -> int:
        """Index of the newest sample at or before `at`; -1 if there is none."""
        return bisect_right(self.samples, at, key=lambda sample: sample.at) - 1
