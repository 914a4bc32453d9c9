"""Pods as the API server shows them, the part of it that patches them, and a roster that says what is on it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from lightkube import ApiError
from lightkube.core.decoders import decode_object
from lightkube.models.meta_v1 import Status
from lightkube.types import PatchType

from router.discovery.pod import COST, MARK, PodObject, State

FIRST = datetime(2026, 1, 1, tzinfo=UTC)

# what a pod's status is in each state
STATUSES: dict[State, dict[str, Any]] = {
    State.UNSCHEDULABLE: {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}],
    },
    State.STARTING: {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False"}, {"type": "PodScheduled", "status": "True"}],
    },
    State.READY: {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    State.TERMINATING: {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    State.ENDED: {"phase": "Failed", "conditions": [{"type": "Ready", "status": "False"}]},
}


def manifest(
    name: str,
    state: State = State.READY,
    labels: dict[str, str] | None = None,
    *,
    uid: str = "",
    namespace: str = "default",
    ip: str = "10.0.0.1",
    born_s: float = 0.0,
    cost: str | None = None,
    mark: str | None = None,
    owner: str = "ReplicaSet",
) -> dict[str, Any]:
    """As JSON has it. `born_s`: seconds after the first pods were made."""
    annotations = {key: value for key, value in {COST: cost, MARK: mark, "other": "x"}.items() if value is not None}
    created = (FIRST + timedelta(seconds=born_s)).isoformat()
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"uid-of-{name}",
        "labels": labels or {},
        "annotations": annotations,
        "creationTimestamp": created,
        "ownerReferences": [{"kind": owner, "name": "digits", "controller": True, "apiVersion": "apps/v1", "uid": "x"}],
    }
    if state is State.TERMINATING:
        metadata["deletionTimestamp"] = created
    return {"kind": "Pod", "metadata": metadata, "spec": {}, "status": {"podIP": ip, **STATUSES[state]}}


def seen(whole: dict[str, Any]) -> PodObject:
    """What a Reflector makes of it."""
    return decode_object(json.dumps(whole).encode(), PodObject)


class PodApi:
    """Takes merge patches of annotations; `pods` is what it has, by name."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.patches: list[tuple[str, dict[str, str | None]]] = []
        self.fails: Exception | None = None

    async def patch(self, kind, name: str, patch, *, namespace: str, patch_type: PatchType) -> None:
        assert patch_type is PatchType.MERGE
        assert kind is PodObject
        if self.fails is not None:
            raise self.fails
        pod = self.pods.get(name)
        if pod is None or pod["metadata"]["namespace"] != namespace:
            raise refusal(404, "NotFound")
        if pod["metadata"]["uid"] != patch["metadata"]["uid"]:
            raise refusal(422, "Invalid")
        self.patches.append((name, patch["metadata"]["annotations"]))
        annotations = pod["metadata"]["annotations"]
        annotations |= patch["metadata"]["annotations"]
        pod["metadata"]["annotations"] = {key: value for key, value in annotations.items() if value is not None}


def refusal(code: int, reason: str) -> ApiError:
    return ApiError(status=Status(code=code, reason=reason, message=f"{reason}, it says"))


class PodRoster:
    """Keeps what it is told; refuses what discovery promises never to say."""

    def __init__(self) -> None:
        self.seats: dict[str, tuple[str, int, object]] = {}
        self.requests: dict[str, int] = {}
        self.coming = False
        self.calls: list[tuple[str, object]] = []

    def add(self, replica: str, host: str, port: int, tls: object) -> None:
        assert replica not in self.seats
        self.seats[replica] = (host, port, tls)
        self.calls.append(("add", replica))

    def retire(self, replica: str) -> None:
        del self.seats[replica]
        self.calls.append(("retire", replica))

    def held(self, replica: str) -> int:
        return self.requests.get(replica, 0)

    async def emptied(self, replica: str) -> None:
        raise NotImplementedError

    def expect(self, coming: bool) -> None:
        assert coming is not self.coming, "said twice"
        self.coming = coming
        self.calls.append(("expect", coming))
