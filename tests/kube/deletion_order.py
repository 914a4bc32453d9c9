"""Which pods a ReplicaSet gives up first, as controllers of Kubernetes 1.22 and later decide it. Pure.

https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-down; ranks by node are left out:
there is one.
"""

from datetime import datetime
from typing import Any

from lightkube.resources.core_v1 import Pod

COST = "controller.kubernetes.io/pod-deletion-cost"
PHASES = ("Pending", "Unknown", "Running")


def order(pod: Pod) -> tuple[Any, ...]:
    """Sorts those first that go first."""
    restarts = max((each.restartCount for each in pod.status.containerStatuses or []), default=0)
    return (
        pod.spec.nodeName is not None,
        PHASES.index(pod.status.phase or "Pending"),
        is_ready(pod),
        int((pod.metadata.annotations or {}).get(COST, "0")),
        -_seconds(_ready_since(pod)),
        -restarts,
        -_seconds(pod.metadata.creationTimestamp),
    )


def is_ready(pod: Pod) -> bool:
    return _ready_since(pod) is not None


def _ready_since(pod: Pod) -> datetime | None:
    conditions = (pod.status.conditions if pod.status is not None else None) or []
    ready = (each for each in conditions if each.type == "Ready" and each.status == "True")
    return next((each.lastTransitionTime for each in ready), None)


def _seconds(time: datetime | None) -> float:
    return time.timestamp() if time is not None else 0.0
