"""How requests ended and how long they took: what the data plane writes at the end of each one.

Three places, so that every request is counted exactly once and no label is ever made from what a client sent:

- `VersionMetrics`, one per endpoint and version, for requests that a version was picked for;
- `EndpointMetrics`, one per endpoint, for those that ended before (a wrong key, a pin to no version): label version "";
- one more `EndpointMetrics` per process for requests that matched no endpoint: both labels "".

Copies of requests for mirror versions are no requests: they have a place of their own, `MirrorMetrics`, so that what
users got and what a mirror made of it never mix.

The worker's event loop is the only writer. Objects live as long as the version they count for, over reloads of the
configuration, so that counters never fall. Workers ship snapshots; the control process merges them.

`code` is the status that was sent, and 0 when none was, as for `client_gone` before the response began. It becomes the
label code "0", as in Istio's `response_code`: it matches neither "4.." nor "5..", so alerts on either leave out clients
that gave up, and it is no status that a model could have answered, as nginx's 499 could.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from router.errors import CopyDropped, Outcome
from router.telemetry.histogram import DURATION_BOUNDS, OVERHEAD_BOUNDS, Histogram, HistogramSnapshot


class EndpointTotals(NamedTuple):
    """What an `EndpointMetrics` has counted since it was made; immutable by convention, picklable."""

    requests: Mapping[tuple[Outcome, int], int]
    duration: HistogramSnapshot


class VersionTotals(NamedTuple):
    """What a `VersionMetrics` has counted since it was made; immutable by convention, picklable."""

    requests: Mapping[tuple[Outcome, int], int]
    duration: HistogramSnapshot
    upstream: HistogramSnapshot
    queue: HistogramSnapshot
    overhead: HistogramSnapshot


class MirrorTotals(NamedTuple):
    """What a `MirrorMetrics` has counted since it was made; immutable by convention, picklable."""

    copies: Mapping[Outcome | CopyDropped, int]
    duration: HistogramSnapshot


class EndpointMetrics:
    """Requests that ended before a version was picked."""

    __slots__ = ("_duration", "_requests", "_resting", "_woken")

    def __init__(self, woken: Callable[[EndpointMetrics], None] | None = None) -> None:
        """`woken` is called at the first request, and at the first one after `rest`."""
        self._requests: defaultdict[tuple[Outcome, int], int] = defaultdict(int)
        self._duration = Histogram(DURATION_BOUNDS)
        self._woken = woken
        self._resting = woken is not None

    def finished(self, outcome: Outcome, code: int, total_s: float) -> None:
        """Count one request. `code`: the status sent, 0 if none; `total_s`: from the head's first byte to the end."""
        self._requests[outcome, code] += 1
        self._duration.observe(total_s)
        if self._resting and self._woken is not None:
            self._resting = False
            self._woken(self)

    def rest(self) -> None:
        """What was counted has been read; the next request is to be told."""
        self._resting = True

    def merge(self, totals: EndpointTotals) -> None:
        _add_requests(self._requests, totals.requests)
        self._duration.merge(totals.duration)

    def snapshot(self) -> EndpointTotals | None:
        """What was counted until now; None, which costs next to nothing, where there was no request yet."""
        if not self._requests:
            return None
        return EndpointTotals(dict(self._requests), self._duration.snapshot())

    def __repr__(self) -> str:
        return f"<EndpointMetrics {sum(self._requests.values())} requests>"


class VersionMetrics:
    """Requests that a version was picked for."""

    __slots__ = ("_duration", "_overhead", "_queue", "_requests", "_upstream")

    def __init__(self) -> None:
        self._requests: defaultdict[tuple[Outcome, int], int] = defaultdict(int)
        self._duration = Histogram(DURATION_BOUNDS)
        self._upstream = Histogram(DURATION_BOUNDS)
        self._queue = Histogram(DURATION_BOUNDS)
        self._overhead = Histogram(OVERHEAD_BOUNDS)

    def finished(
        self, outcome: Outcome, code: int, total_s: float, upstream_s: float, queue_s: float, overhead_s: float
    ) -> None:
        """Count one request, all durations in seconds.

        `code`: the status sent, 0 if none. `upstream_s`: time with the replica; negative when the request never got
        a slot, and then it counts towards the requests and their whole duration only: waiting in vain is no queue
        wait, and a refusal says nothing about overhead. `overhead_s`, what is left of `total_s`, may be a rounding
        error below 0.
        """
        self._requests[outcome, code] += 1
        self._duration.observe(total_s)
        if upstream_s >= 0.0:
            self._upstream.observe(upstream_s)
            self._queue.observe(queue_s)
            self._overhead.observe(overhead_s if overhead_s > 0.0 else 0.0)  # noqa: FURB136  max() takes thrice as long

    def merge(self, totals: VersionTotals) -> None:
        _add_requests(self._requests, totals.requests)
        self._duration.merge(totals.duration)
        self._upstream.merge(totals.upstream)
        self._queue.merge(totals.queue)
        self._overhead.merge(totals.overhead)

    def snapshot(self) -> VersionTotals | None:
        """What was counted until now; None, which costs next to nothing, where there was no request yet."""
        if not self._requests:
            return None
        return VersionTotals(
            dict(self._requests),
            self._duration.snapshot(),
            self._upstream.snapshot(),
            self._queue.snapshot(),
            self._overhead.snapshot(),
        )

    def __repr__(self) -> str:
        return f"<VersionMetrics {sum(self._requests.values())} requests>"


class MirrorMetrics:
    """Copies of live requests for one mirror version."""

    __slots__ = ("_copies", "_duration")

    def __init__(self) -> None:
        self._copies: defaultdict[Outcome | CopyDropped, int] = defaultdict(int)
        self._duration = Histogram(DURATION_BOUNDS)

    def finished(self, outcome: Outcome, total_s: float) -> None:
        """Count one copy. `total_s`: from when the request was there in full to the end of the mirror's answer."""
        self._copies[outcome] += 1
        self._duration.observe(total_s)

    def dropped(self, reason: CopyDropped) -> None:
        """Count one copy that was not sent; it took no time."""
        self._copies[reason] += 1

    def merge(self, totals: MirrorTotals) -> None:
        for ending, count in totals.copies.items():
            self._copies[ending] += count
        self._duration.merge(totals.duration)

    def snapshot(self) -> MirrorTotals | None:
        """What was counted until now; None where there was no copy yet."""
        if not self._copies:
            return None
        return MirrorTotals(dict(self._copies), self._duration.snapshot())

    def __repr__(self) -> str:
        return f"<MirrorMetrics {sum(self._copies.values())} copies>"


class ScaleEvents:
    """How often a version's workload was raised and lowered. The loop that applies decisions is the only writer."""

    __slots__ = ("down", "up")

    def __init__(self) -> None:
        self.up = 0
        self.down = 0

    def applied(self, before: int, after: int) -> None:
        """Count one applied decision from `before` to `after` replicas; keeping the size is no event."""
        if after > before:
            self.up += 1
        elif after < before:
            self.down += 1

    def __repr__(self) -> str:
        return f"<ScaleEvents up {self.up}, down {self.down}>"


def _add_requests(into: defaultdict[tuple[Outcome, int], int], more: Mapping[tuple[Outcome, int], int]) -> None:
    for ending, count in more.items():
        into[ending] += count
