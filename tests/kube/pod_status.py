"""What a kubelet reports of a pod with one container, as merge patches of its status. Pure, but for the time of day."""

from collections.abc import Mapping
from datetime import UTC, datetime

from lightkube.resources.core_v1 import Pod


def unschedulable(message: str) -> dict[str, object]:
    return {"status": {"phase": "Pending", "conditions": [_condition("PodScheduled", False, "Unschedulable", message)]}}


def running(pod: Pod, ip: str, *, ready: bool, restarts: int) -> dict[str, object]:
    container = pod.spec.containers[0]
    conditions = {"Initialized": True, "Ready": ready, "ContainersReady": ready, "PodScheduled": True}
    state = {"running": {"startedAt": _now()}}
    return {
        "status": {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "hostIP": "127.0.0.1",
            "conditions": _conditions(conditions),
            "containerStatuses": [
                {
                    "name": container.name,
                    "image": container.image,
                    "imageID": container.image,
                    "containerID": f"process://{pod.metadata.uid}",
                    "ready": ready,
                    "started": True,
                    "restartCount": restarts,
                    "state": state,
                }
            ],
        }
    }


def _conditions(states: Mapping[str, bool]) -> list[dict[str, object]]:
    return [_condition(type, state, None if state else "ContainersNotReady") for type, state in states.items()]


def _condition(type: str, state: bool, reason: str | None = None, message: str | None = None) -> dict[str, object]:
    condition = {"type": type, "status": str(state), "lastTransitionTime": _now(), "reason": reason, "message": message}
    return {key: value for key, value in condition.items() if value is not None}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
