"""Which pods are to go when a workload shrinks. Pure.

We do not delete pods; the workload's controller does, in an order of its own. So we choose in that order as far as it
is fixed, and by what is missed least where it is not, and there tell the controller by a deletion cost (`marks`):

    StatefulSet   the last one first, whatever state it is in; costs are not looked at
    others        not on a node, then not ready, then by deletion cost
                  (https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/controller_utils.go,
                  `ActivePodsWithRanks`); what somebody else set is respected, not overwritten

Called by `pod_replicas`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from router.discovery.loss import loss
from router.discovery.pod import Pod, State


def surplus(pods: Iterable[Pod], wished: int, held: Callable[[Pod], int]) -> list[Pod]:
    """The pods whose loss leaves `wished` of them, the first to go first; `held`: requests that it runs."""
    staying = [pod for pod in pods if pod.state.counts]
    staying.sort(key=lambda pod: _order(pod, held(pod)))
    return staying[: max(0, len(staying) - wished)]


def _order(pod: Pod, held: int) -> tuple[float, ...]:
    ready = pod.state is State.READY
    return (
        -1 if pod.ordinal is None else -pod.ordinal,  # of one workload all have one, or none has
        pod.state is not State.UNSCHEDULABLE,
        ready,
        (pod.cost or 0) if ready else 0,
        *loss(ready, held, born=pod.created.timestamp()),
    )
