"""Which HorizontalPodAutoscalers there are in one namespace, or in all, and which workload each of them scales.

One names its target by kind, name and API group; the version within the group plays no part. KEDA and others work
through them too. Until they were listed once, nobody knows who else scales a workload: it is then not `known`. Made and
run by `workloads`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from lightkube.resources.autoscaling_v1 import HorizontalPodAutoscaler

from router.discovery.following import Following
from router.discovery.workload import Workload


class Scaled(NamedTuple):
    """What is scaled: objects of different groups may have the same kind and name."""

    namespace: str
    group: str
    kind: str
    name: str

    @classmethod
    def of(cls, namespace: str, api_version: str | None, kind: str, name: str) -> Scaled:
        return cls(namespace, (api_version or "").rpartition("/")[0], kind, name)


class Hpas:
    """`scope` is a namespace; None: all."""

    def __init__(self, scope: str | None, following: Following) -> None:
        self._scope = scope
        self._following = following
        self._listed = False
        self._scaled: dict[tuple[str, str], Scaled] = {}  # by namespace and name of the HPA
        self._hpas: defaultdict[Scaled, set[str]] = defaultdict(set)
        self._workloads: defaultdict[Scaled, list[Workload]] = defaultdict(list)

    def __bool__(self) -> bool:
        """Whether somebody needs it."""
        return bool(self._workloads)

    def add(self, workload: Workload) -> None:
        scaled = _scaled(workload)
        self._workloads[scaled].append(workload)
        if self._listed:
            self._tell(scaled)

    def discard(self, workload: Workload) -> None:
        scaled = _scaled(workload)
        self._workloads[scaled].remove(workload)
        if not self._workloads[scaled]:
            del self._workloads[scaled]

    async def run(self) -> None:
        """Until cancelled."""
        await self._following.follow(HorizontalPodAutoscaler, self, self._scope)

    # -- what the API server has --------------------------------------------------------------------------------------

    def replace(self, namespace: str | None, objects: Sequence[HorizontalPodAutoscaler]) -> None:
        self._scaled.clear()
        self._hpas.clear()
        for hpa in objects:
            self._enter(hpa)
        self._listed = True
        for scaled in list(self._workloads):
            self._tell(scaled)

    def put(self, object: HorizontalPodAutoscaler) -> None:
        before = self._strike(object)
        now = self._enter(object)
        if before != now:
            self._tell(before)
        self._tell(now)

    def remove(self, object: HorizontalPodAutoscaler) -> None:
        self._tell(self._strike(object))

    def cut_off(self, reason: str) -> None:
        if not self._listed:
            problem = f"not scaled while nobody knows what else scales it: HorizontalPodAutoscalers: {reason}"
            for workload in [each for several in self._workloads.values() for each in several]:
                workload.hpas_unknown(problem)

    def _enter(self, hpa: HorizontalPodAutoscaler) -> Scaled | None:
        namespace, name = _name(hpa)
        if hpa.spec is None:
            return None
        target = hpa.spec.scaleTargetRef
        scaled = Scaled.of(namespace, target.apiVersion, target.kind, target.name)
        self._scaled[namespace, name] = scaled
        self._hpas[scaled].add(name)
        return scaled

    def _strike(self, hpa: HorizontalPodAutoscaler) -> Scaled | None:
        namespace, name = _name(hpa)
        scaled = self._scaled.pop((namespace, name), None)
        if scaled is not None:
            self._hpas[scaled].discard(name)
            if not self._hpas[scaled]:
                del self._hpas[scaled]
        return scaled

    def _tell(self, scaled: Scaled | None) -> None:
        if scaled is not None:
            hpa = min(self._hpas.get(scaled, ()), default=None)
            for workload in list(self._workloads.get(scaled, ())):
                workload.scaled_by(hpa)

    def __repr__(self) -> str:
        there = len(self._scaled) if self._listed else "unknown"
        return f"<Hpas in {self._scope or 'all namespaces'}: {there}>"


def _scaled(workload: Workload) -> Scaled:
    target = workload.target
    return Scaled.of(workload.namespace, target.api_version, target.kind, target.name)


def _name(hpa: HorizontalPodAutoscaler) -> tuple[str, str]:
    metadata = hpa.metadata
    return (metadata.namespace or "", metadata.name or "") if metadata else ("", "")
