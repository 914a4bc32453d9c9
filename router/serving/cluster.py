"""What `serve --kubernetes` has beside the data plane: all that speaks to the API server, put together.

    always         follows endpoints, Secrets, pods, workloads and HPAs; takes part in the election
    while leading  scales, makes missing Secrets, writes status and Events

Made by the composition root, which runs it. Without the API server everything that is known stays in force.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from lightkube.types import PatchType

from router.admin.cluster_gate import ClusterGate
from router.coord.identity import identity_of
from router.coord.leader import Leader
from router.coord.lease import ClusterLease
from router.coord.witnessed import WitnessedLease
from router.discovery.leftovers import Leftovers
from router.discovery.marks import Marker
from router.discovery.pod import PodObject
from router.discovery.pods import PodBoard
from router.discovery.roster import Roster
from router.discovery.workloads import Workloads
from router.kube.client import connect, connect_to_follow, find_cluster
from router.kube.contact import Contact
from router.kube.events import EventTeller
from router.kube.reflector import Reflector
from router.kube.resources import ScoringEndpoints
from router.kube.writes import Writes
from router.model.spec import DeploymentTarget, EndpointKey
from router.proxy.listener import bind
from router.serving.coordination import Coordination, read_key
from router.serving.crew import Crew
from router.serving.deployment import ClusterPremises, DeploymentReplicas
from router.serving.fleet import Fleet
from router.serving.lost_pods import LostPods
from router.serving.notices import Notices
from router.serving.own_pods import OwnPods
from router.serving.pod_logs import PodLogs
from router.serving.reporter import StatusReporter
from router.serving.router_loads import RouterLoads
from router.serving.tenure import Tenure, Work
from router.serving.views import Views
from router.serving.workload import WorkloadOwner
from router.settings import CoordinationSettings, KubernetesSettings, RouterPodsSettings
from router.store.configuration import Configuration
from router.store.key_maker import KeyMaker
from router.store.resource_writer import ResourceWriter
from router.store.resources import ResourceStore
from router.telemetry.source import ClusterReading

log = logging.getLogger("maitre.kube")

LEASE: Final = "maitre"
SETTLE_S: Final = 10.0
"""How long a router that starts waits to know the replicas of its endpoints, before it says that it is ready."""


class Cluster:
    """Implements `ClusterPort` for the versions."""

    def __init__(
        self, settings: KubernetesSettings, loop: asyncio.AbstractEventLoop, now: Callable[[], float], *, dry_run: bool
    ) -> None:
        """In a dry run it only reads: it takes no part in the election. Raises ClusterUnknown."""
        found = find_cluster()
        self.namespace = settings.own_namespace or found.namespace
        self._now = now
        self._dry_run = dry_run
        self._client = connect(found)
        self._http = connect_to_follow(found)
        self.contact = Contact(now)
        self._writes = Writes()
        self.store = ResourceStore(
            self._http,
            contact=self.contact,
            draw=random.random,
            namespaces=settings.namespaces,
            pause=self.contact.pause,
        )
        identity = identity_of(settings.pod, settings.pod_uid)
        lease = ClusterLease(self._client, self.namespace, LEASE)
        self._leases = f"leases in namespace {self.namespace}"
        self._identity = identity
        self._bound = None if settings.coordination is None or dry_run else _bind(settings.coordination)
        address = "" if self._bound is None else _address(settings.coordination, self._bound)
        self.leader = Leader(WitnessedLease(lease, self.contact, self._leases), identity, self._lead, address=address)
        self._settings = settings.coordination
        self._loop = loop
        self._coordination: Coordination | None = None
        self._teller = EventTeller(
            self._client, settings.pod, writes=self._writes, leading=self._leads, wall=_wall, draw=random.getrandbits
        )
        self.notices = Notices(self._teller.tell)
        self.writer = ResourceWriter(self._client, self._http, settings.namespaces)
        self._asking = connect(found)
        self.gate = ClusterGate(self._asking, now)
        self._keys = KeyMaker(self._client, self.store, tell=self.notices.tell, now=now)
        self._marker = Marker(self._client, writes=self._writes, leading=self._leads, wall=_wall, name=identity)
        self._pods = PodBoard()
        self._pod_reflectors = [self._reflector(self._pods, scope) for scope in settings.namespaces or (None,)]
        self._workloads = Workloads(
            self._client,
            self._http,
            contact=self.contact,
            namespaces=settings.namespaces,
            may_write=self._leads,
            draw=random.random,
            sleep=self.contact.pause,
        )
        router_pods = settings.router_pods
        self.own_pods = None if router_pods is None else self._own_pods(router_pods, settings.namespaces)
        """None where their number is left alone."""
        self._reading = connect_to_follow(found)
        logs = PodLogs(self._reading, self._pods)
        self._premises = ClusterPremises(loop, self._pods, self._workloads, self._marker, logs)
        self._is_settled = asyncio.Event()
        self._tenure: Tenure | None = None
        self._terms = 0

    async def run(self, fleet: Fleet, scale: Work) -> None:
        """Until cancelled. `scale` is the autoscaler, which runs while this router leads."""
        views = Views(fleet, self.store.endpoints.status)
        reporter = StatusReporter(
            views, self._patch_status, writes=self._writes, tell=self.notices.tell, now=self._now, wall=_wall
        )
        leftovers = Leftovers(self._pods, self._marker)
        works = [scale, lambda: self._report(reporter), self._keys.run, self._teller.run, leftovers.run]
        if self._coordination is not None:
            works.append(LostPods(self._client, self.namespace, self._coordination.coordinator, self.contact).run)
        self._tenure = Tenure(works)
        async with asyncio.TaskGroup() as tasks:
            for reflector in (*self.store.reflectors, *self._pod_reflectors):
                tasks.create_task(reflector.run(), name=repr(reflector))
            tasks.create_task(self._workloads.run(), name="workloads")
            if self.own_pods is not None:
                tasks.create_task(self.own_pods.run(), name="own pods")
            tasks.create_task(self._tenure.run(), name="terms")
            if self._coordination is not None:
                tasks.create_task(self._coordination.run(), name="coordination")
            if not self._dry_run:
                tasks.create_task(self.leader.run(), name="leader")

    def coordinate(self, crew: Crew, loads: RouterLoads) -> None:
        """To be said before anything is configured: the slots are leased, if routers share them out, and tell each
        other how busy they are. Raises CoordinationKeyRefused."""
        if self._settings is not None and self._bound is not None:
            key = read_key(self._settings.key_file)
            self._coordination = Coordination(
                self._identity, crew, self.leader, key, self._bound, loads, loop=self._loop, now=self._now
            )

    def goodbye(self) -> None:
        """No request runs here any more, nor will one."""
        if self._coordination is not None:
            self._coordination.goodbye()

    def replicas(self, label: str, namespace: str, roster: Roster, owner: WorkloadOwner) -> DeploymentReplicas:
        return DeploymentReplicas(label, namespace, roster, self._premises, owner)

    def configured(self, configuration: Configuration) -> None:
        """It is in force."""
        self.notices.judged(configuration.origins)

    async def settle(self) -> None:
        """Until the pods of every workload are known, or SETTLE_S: not to answer 503 for what is there."""
        try:
            async with asyncio.timeout(SETTLE_S):
                await self._workloads.settled()
                for reflector in self._pod_reflectors:
                    await reflector.synced.wait()
                if self._coordination is not None:
                    await self._coordination.joined()
        except TimeoutError:
            log.warning("ready without knowing every workload", extra={"fields": {"waited_s": SETTLE_S}})
        self._is_settled.set()

    async def release(self) -> None:
        """Lead no more, so that the next router need not wait."""
        if self._tenure is not None:
            await self._tenure.end()
        await self.leader.release()

    async def close(self) -> None:
        """After `run` has ended."""
        await self._client.aclose()
        await self._asking.aclose()
        await self._reading.aclose()
        await self._http.aclose()

    def conditions(self, key: EndpointKey) -> Sequence[Mapping[str, Any]]:
        """As the router that leads has written them; for the admin API."""
        conditions: Sequence[Mapping[str, Any]] = self.store.endpoints.status(key).get("conditions", ())
        return conditions

    # -- for the health paths and the metrics page ------------------------------------------------------------------

    def detail(self) -> Mapping[str, Any]:
        connected = self.contact.connected()
        return {
            "connected": all(connected.values()),
            "leading": self.leader.leading,
            "problems": [
                *self.contact.problems(),
                *self._writes.problems(),
                *self._lease_problems(),
                *self._own_problems(),
            ],
        }

    def reading(self) -> ClusterReading:
        coordination = None if self._coordination is None else self._coordination.reading()
        contact, leading = self.contact.connected(), self.leader.leading
        return ClusterReading(contact, leading, self._terms, self._teller.dropped, coordination)

    # -- within -----------------------------------------------------------------------------------------------------

    def _lease_problems(self) -> Iterator[str]:
        """While the API server answers; else it is told already."""
        if self.leader.problem and self.contact.connected().get(self._leases):
            yield f"kubernetes: {self._leases}: no part in the election: {self.leader.problem}"

    def _own_problems(self) -> Iterator[str]:
        if self.own_pods is not None and self.own_pods.problem:
            yield f"kubernetes: the router's own pods: {self.own_pods.problem}"

    def _reflector(self, board: PodBoard, scope: str | None, labels: str | None = None) -> Reflector[PodObject]:
        return Reflector(
            self._http,
            PodObject,
            board,
            contact=self.contact,
            namespace=scope,
            labels=labels,
            draw=random.random,
            sleep=self.contact.pause,
        )

    def _own_pods(self, settings: RouterPodsSettings, namespaces: Sequence[str]) -> OwnPods:
        """They are on the board of all pods, where their namespace is followed; else on one of their own."""
        own = settings.workload
        target = DeploymentTarget(api_version=own.api_version, kind=own.kind, name=own.name, port=1)
        if not namespaces or self.namespace in namespaces:
            return OwnPods(self.namespace, target, self._workloads, self._pods, self._leads, None)
        board = PodBoard()
        return OwnPods(
            self.namespace,
            target,
            self._workloads,
            board,
            self._leads,
            lambda selector: self._reflector(board, self.namespace, selector).run(),
        )

    def _leads(self) -> bool:
        return self.leader.leading

    def _lead(self, leading: bool) -> None:
        self._terms += leading
        self._writes.forget()
        if self._coordination is not None:
            self._coordination.lead(leading)
        if self._tenure is not None:
            self._tenure.changed(leading)

    async def _report(self, reporter: StatusReporter) -> None:
        """Not before the pods are known: what were said of them would be taken back at once."""
        await self._is_settled.wait()
        await reporter.run()

    async def _patch_status(self, key: EndpointKey, status: Mapping[str, Any]) -> None:
        namespace, name = key
        await self._client.patch(
            ScoringEndpoints.Status, name, {"status": status}, namespace=namespace, patch_type=PatchType.MERGE
        )


def _bind(settings: CoordinationSettings) -> socket.socket:
    return bind(settings.host, settings.port)


def _address(settings: CoordinationSettings | None, bound: socket.socket) -> str:
    if settings is not None and settings.advertise is not None:
        return settings.advertise
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _wall() -> datetime:
    return datetime.now(UTC)
