"""What `status` of a ScoringEndpoint resource says: conditions, and per version traffic, ready, desired and busy.

Pure: what is known of one endpoint in, the status out. A condition keeps its lastTransitionTime for as long as its
status stays the same, across router restarts too: the conditions that stand in the resource are handed in. `settled`
is what must be written at once when it changes; the rest are numbers that may wait. Called by `reporter.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

MAX_MESSAGE: Final = 2000
"""Characters; the API allows 32768 in a condition, nobody reads more than some lines of a table."""

NOTHING_SAID: Final[Mapping[str, Any]] = {"versionNames": None, "defaultVersion": None}
"""Of an endpoint that was never in force. A merge patch takes them away so; an empty string Kubernetes 1.20 refuses."""


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """What hinders a version's workload. `problem`: it cannot be read or scaled; `failure`: it cannot make pods."""

    problem: str | None = None
    failure: str | None = None
    hpa: str | None = None
    unschedulable: int = 0
    pending: bool = False
    """Nothing is known of it yet."""


UNHINDERED: Final = WorkloadView()
"""By far the most are so, and where there is no cluster all."""


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version at one time."""

    name: str
    traffic: float
    """Effective percentile, 0 to 100."""
    ready: int
    desired: int | None
    """None where nobody wishes for a size."""
    busy: int
    may_be_empty: bool = False
    """It needs no ready replica: scale to zero."""
    workload: WorkloadView = UNHINDERED


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One endpoint at one time."""

    generation: int
    problems: tuple[str, ...] = ()
    """Why the newest generation is not in force."""
    conflicts: bool = False
    """Whether it is refused for what another one has."""
    key_problem: str | None = None
    keys_coming: bool = False
    """There is no Secret; it is being made, or `key_problem` says why it cannot."""
    keyed: bool = True
    """Whether requests need a key."""
    versions: tuple[VersionView, ...] = ()
    """Of the spec in force; none when there never was one."""
    default_version: str = ""
    rps: float = 0.0

    @property
    def pending(self) -> bool:
        """There is nothing to be said yet, for a moment: whatever were said now would be taken back."""
        return any(version.workload.pending for version in self.versions)


class _Condition(NamedTuple):
    type: str
    true: bool
    reason: str
    message: str


def status(view: EndpointView, before: Iterable[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """The status as the resource holds it, without what is None; `before` are the conditions that it has now."""
    known = {str(condition.get("type")): condition for condition in before}
    conditions = [_condition(each, known.get(each.type), view.generation, now) for each in _conditions(view)]
    return {
        "observedGeneration": view.generation,
        "conditions": conditions,
        "versions": [_version(version) for version in view.versions],
        "versionNames": ",".join(version.name for version in view.versions) or None,
        "defaultVersion": view.default_version or None,
        "ready": f"{sum(v.ready for v in view.versions)}/{sum(_wished(v) for v in view.versions)}",
        "busy": sum(version.busy for version in view.versions),
        "rps": f"{view.rps:.1f}",
    }


def settled(written: Mapping[str, Any]) -> object:
    """The part of a status whose change must not wait: everything but how busy it is just now."""
    conditions = [{**condition, "lastTransitionTime": None} for condition in written["conditions"]]
    versions = [{**version, "busy": None} for version in written["versions"]]
    return conditions, versions, written["observedGeneration"], written["defaultVersion"]


def _version(version: VersionView) -> dict[str, Any]:
    numbers = {"traffic": version.traffic, "ready": version.ready, "desired": _wished(version), "busy": version.busy}
    return {"name": version.name, **numbers}


def _wished(version: VersionView) -> int:
    return version.ready if version.desired is None else version.desired


def _condition(new: _Condition, old: Mapping[str, Any] | None, generation: int, now: datetime) -> dict[str, Any]:
    word = "True" if new.true else "False"
    since = old.get("lastTransitionTime") if old is not None and old.get("status") == word else None
    return {
        "type": new.type,
        "status": word,
        "reason": new.reason,
        "message": new.message[:MAX_MESSAGE],
        "observedGeneration": generation,
        "lastTransitionTime": since or now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _conditions(view: EndpointView) -> Iterator[_Condition]:
    yield _accepted(view)
    yield _ready(view)
    yield _keys(view)
    yield _cluster_full(view.versions)
    yield _hpa_conflict(view.versions)
    yield _scaling_failed(view.versions)


def _accepted(view: EndpointView) -> _Condition:
    if not view.problems:
        return _Condition("Accepted", True, "Valid", "this generation is in force")
    message = "; ".join(view.problems)
    if view.versions:
        message += "; the last good generation stays in force"
    return _Condition("Accepted", False, "Conflict" if view.conflicts else "Invalid", message)


def _ready(view: EndpointView) -> _Condition:
    if not view.versions:
        return _Condition("Ready", False, "NotAccepted", "no generation of it was ever in force")
    lacking = [v.name for v in view.versions if not v.ready and not v.may_be_empty]
    if lacking:
        message = f"no ready replica of {_listed(lacking)}"
        return _Condition("Ready", False, "VersionsNotReady", message)
    return _Condition("Ready", True, "AllVersionsReady", "every version has a ready replica, or starts from none")


def _keys(view: EndpointView) -> _Condition:
    if not view.versions:
        return _Condition("KeysAvailable", False, "NotAccepted", "looked for once a generation of it is in force")
    if not view.keyed:
        return _Condition("KeysAvailable", True, "Available", "no keys are needed")
    if view.keys_coming:
        message = view.key_problem or "there is no Secret; the leading router makes it"
        return _Condition("KeysAvailable", False, "Missing", message)
    if view.key_problem is not None:
        return _Condition("KeysAvailable", False, "Invalid", view.key_problem)
    return _Condition("KeysAvailable", True, "Available", "both keys are in the Secret")


def _cluster_full(versions: Sequence[VersionView]) -> _Condition:
    full = [f"{v.name} ({v.workload.unschedulable})" for v in versions if v.workload.unschedulable]
    if full:
        message = f"pods that no node has room for: {_listed(full)}; the size is not raised further"
        return _Condition("ClusterFull", True, "Unschedulable", message)
    return _Condition("ClusterFull", False, "Schedulable", "every pod has a node")


def _hpa_conflict(versions: Sequence[VersionView]) -> _Condition:
    held = [f"{v.name} by {v.workload.hpa}" for v in versions if v.workload.hpa]
    if held:
        message = f"scaled by a HorizontalPodAutoscaler: {_listed(held)}; maitre keeps its hands off"
        return _Condition("HpaConflict", True, "HpaFound", message)
    return _Condition("HpaConflict", False, "NoHpa", "no HorizontalPodAutoscaler targets these workloads")


def _scaling_failed(versions: Sequence[VersionView]) -> _Condition:
    for reason, what in (("Refused", "problem"), ("PodsRefused", "failure")):
        failed = [f"{v.name}: {words}" for v in versions if (words := getattr(v.workload, what))]
        if failed:
            return _Condition("ScalingFailed", True, reason, "; ".join(failed))
    return _Condition("ScalingFailed", False, "Scaling", "workloads take the sizes that they are given")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
