"""The schema of what the router tells of an endpoint in the status of its resource.

Written by the leader alone, shown by `kubectl get sep`, read by nobody in the router.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from router.model import fields
from router.model.spec import Schema

Count = Annotated[int, Field(ge=0)]


class Condition(Schema):
    """As all Kubernetes resources have them (metav1.Condition)."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """What it is about: Accepted, Ready, KeysAvailable, ClusterFull, HpaConflict or ScalingFailed."""
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", max_length=1024)]
    """One word for programs."""
    message: Annotated[str, Field(max_length=32_768)]
    """For people: with the key and what is allowed, where something is refused."""
    last_transition_time: AwareDatetime
    """When the status last changed."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The metadata.generation that it was found with."""


class VersionStatus(Schema):
    """One version, as the router sees it."""

    name: fields.Name
    traffic: Annotated[float, Field(ge=0, le=100)]
    """Percent of the live requests, what falls to the default version included."""
    ready: Count
    """Replicas that take requests."""
    desired: Count
    """Replicas that the load asks for."""
    busy: Count
    """Replicas with at least one request."""


class EndpointStatus(Schema):
    """All that the router tells of an endpoint."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The metadata.generation that this status is about."""
    conditions: Annotated[tuple[Condition, ...], Field(strict=False)] = ()
    versions: Annotated[tuple[VersionStatus, ...], Field(strict=False)] = ()
    version_names: str | None = None
    """With commas between, in the order of the spec."""
    default_version: str | None = None
    """Takes every share of the traffic that no percentile claims."""
    ready: str | None = None
    """Replicas that take requests and those asked for, of all versions: 3/4."""
    busy: Count | None = None
    """Replicas with at least one request, of all versions."""
    rps: str | None = None
    """Requests a second."""
