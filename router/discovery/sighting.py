"""What is needed of a workload's own object, of whatever kind: which specification it has, and whether that fails.

Taken from what a watch tells, by `followed_kind`; used by `workload`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from autoscaler.targets.scale_subresource import Edition

_TOLD: Final = ("type", "status", "message", "reason")


class Sighting(NamedTuple):
    """The object as the watch has it."""

    edition: Edition
    version: str
    failure: str | None
    """Why its controller cannot make the replicas that are asked for."""

    @classmethod
    def of(cls, object: Any) -> Sighting:
        """From an object of any kind that lightkube decodes: typed, or a generic dictionary."""
        metadata = object.metadata
        return cls(Edition.of(metadata), metadata.resourceVersion or "", _replica_failure(object.status))


def _replica_failure(status: Any) -> str | None:
    """The message of the condition ReplicaFailure: Deployments, ReplicaSets and some custom resources have it."""
    for condition in map(_fields, _conditions(status)):
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return str(condition.get("message") or condition.get("reason") or "its controller cannot make replicas")
    return None


def _conditions(status: Any) -> list[Any]:
    found = status.get("conditions") if isinstance(status, dict) else getattr(status, "conditions", None)
    return found if isinstance(found, list) else []


def _fields(condition: Any) -> dict[str, Any]:
    return condition if isinstance(condition, dict) else {name: getattr(condition, name, None) for name in _TOLD}
