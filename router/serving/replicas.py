"""Where one version's replicas come from, and how one source takes over from another when the target changes.

    local processes    a new group starts beside the old one, which is drained when the first new replica is ready:
                       a command that does not work takes nothing away from a version that does
    fixed urls         the new list takes over at once; addresses in both stay on the roster
    pods               of the workload, as they become ready; the workload's size is the cluster's (`deployment`)

A workload without a cluster has no replicas, which the log says (`router.serving.support`).

Owned by one `LiveVersion`; runs on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from router.discovery.fixed import FixedReplicas
from router.discovery.output import RecentLines
from router.discovery.ports import Ports
from router.discovery.processes import LocalProcesses
from router.discovery.program import Program
from router.discovery.readiness import Prober
from router.discovery.roster import ReplicaTls, Roster
from router.discovery.warden import Warden
from router.discovery.watchlist import Watchlist
from router.errors import NoLogs
from router.model.spec import DeploymentTarget, EndpointKey, Target, UpstreamTls, Version
from router.serving.status import UNHINDERED, WorkloadView
from router.serving.workload import ClusterPort, WorkloadOwner, WorkloadReplicas
from router.store.certificates import Certificates, TlsTerms

log = logging.getLogger("maitre.serving")


@dataclass(frozen=True, slots=True)
class Premises:
    """What all replicas of this maitre share. `drain_s`: how long running requests may take when one ends."""

    warden: Warden
    ports: Ports
    prober: Prober
    watchlist: Watchlist
    certificates: Certificates
    drain_s: float
    cluster: ClusterPort | None = None
    """None outside of one."""


class _FirstReady:
    """A roster that tells its owner about the first replica that becomes ready."""

    def __init__(self, roster: Roster, ready: Callable[[], None]) -> None:
        self._ready: Callable[[], None] | None = ready
        self.retire = roster.retire
        self.held = roster.held
        self.emptied = roster.emptied
        self.expect = roster.expect
        self._add = roster.add

    def add(self, replica: str, host: str, port: int, tls: ReplicaTls | None) -> None:
        self._add(replica, host, port, tls)
        if self._ready is not None:
            ready, self._ready = self._ready, None
            ready()


class Replicas:
    """The replicas of one version, whatever they are."""

    def __init__(
        self, label: str, endpoint: EndpointKey, roster: Roster, premises: Premises, owner: WorkloadOwner
    ) -> None:
        self._label = label
        self._namespace = endpoint[0]
        self._roster = roster
        self._premises = premises
        self._owner = owner
        self.printed = RecentLines()
        """By those that are local processes; of all commands that this version has had."""
        self._version: Version | None = None
        self._directory = Path()
        self._processes: LocalProcesses | None = None
        self._old: list[LocalProcesses] = []
        self._tls: TlsTerms | None = None
        self._fixed = FixedReplicas(label=label, roster=roster, watchlist=premises.watchlist)
        self._pods: WorkloadReplicas | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._size = 0

    @property
    def scalable(self) -> bool:
        return self._processes is not None or (self._pods is not None and self._pods.known)

    @property
    def in_cluster(self) -> bool:
        return self._pods is not None

    @property
    def size(self) -> int:
        """Replicas wished."""
        return self._size if self._pods is None else self._pods.current()

    @property
    def present(self) -> int:
        """Replicas that there are, ready or not; of a workload in a cluster, those that it was asked for."""
        if self._pods is not None:
            return self._pods.current() if self._pods.known else 0
        groups = [*self._old, *([self._processes] if self._processes else [])]
        return self._fixed.present + sum(group.present for group in groups)

    def begin(self, replicas: int) -> None:
        """A first size for what nobody scales. A workload in a cluster has one."""
        if self._pods is None:
            self._resize(replicas)

    async def scale(self, replicas: int) -> None:
        """Raises what `autoscaler.errors` has for it."""
        if self._pods is None:
            self._resize(replicas)
        else:
            await self._pods.scale(replicas)

    def pod_lines(self, tail: int, follow: bool) -> AsyncGenerator[str, None]:
        """What pods print. Raises, at the call, NoLogs."""
        if self._pods is None:
            raise NoLogs(f"{self._label} is a workload of a cluster, and this router is in none: it has no replicas")
        return self._pods.lines(tail, follow)

    def workload(self) -> WorkloadView:
        return UNHINDERED if self._pods is None else self._pods.view()

    def follow(self, version: Version, directory: Path) -> None:
        """Takes replicas from the target of `version` from now on; `directory` is that of its configuration file."""
        before = self._version
        self._version = version
        unchanged = before is not None and (before.target, before.readiness_path) == (
            version.target,
            version.readiness_path,
        )
        if unchanged and directory == self._directory:
            return
        self._directory = directory
        tls = self._change_tls(_wanted_tls(version.target))
        if version.target.command is not None:
            self._start_processes(version.target.command, version.readiness_path, tls)
        else:
            self._retire_processes()
        self._fixed.follow(version.target.urls or (), version.readiness_path, tls)
        self._follow_workload(version.target.deployment, tls)

    async def close(self, drain_s: float) -> None:
        """Drains and ends everything; returns when nothing is left."""
        self._fixed.follow((), "")
        self._follow_workload(None, None)
        self._change_tls(None)
        groups = [*self._old, *([self._processes] if self._processes else [])]
        self._old, self._processes = [], None
        await asyncio.gather(*(group.close(drain_s) for group in groups), *self._tasks)
        self.printed.close()

    def _resize(self, replicas: int) -> None:
        self._size = replicas
        if self._processes is not None:
            self._processes.resize(replicas)

    def _follow_workload(self, target: DeploymentTarget | None, tls: ReplicaTls | None) -> None:
        cluster = self._premises.cluster
        if target is None or cluster is None:
            if self._pods is not None:
                self._start(self._pods.close(), "pods")
                self._pods = None
            return
        if self._pods is None:
            self._pods = cluster.replicas(self._label, self._namespace, self._roster, self._owner)
        self._pods.follow(target, tls)

    def _change_tls(self, wanted: UpstreamTls | None) -> TlsTerms | None:
        certificates, before = self._premises.certificates, self._tls
        self._tls = certificates.for_replicas(wanted, self._directory) if wanted is not None else None
        if before is not None:  # last: files that stay the same need not be read again
            certificates.release(before)
        return self._tls

    def _start_processes(self, command: tuple[str, ...], readiness_path: str, tls: ReplicaTls | None) -> None:
        endpoint, _, version = self._label.partition("/")
        before = self._processes
        program = Program(endpoint, version, command, self._directory, readiness_path, tls=tls)
        self._processes = LocalProcesses(
            program,
            roster=_FirstReady(self._roster, self._close_old) if before else self._roster,
            warden=self._premises.warden,
            ports=self._premises.ports,
            prober=self._premises.prober,
            drain_s=self._premises.drain_s,
            numbers=before.numbers if before else None,
            recent=self.printed,
        )
        if before is not None:
            self._old.append(before)
            log.info("%s: the command changed; new replicas take over when the first is ready", self._label)
        self._processes.resize(self._size)

    def _retire_processes(self) -> None:
        if self._processes is not None:
            self._old.append(self._processes)
            self._processes = None
        self._close_old()

    def _close_old(self) -> None:
        for group in self._old:
            self._start(group.close(self._premises.drain_s), "old processes")
        self._old = []

    def _start(self, work: Coroutine[None, None, None], what: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"{self._label}: {what}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)


def _wanted_tls(target: Target) -> UpstreamTls | None:
    """A tls block is for all replicas; without one, TLS is spoken to urls that begin with https://."""
    if target.tls is not None:
        return target.tls
    return UpstreamTls() if any(url.startswith("https:") for url in target.urls or ()) else None
