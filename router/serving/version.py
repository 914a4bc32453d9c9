"""One version, live, in the control process: its replicas, what the autoscaler sees of it, its numbers of all workers.

Made when a version appears in the configuration, changed in place while it stays, closed when it goes. Requests are the
workers' (`lane`), told of its replicas through its `Allotment`. Implements the autoscaler's `Workload` and
`ScaleTarget`, and the metrics page's `VersionSource`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from autoscaler.policy import Decision, Observation, ScalingSettings
from router.core.leases import Group
from router.discovery.output import RecentLines
from router.model.spec import EndpointKey, Version
from router.serving.crew import Crew
from router.serving.replicas import Premises, Replicas
from router.serving.status import WorkloadView
from router.serving.telling import Happened, Tell, nobody_follows, tell_nobody
from router.telemetry.counters import MirrorTotals, ScaleEvents, VersionTotals
from router.telemetry.source import Counts, VersionLoad

log = logging.getLogger("maitre.serving")

LOOK_S: Final = 0.02
"""How often a version that is to go looks whether requests still wait for it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all live versions share."""

    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]
    premises: Premises
    crew: Crew
    dev_test: bool = False
    tell: Tell = tell_nobody
    happened: Happened = nobody_follows


@dataclass(frozen=True, slots=True)
class VersionOwner:
    """The endpoint of a version. `sizable(version)`: whether it can be scaled has changed."""

    key: EndpointKey
    label: str
    sizable: Callable[[LiveVersion], None]


class LastDecision(NamedTuple):
    """The last decision that was carried out, or begun."""

    at: datetime
    decision: Decision


class LiveVersion:
    def __init__(self, owner: VersionOwner, version: Version, around: Surroundings) -> None:
        """It has no replicas before `apply`, since the workers have to know it first."""
        self.endpoint = owner.label
        self.version = version.name
        self.owner = owner
        self.spec = version
        self.scale_events = ScaleEvents()
        self.traffic_percentile = 0.0
        self.last_decision: LastDecision | None = None
        self._around = around
        slots = version.max_concurrent_requests_per_replica
        self._allotment = around.crew.open(owner.label, version.name, slots)
        self._allotment.away_changed = self._ejected
        label = f"{owner.label}/{version.name}"
        self._replicas = Replicas(label, owner.key, self._allotment, around.premises, self)
        self._settings = _scaling(version, around.dev_test)
        if around.dev_test:  # nothing scales then, so somebody has to start what is there to begin with
            self._replicas.begin(self._settings.fixed_replicas or max(1, self._settings.min_replicas))

    def apply(self, version: Version, directory: Path) -> None:
        """Other settings from now on; the workers are told theirs by the fleet."""
        self.spec = version
        self._settings = self._scaling()
        self._allotment.longest_s = version.scoring_timeout_ms / 1000
        self._allotment.resize(version.max_concurrent_requests_per_replica)
        self._take_replicas(directory)

    async def close(self, drain_s: float) -> None:
        """Ends the replicas when no request waits or runs any more, or after `drain_s`."""
        until = self._around.now() + drain_s
        await self._around.crew.in_force()  # the workers have no route to it any more, so nobody begins to wait
        # looked at now and then: rare, short, and nobody else has to be told when a queue is empty
        while self._waiting() and self._around.now() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        await self._replicas.close(max(0.0, until - self._around.now()))
        self._around.crew.drop(self._allotment)

    def _waiting(self) -> int:
        self._allotment.refresh()
        return self._allotment.queued

    @property
    def group(self) -> Group:
        """What it is to the workers."""
        return self._allotment.group

    @property
    def metrics(self) -> Counts[VersionTotals]:
        return self._allotment.metrics

    @property
    def mirror_metrics(self) -> Counts[MirrorTotals]:
        return self._allotment.mirror_metrics

    @property
    def scalable(self) -> bool:
        """Whether the autoscaler has anything to size."""
        return self._replicas.scalable

    # -- for the autoscaler -----------------------------------------------------------------------------------------

    @property
    def key(self) -> tuple[str, str]:
        return (self.endpoint, self.version)

    def settings(self) -> ScalingSettings:
        return self._settings

    def activity(self) -> int:
        self._allotment.refresh()
        return self._allotment.activity

    def observe(self, now: float) -> Observation:
        allotment, load = self._allotment, self._allotment.everywhere()
        return Observation(
            at=allotment.heard_at(now),
            in_flight=load.in_flight,
            queued=load.queued,
            retrying=load.retrying,
            arrivals=load.arrivals,
            completions=load.completions,
            service_s=load.service_s,
            busy=len(load.held),
            ready=allotment.total,
            unschedulable=self._replicas.workload().unschedulable,
            unheard=allotment.unheard,
        )

    async def scale(self, replicas: int) -> None:
        await self._replicas.scale(replicas)

    def current(self) -> int:
        return self._replicas.size

    # -- for its replicas -------------------------------------------------------------------------------------------

    def workload_changed(self) -> None:
        """What is known of the workload is another than before."""
        self._settings = self._scaling()
        self._allotment.start_on_demand(self._starts_on_demand)
        self.owner.sizable(self)

    def tell(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Something about the workload that its owner will want to know."""
        fields = {"endpoint": self.endpoint, "version": self.version, "event": reason}
        log.log(logging.WARNING if warning else logging.INFO, message, extra={"fields": fields})
        self._around.tell(self.owner.key, reason, f"version {self.version}: {message}", warning=warning)

    def _ejected(self, away: int, replicas: int) -> None:
        """So many of its replicas are left alone now, by the worker that leaves most of them alone."""
        self._around.happened("ejection", self.owner.key, version=self.version, ejected=away, replicas=replicas)

    # -- for the metrics page and the status ------------------------------------------------------------------------

    @property
    def arrivals(self) -> int:
        """Requests so far, the refused ones included."""
        return self._allotment.offered.arrivals

    @property
    def printed(self) -> RecentLines:
        """What its replicas print, where they are local processes."""
        return self._replicas.printed

    def pod_lines(self, tail: int, follow: bool) -> AsyncGenerator[str, None]:
        """What its pods print. Raises, at the call, NoLogs."""
        return self._replicas.pod_lines(tail, follow)

    @property
    def present(self) -> int:
        """Replicas that there are, ready or not."""
        return self._replicas.present

    def workload(self) -> WorkloadView:
        """What hinders its workload in the cluster; nothing, where it has none there."""
        return self._replicas.workload()

    def mark(self) -> Hashable:
        """Something cheap that is another when `load` or `workload` are."""
        seen, replicas = self._allotment, self._replicas
        numbers = (seen.activity, seen.busy, seen.total, replicas.size, self.traffic_percentile)
        return numbers, replicas.workload()

    def load(self) -> VersionLoad:
        seen, in_cluster = self._allotment, self._replicas.in_cluster
        workload = self._replicas.workload()
        seen.refresh()
        return VersionLoad(
            busy=seen.busy,
            total=seen.total,
            slots=seen.total * self.spec.max_concurrent_requests_per_replica,
            in_flight=seen.in_flight,
            queued=seen.queued,
            desired=self._replicas.size if self.scalable else None,
            traffic_percentile=self.traffic_percentile,
            tunnels=seen.tunnels,
            unschedulable=workload.unschedulable if in_cluster else None,
            held_by_hpa=workload.hpa is not None if in_cluster else None,
        )

    def _take_replicas(self, directory: Path) -> None:
        self._replicas.follow(self.spec, directory)
        self._allotment.start_on_demand(self._starts_on_demand)

    @property
    def _starts_on_demand(self) -> bool:
        settings = self._settings
        return self.scalable and settings.enabled and not settings.dry_run and not settings.hands_off

    def _scaling(self) -> ScalingSettings:
        return _scaling(self.spec, self._around.dev_test, hands_off=self._replicas.workload().hpa is not None)

    def __repr__(self) -> str:
        return f"<LiveVersion {self.endpoint}/{self.version} {self._allotment!r}>"


def _scaling(version: Version, dev_test: bool, hands_off: bool = False) -> ScalingSettings:
    autoscale = version.autoscale
    return ScalingSettings(
        enabled=autoscale.enabled,
        min_replicas=autoscale.min_replicas,
        max_replicas=autoscale.max_replicas,
        target_utilization=autoscale.target_utilization,
        slots=version.max_concurrent_requests_per_replica,
        refresh_s=autoscale.refresh_period_seconds,
        scale_down_window_s=autoscale.scale_down_window_seconds,
        fixed_replicas=version.fixed_replicas,
        dry_run=dev_test,
        hands_off=hands_off,
    )
