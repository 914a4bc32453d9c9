"""What all workers have counted, summed: exact, also when workers come and go.

Each worker says the whole of what it has counted since its start, now and then; what it said last stands for it. When
it has gone, that goes into a sum of those gone, so that no counter ever falls.

Called by `crew`; read by the metrics page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from router.telemetry.counters import (
    EndpointMetrics,
    EndpointTotals,
    MirrorMetrics,
    MirrorTotals,
    VersionMetrics,
    VersionTotals,
)

T = TypeVar("T")


class Sum(Protocol[T]):
    """What totals can be added to."""

    def merge(self, totals: T) -> None: ...
    def snapshot(self) -> T | None: ...


class Tally(Generic[T]):
    """Of one version, or one endpoint."""

    def __init__(self, empty: Callable[[], Sum[T]]) -> None:
        self._empty = empty
        self._gone: T | None = None
        self._said: dict[str, T] = {}

    def said(self, worker: str, totals: T) -> None:
        """All that this worker has counted until now."""
        self._said[worker] = totals

    def left(self, worker: str) -> None:
        """There is nothing more to come from it."""
        last = self._said.pop(worker, None)
        if last is not None:
            self._gone = self._sum([last])

    def snapshot(self) -> T | None:
        """What all of them have counted; None: nothing."""
        if self._gone is None and len(self._said) == 1:
            return next(iter(self._said.values()))
        return self._sum(list(self._said.values()))

    def _sum(self, more: list[T]) -> T | None:
        if self._gone is None and not more:
            return None
        total = self._empty()
        for each in more if self._gone is None else [self._gone, *more]:
            total.merge(each)
        return total.snapshot()


def version_tally() -> Tally[VersionTotals]:
    return Tally(VersionMetrics)


def endpoint_tally() -> Tally[EndpointTotals]:
    return Tally(EndpointMetrics)


def mirror_tally() -> Tally[MirrorTotals]:
    return Tally(MirrorMetrics)
