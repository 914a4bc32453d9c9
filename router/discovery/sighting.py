"""What is needed of a workload's own object, of whatever kind: which specification it has, and whether that fails.

`followed_as` makes the class that a Reflector decodes objects of a kind as: next to nothing of them is looked at, so
that they may hold anything, and bookmarks next to nothing. `Sighting.of` reads one. Pure; used by `followed_kind`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from lightkube.core.resource import NamespacedResourceG, api_info

from autoscaler.targets.scale_subresource import Edition


class _Metadata(msgspec.Struct):
    name: str = ""  # a bookmark has none
    namespace: str = ""
    uid: str = ""
    generation: int | None = None
    resourceVersion: str | None = None  # noqa: N815 - the name by which a Reflector asks


class WorkloadObject(msgspec.Struct, NamespacedResourceG):
    """An object of some kind."""

    metadata: _Metadata
    status: Any = None


def followed_as(resource: type[Any]) -> type[WorkloadObject]:
    """The class for objects of the kind that lightkube has `resource` for."""
    about = {"_api_info": api_info(resource)}
    made: Any = msgspec.defstruct(resource.__name__, [], bases=(WorkloadObject,), namespace=about)
    followed: type[WorkloadObject] = made
    return followed


class Sighting(NamedTuple):
    """The object as the watch has it."""

    edition: Edition
    version: str
    failure: str | None
    """Why its controller cannot make the replicas that are asked for."""

    @classmethod
    def of(cls, seen: WorkloadObject) -> Sighting:
        metadata = seen.metadata
        version = metadata.resourceVersion or ""
        return cls(Edition.of(metadata.uid, metadata.generation, version), version, _replica_failure(seen.status))


def _replica_failure(status: Any) -> str | None:
    """The message of the condition ReplicaFailure: Deployments, ReplicaSets and some custom resources have it."""
    conditions = status.get("conditions") if isinstance(status, dict) else None
    for condition in conditions if isinstance(conditions, list) else ():
        match condition:
            case {"type": "ReplicaFailure", "status": "True"}:
                told = condition.get("message") or condition.get("reason")
                return str(told or "its controller cannot make replicas")
    return None
