"""What the SDK hands out: small values. Those that hold a credential do not show it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Keys(NamedTuple):
    """Both keys of an endpoint; either is good, so that one can be replaced while the other works."""

    primary: str
    secondary: str

    def __repr__(self) -> str:
        return "Keys(primary=…, secondary=…)"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token with which an endpoint may be scored."""

    access_token: str = field(repr=False)
    refresh_after: int
    """Unix seconds from which a new one is due."""
    expiry_on: int
    """Unix seconds from which it is worth nothing."""
    token_type: str


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """How a version stands."""

    name: str
    is_default: bool
    type: str
    """control or treatment."""
    traffic_share: float
    """Percent of the requests that it really gets; a default has the remainder on top of its own."""
    state: str
    current: int
    """Replicas that there are."""
    ready: int
    busy: int
    desired: int | None
    """Replicas that the autoscaler wants; None: it is never scaled."""
    in_flight: int
    queued: int
    utilization: float
    last_decision: Mapping[str, Any] | None
    """Of the autoscaler, with the numbers it rests on."""

    @property
    def is_able(self) -> bool:
        """Whether it can answer: with a replica that is ready, or scaled to zero and started by the next request."""
        return self.ready > 0 or self.desired == 0

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> VersionStatus:
        replicas = said.get("replicas") or {}
        return cls(
            name=said["name"],
            is_default=bool(said.get("isDefault")),
            type=said.get("type") or "treatment",
            traffic_share=said.get("trafficShare") or 0.0,
            state=said.get("state") or "",
            current=replicas.get("current") or 0,
            ready=replicas.get("ready") or 0,
            busy=replicas.get("busy") or 0,
            desired=said.get("desiredReplicas"),
            in_flight=said.get("inFlight") or 0,
            queued=said.get("queued") or 0,
            utilization=said.get("utilization") or 0.0,
            last_decision=said.get("lastDecision"),
        )


@dataclass(frozen=True, slots=True)
class Status:
    """How an endpoint stands."""

    name: str
    namespace: str
    scoring_uri: str | None
    hosts: tuple[str, ...]
    auth_mode: str
    """key, token or none."""
    configured: bool
    """Whether the last change is in force."""
    problems: tuple[str, ...]
    """Why it is not."""
    versions: tuple[VersionStatus, ...]

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Status:
        return cls(
            name=said["name"],
            namespace=said.get("namespace") or "default",
            scoring_uri=said.get("scoringUri"),
            hosts=tuple(said.get("hosts") or ()),
            auth_mode=said.get("authMode") or "key",
            configured=bool(said.get("configured")),
            problems=tuple(said.get("problems") or ()),
            versions=tuple(VersionStatus.read(each) for each in said.get("versions") or ()),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered."""

    content: bytes
    status: int
    version: str | None
    """That answered."""
    milliseconds: float
    """As seen from here."""
    request_id: str | None
    server_timing: Mapping[str, float]
    """Milliseconds of queue, upstream and router, where the endpoint has serverTiming; else empty."""

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        """Raises ValueError where the model answered something else."""
        return json.loads(self.content)
