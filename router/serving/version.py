"""One version, live: its admission, its replicas, its counts, and what the autoscaler sees of it.

Made when a version appears in the configuration, changed in place while it stays, closed when it goes: requests in
flight and waiting go on through every change. Implements the autoscaler's `Workload` and `ScaleTarget`, and the metrics
page's `VersionSource`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autoscaler.policy import Observation, ScalingSettings
from router.core.admission import Admission, Limits
from router.core.routes import MirrorRoute, VersionRoute
from router.model.spec import EndpointKey, Version
from router.proxy.grants import Waiter, perform
from router.proxy.upstream import Upstream
from router.serving.replicas import Premises, Replicas
from router.serving.seats import Seats
from router.serving.status import WorkloadView
from router.serving.telling import Tell, tell_nobody
from router.telemetry.counters import MirrorMetrics, ScaleEvents, VersionMetrics
from router.telemetry.source import VersionLoad

log = logging.getLogger("maitre.serving")

LOOK_S: Final = 0.02
"""How often a version that is to go looks whether requests still wait for it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all live versions share. `load_rose(endpoint, version)`: a request has to wait or is refused."""

    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]
    premises: Premises
    load_rose: Callable[[str, str], None]
    dev_test: bool = False
    tell: Tell = tell_nobody


@dataclass(frozen=True, slots=True)
class VersionOwner:
    """The endpoint of a version. `sizable(version)`: whether it can be scaled has changed."""

    key: EndpointKey
    label: str
    sizable: Callable[[LiveVersion], None]


class LiveVersion:
    def __init__(
        self, owner: VersionOwner, version: Version, directory: Path, around: Surroundings, server_timing: bool = False
    ) -> None:
        self.endpoint = owner.label
        self.version = version.name
        self.owner = owner
        self.spec = version
        self.metrics = VersionMetrics()
        self.mirror_metrics: MirrorMetrics | None = None
        self.scale_events = ScaleEvents()
        self.traffic_percentile = 0.0
        self._server_timing = server_timing
        self._around = around
        self._admission: Admission[Waiter, Upstream] = Admission(_limits(version))
        self._seats = Seats(self._admission, around.loop, around.now)
        self._replicas = Replicas(f"{owner.label}/{version.name}", owner.key, self._seats, around.premises, self)
        self._settings = _scaling(version, around.dev_test)
        self.route = self._compile()
        self._take_replicas(directory)
        if around.dev_test:  # nothing scales then, so somebody has to start what is there to begin with
            self._replicas.begin(self._settings.fixed_replicas or max(1, self._settings.min_replicas))

    def apply(self, version: Version, directory: Path, server_timing: bool) -> None:
        """Other settings from now on. A request that is under way keeps the time-outs it began with."""
        self._server_timing = server_timing
        self.spec = version
        self._settings = self._scaling()
        self.route = self._compile()
        now = self._around.now()
        perform(self._admission.apply(_limits(version), now), now)
        self._take_replicas(directory)

    async def close(self, drain_s: float) -> None:
        """Ends the replicas when no request waits or runs any more, or after `drain_s`."""
        until = self._around.now() + drain_s
        # looked at now and then: rare, short, and nobody else has to be told when a queue is empty
        while self._admission.queued and self._around.now() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        await self._replicas.close(max(0.0, until - self._around.now()))

    def mirror(self) -> MirrorRoute | None:
        """This version as a mirror of its endpoint; None when it is none."""
        if not self.spec.is_mirror:
            return None
        if self.mirror_metrics is None:  # for all that follows, also should it be a mirror once more
            self.mirror_metrics = MirrorMetrics()
        return MirrorRoute(self.route, self.spec.mirror_percentile, self.mirror_metrics)

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
        return self._admission.load.activity

    def observe(self, now: float) -> Observation:
        admission, load = self._admission, self._admission.load
        return Observation(
            at=now,
            in_flight=admission.in_flight,
            queued=admission.queued,
            retrying=load.retrying(now),
            arrivals=load.arrivals,
            completions=load.completions,
            service_s=load.service_s,
            busy=admission.busy,
            ready=admission.total,
            unschedulable=self._replicas.workload().unschedulable,
        )

    async def scale(self, replicas: int) -> None:
        await self._replicas.scale(replicas)

    def current(self) -> int:
        return self._replicas.size

    # -- for its replicas -------------------------------------------------------------------------------------------

    def workload_changed(self) -> None:
        """What is known of the workload is another than before."""
        self._settings = self._scaling()
        self._seats.start_on_demand(self._starts_on_demand)
        self.owner.sizable(self)

    def tell(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Something about the workload that its owner will want to know."""
        fields = {"endpoint": self.endpoint, "version": self.version, "event": reason}
        log.log(logging.WARNING if warning else logging.INFO, message, extra={"fields": fields})
        self._around.tell(self.owner.key, reason, f"version {self.version}: {message}", warning=warning)

    # -- for the metrics page and the status ------------------------------------------------------------------------

    @property
    def arrivals(self) -> int:
        """Requests so far, the refused ones included."""
        return self._admission.load.arrivals

    def workload(self) -> WorkloadView:
        """What hinders its workload in the cluster; nothing, where it has none there."""
        return self._replicas.workload()

    def mark(self) -> Hashable:
        """Something cheap that is another when `load` or `workload` are."""
        admission, replicas = self._admission, self._replicas
        numbers = (admission.load.activity, admission.busy, admission.total, replicas.size, self.traffic_percentile)
        return numbers, replicas.workload()

    def load(self) -> VersionLoad:
        admission, in_cluster = self._admission, self._replicas.in_cluster
        workload = self._replicas.workload()
        return VersionLoad(
            busy=admission.busy,
            total=admission.total,
            slots=admission.total * admission.limits.slots,
            in_flight=admission.in_flight,
            queued=admission.queued,
            desired=self._replicas.size if self.scalable else None,
            traffic_percentile=self.traffic_percentile,
            tunnels=admission.tunnels,
            unschedulable=workload.unschedulable if in_cluster else None,
            held_by_hpa=workload.hpa is not None if in_cluster else None,
        )

    def _compile(self) -> VersionRoute:
        load_rose, key = self._around.load_rose, self.key
        return VersionRoute(
            endpoint=self.endpoint,
            name=self.version,
            admission=self._admission,
            recorder=self.metrics,
            scoring_path=self.spec.scoring_path,
            scoring_timeout_s=self.spec.scoring_timeout_ms / 1000,
            load_rose=lambda: load_rose(*key),
            server_timing=self._server_timing,
        )

    def _take_replicas(self, directory: Path) -> None:
        self._replicas.follow(self.spec, directory)
        self._seats.start_on_demand(self._starts_on_demand)

    @property
    def _starts_on_demand(self) -> bool:
        settings = self._settings
        return self.scalable and settings.enabled and not settings.dry_run and not settings.hands_off

    def _scaling(self) -> ScalingSettings:
        return _scaling(self.spec, self._around.dev_test, hands_off=self._replicas.workload().hpa is not None)

    def __repr__(self) -> str:
        return f"<LiveVersion {self.endpoint}/{self.version} {self._admission!r}>"


def _limits(version: Version) -> Limits:
    return Limits(
        slots=version.max_concurrent_requests_per_replica,
        queue_wait_s=version.max_queue_wait_ms / 1000,
        queue_length=version.max_queue_length,
        cold_start_s=version.cold_start_timeout_ms / 1000,
    )


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
