"""Which pods go first."""

from lightkube.resources.core_v1 import Pod

from tests.kube.deletion_order import COST, order


def pod(
    name: str,
    *,
    node: str | None = "n",
    ready: str | None = "10:00:00",
    cost: str | None = None,
    made: str = "09:00:00",
):
    condition = [{"type": "Ready", "status": "True", "lastTransitionTime": f"2026-01-01T{ready}Z"}] if ready else []
    return Pod.from_dict(
        {
            "metadata": {
                "name": name,
                "creationTimestamp": f"2026-01-01T{made}Z",
                "annotations": {COST: cost} if cost is not None else {},
            },
            "spec": {"containers": [], **({"nodeName": node} if node else {})},
            "status": {"phase": "Running" if ready else "Pending", "conditions": condition},
        }
    )


def test_without_a_node_then_not_ready_then_cheap_then_young():
    pods = [
        pod("old"),
        pod("younger", made="09:30:00"),
        pod("ready for less time", ready="10:30:00"),
        pod("cheap", cost="-5"),
        pod("dear", cost="7", made="09:59:00"),
        pod("not ready", ready=None, cost="100"),
        pod("nowhere", node=None, ready=None, cost="100"),
    ]
    assert [each.metadata.name for each in sorted(pods, key=order)] == [
        "nowhere",
        "not ready",
        "cheap",
        "ready for less time",
        "younger",
        "old",
        "dear",
    ]
