"""What is kept of a pod: enough to send requests to it, and to choose which is to go.

`PodObject` is what is decoded of the API server's object: in half the time that the whole of it takes, and a tenth of
the memory; a router may follow ten thousand. `Pod.of` reads it. Pure; used by `pods` and `pod_replicas`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final

import msgspec
from lightkube.core.resource import NamespacedResourceG
from lightkube.resources.core_v1 import Pod as WholePod

COST: Final = "controller.kubernetes.io/pod-deletion-cost"
"""https://kubernetes.io/docs/reference/labels-annotations-taints/#pod-deletion-cost: of the pods of a ReplicaSet that
are ready, those with the lowest go first; without it a pod has 0. Other kinds of workload do not look at it."""
MARKED_COST: Final = "-1"
"""Before all whose cost nobody set; behind those that somebody else wants to go first."""
MARK: Final = "maitre.dev/shrink"
"""On a pod that is about to be told to go, different each time. Its value is when, for people; no clock is compared."""

EPOCH: Final = datetime.fromtimestamp(0, UTC)


class State(Enum):
    """Where a pod stands, as far as requests are concerned."""

    UNSCHEDULABLE = "unschedulable"  # no node has room for it; it starts when one has
    STARTING = "starting"  # or not ready any more: it may become so
    READY = "ready"
    TERMINATING = "terminating"
    ENDED = "ended"  # Failed or Succeeded: there is no way back

    @property
    def coming(self) -> bool:
        """Not ready and on its way to it. One that keeps crashing still is: the next start may be the good one."""
        return self in (State.UNSCHEDULABLE, State.STARTING)

    @property
    def counts(self) -> bool:
        """Whether the workload's controller counts it among its replicas."""
        return self.coming or self is State.READY


class _Annotations(msgspec.Struct):
    cost: str | None = msgspec.field(default=None, name=COST)
    mark: str | None = msgspec.field(default=None, name=MARK)


class _Owner(msgspec.Struct):
    kind: str
    controller: bool | None = None


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""  # a bookmark has none
    namespace: str = ""
    uid: str = ""
    resourceVersion: str | None = None  # noqa: N815 - the name by which a Reflector asks
    labels: dict[str, str] | None = None
    annotations: _Annotations | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    owner_references: list[_Owner] | None = None


class _Condition(msgspec.Struct):
    type: str
    status: str
    reason: str | None = None


class _Status(msgspec.Struct):
    phase: str | None = None
    ip: str | None = msgspec.field(default=None, name="podIP")
    conditions: list[_Condition] | None = None


class PodObject(msgspec.Struct, NamespacedResourceG):
    """core/v1 Pod, to be given to a Reflector."""

    metadata: _Metadata
    status: _Status = msgspec.field(default_factory=_Status)

    _api_info = WholePod._api_info


@dataclass(frozen=True, slots=True)
class Pod:
    """Equal ones make no difference to us. The uid tells two pods apart that had the same name one after the other."""

    namespace: str
    name: str
    uid: str
    ip: str
    labels: dict[str, str]
    state: State
    created: datetime
    ordinal: int | None
    """The place in its StatefulSet, where the last one goes first."""
    cost: int | None
    """The deletion cost that somebody else has given it."""
    mark: str | None
    """That it is about to be told to go: see MARK."""

    @classmethod
    def of(cls, seen: PodObject) -> Pod:
        metadata = seen.metadata
        noted = metadata.annotations or _Annotations()
        return cls(
            namespace=metadata.namespace,
            name=metadata.name,
            uid=metadata.uid,
            ip=seen.status.ip or "",
            labels=metadata.labels or {},
            state=_state(seen),
            created=metadata.creation_timestamp or EPOCH,
            ordinal=_ordinal(metadata),
            cost=_cost(noted),
            mark=noted.mark,
        )

    @property
    def replica(self) -> str:
        """Its name on a roster."""
        return f"{self.name}/{self.uid}"


def _state(seen: PodObject) -> State:
    status = seen.status
    if seen.metadata.deletion_timestamp is not None:
        return State.TERMINATING
    if status.phase in ("Failed", "Succeeded"):
        return State.ENDED
    for condition in status.conditions or ():
        if condition.type == "Ready" and condition.status == "True" and status.phase == "Running" and status.ip:
            return State.READY
        if condition.type == "PodScheduled" and condition.status == "False" and condition.reason == "Unschedulable":
            return State.UNSCHEDULABLE
    return State.STARTING


def _ordinal(metadata: _Metadata) -> int | None:
    for owner in metadata.owner_references or ():
        if owner.controller and owner.kind == "StatefulSet":
            number = metadata.name.rpartition("-")[2]
            return int(number) if number.isdecimal() else None
    return None


def _cost(noted: _Annotations) -> int | None:
    """One that is no number is somebody else's all the same; the controller takes it for 0."""
    if noted.cost is None or (noted.cost == MARKED_COST and noted.mark is not None):
        return None
    try:
        return int(noted.cost)
    except ValueError:
        return 0
