"""All that was seen of a run, as plain values. Written by load, log and observer; read by view, judge and summary.

Times are seconds since the run began. The log tells the time of day, so a `Timeline` is pinned to both clocks once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from router.telemetry.histogram import OVERHEAD_BOUNDS, HistogramSnapshot

NO_OVERHEAD = HistogramSnapshot(OVERHEAD_BOUNDS, (0,) * (len(OVERHEAD_BOUNDS) + 1), 0.0)


class Timeline:
    """The run's own clock, beginning at 0."""

    def __init__(self) -> None:
        self._monotonic = time.monotonic()
        self._day = datetime.now(UTC)

    def now(self) -> float:
        return time.monotonic() - self._monotonic

    def at(self, moment: datetime) -> float:
        """When that was, by a clock of the day."""
        return (moment - self._day).total_seconds()


class Answer(NamedTuple):
    """One request and what came of it."""

    due: float
    """When it was to be sent. Latency counts from here: a late sender must not make the router look fast."""
    done: float
    status: int
    """0: there was no answer."""
    reason: str = ""
    """The router's word for it, if the status is not 200; empty if it gave none."""
    version: str = ""
    replica: str = ""
    right: int = 0
    """Images recognized, of `images`."""
    images: int = 0

    @property
    def latency_s(self) -> float:
        return self.done - self.due


class Load(NamedTuple):
    """One version at one moment, as the metrics page has it."""

    busy: int = 0
    total: int = 0
    queued: int = 0
    desired: int = 0


class Sample(NamedTuple):
    """The metrics page at one moment."""

    at: float
    versions: Mapping[str, Load]
    overhead: HistogramSnapshot
    """Time per request that the router added, since it started."""


class Scaling(NamedTuple):
    """A decision of the autoscaler, from the log."""

    at: float
    version: str
    before: int
    after: int
    reason: str
    demand: float

    @property
    def up(self) -> bool:
        return self.after > self.before


class Start(NamedTuple):
    """A replica's process began, from the log. It can serve only later."""

    at: float
    version: str
    replica: str
    pid: int


class PhaseBegan(NamedTuple):
    name: str
    rps: float
    at: float


@dataclass(slots=True)
class Seen:
    """Grows while the run goes on."""

    sent: int = 0
    phases: list[PhaseBegan] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    scalings: list[Scaling] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    left_running: list[int] = field(default_factory=list)
    """Process ids of replicas that outlived the router."""
    router_exit: int | None = None

    def began(self, phase: str) -> float | None:
        """When a phase began; None when it did not."""
        return next((each.at for each in self.phases if each.name == phase), None)

    def added(self) -> HistogramSnapshot:
        """Time per request that the router added, over the whole run."""
        return self.samples[-1].overhead.since(self.samples[0].overhead) if self.samples else NO_OVERHEAD
