"""What a version needs of a workload in a cluster, and the workload's replicas of the version: two ports.

`deployment` implements the one, `version` the other; neither file server nor tests without a cluster load its client.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from router.discovery.roster import ReplicaTls, Roster
from router.model.spec import DeploymentTarget
from router.serving.status import WorkloadView


class WorkloadOwner(Protocol):
    """The version that the replicas are of."""

    def workload_changed(self) -> None:
        """What `WorkloadReplicas.view` or `known` say is another than before."""

    def tell(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Something that the owner of the endpoint will want to know."""


class WorkloadReplicas(Protocol):
    """The pods of a workload as replicas, and its size."""

    def follow(self, target: DeploymentTarget, tls: ReplicaTls | None) -> None:
        """Takes the pods of this workload from now on; of another one, as soon as it is known which they are."""

    async def close(self) -> None:
        """No replicas from now on. The workload keeps its size: it is not ours."""

    @property
    def known(self) -> bool:
        """Whether there is a size to begin with."""

    def current(self) -> int:
        """The size asked for so far, or found."""

    async def scale(self, replicas: int) -> None:
        """Raises what `autoscaler.errors` has for it."""

    def view(self) -> WorkloadView: ...
    def lines(self, tail: int, follow: bool) -> AsyncGenerator[str, None]:
        """What its pods print, of each the last `tail` lines. Raises, at the call, NoLogs."""


class ClusterPort(Protocol):
    """Where versions get them from."""

    def replicas(self, label: str, namespace: str, roster: Roster, owner: WorkloadOwner) -> WorkloadReplicas:
        """For one version; `label` is endpoint/version, for the log."""
