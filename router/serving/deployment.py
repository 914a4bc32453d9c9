"""The replicas of one version in a cluster: the pods of its workload, and the workload's size.

Joins what `router.discovery` knows of the workload (size, selector, what stands in the way) with its pods: the selector
says which they are, and before the size goes down the pods that are missed least are made ready to go. Owned by
`Replicas`; tells the version (`WorkloadOwner`) what changes. Runs on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import astuple, dataclass
from typing import Final

from router.discovery.marks import Marker
from router.discovery.pod_replicas import PodReplicas
from router.discovery.pods import PodBoard
from router.discovery.roster import ReplicaTls, Roster
from router.discovery.selectors import Selector, SelectorRefused
from router.discovery.workload import Workload
from router.discovery.workloads import Workloads
from router.errors import NoLogs
from router.model.spec import DeploymentTarget
from router.serving.pod_logs import PodLogs, PodReading, Which
from router.serving.status import UNHINDERED, WorkloadView
from router.serving.workload import WorkloadOwner

log = logging.getLogger("maitre.serving")

_NOTHING: Final = astuple(UNHINDERED)
"""To compare with, since all are looked at again and again."""


@dataclass(frozen=True, slots=True)
class ClusterPremises:
    """What all versions in a cluster share."""

    loop: asyncio.AbstractEventLoop
    pods: PodBoard
    workloads: Workloads
    marker: Marker
    logs: PodLogs


class DeploymentReplicas:
    """Implements `WorkloadReplicas`, and the workload's `Listener`."""

    def __init__(
        self, label: str, namespace: str, roster: Roster, cluster: ClusterPremises, owner: WorkloadOwner
    ) -> None:
        self._label = label
        self._namespace = namespace
        self._cluster = cluster
        self._owner = owner
        self._target: DeploymentTarget | None = None
        self._tls: ReplicaTls | None = None
        self._workload: Workload | None = None
        self._selector: Selector | None = None
        self._problem: str | None = None
        self._readings: set[PodReading] = set()
        self._pods = PodReplicas(label, roster=roster, board=cluster.pods, marker=cluster.marker, loop=cluster.loop)

    def follow(self, target: DeploymentTarget, tls: ReplicaTls | None) -> None:
        """Takes the pods of this workload from now on; of another one, as soon as it is known which they are."""
        before, self._target, self._tls = self._target, target, tls
        if before is not None and _workload_of(before) == _workload_of(target):
            self._follow_pods()
            return
        self._leave()
        self._workload = self._cluster.workloads.follow(self._namespace, target, self)

    async def close(self) -> None:
        """No replicas from now on. The workload keeps its size: it is not ours."""
        self._leave()
        self._target = None
        await self._pods.close()

    @property
    def known(self) -> bool:
        """Whether there is a size to begin with."""
        return self._workload is not None and self._workload.known

    def current(self) -> int:
        return 0 if self._workload is None else self._workload.current()

    async def scale(self, replicas: int) -> None:
        """Raises what the workload's `scale` raises; what was made ready to go is taken back then."""
        workload = self._workload
        if workload is None:
            return
        if replicas < workload.current():
            await self._pods.prepare_shrink(replicas)
        elif replicas > workload.current():
            self._pods.cancel_shrink()
        try:
            await workload.scale(replicas)
        finally:
            if workload.current() != replicas:
                self._pods.cancel_shrink()
            self._pods.expecting(workload.current())

    def view(self) -> WorkloadView:
        workload = self._workload
        if workload is None:
            return UNHINDERED
        seen = (
            workload.problem or self._problem,
            workload.failure,
            workload.hpa,
            self._pods.unschedulable,
            not workload.settled.is_set(),
        )
        return UNHINDERED if seen == _NOTHING else WorkloadView(*seen)

    def lines(self, tail: int, follow: bool) -> AsyncGenerator[str, None]:
        if self._selector is None or self._target is None:
            reason = self._problem or (self._workload.problem if self._workload is not None else None)
            raise NoLogs(f"which pods {self._label} has is not known{': ' if reason else ''}{reason or ''}")
        which = Which(self._namespace, self._selector, self._target.port)
        return self._read(self._cluster.logs.read(which, tail, follow=follow))

    async def _read(self, reading: PodReading) -> AsyncGenerator[str, None]:
        self._readings.add(reading)
        try:
            async with aclosing(reading.lines()) as lines:
                async for line in lines:
                    yield line
        finally:
            self._readings.discard(reading)

    # -- what the workload says ---------------------------------------------------------------------------------------

    def found(self, replicas: int) -> None:
        self._pods.expecting(replicas)
        self._owner.workload_changed()

    def lost(self) -> None:
        self._pods.expecting(0)
        self._owner.workload_changed()

    def selects(self, selector: str) -> None:
        try:
            self._selector, self._problem = Selector.parse(selector), None
        except SelectorRefused as error:
            self._problem = f"its selector {selector!r} cannot be understood: {error}"
        self._follow_pods()

    def scaled_by_others(self, before: int, after: int) -> None:
        if after > before:
            self._pods.cancel_shrink()
        self._pods.expecting(after)
        self._owner.tell("ScaledByOthers", f"somebody else scaled from {before} to {after} replicas; it is adopted")

    def hpa_changed(self, hpa: str | None) -> None:
        self._owner.workload_changed()

    def failure_changed(self, failure: str | None) -> None:
        """The status shows it."""

    def problem_changed(self, problem: str | None) -> None:
        if problem is not None:
            log.warning("%s: %s", self._label, problem)

    # -- within -------------------------------------------------------------------------------------------------------

    def _follow_pods(self) -> None:
        """Not before it is known which: until then the pods of the target before stay, at their own port."""
        if self._target is not None and self._workload is not None and self._workload.selector is not None:
            self._pods.follow(self._namespace, self._selector, self._target.port, self._tls)

    def _leave(self) -> None:
        for reading in tuple(self._readings):
            reading.close()
        if self._workload is not None:
            self._cluster.workloads.release(self._workload)
            self._workload = None


def _workload_of(target: DeploymentTarget) -> tuple[str, str, str]:
    """The port may change and it is still the same workload."""
    return target.api_version, target.kind, target.name
