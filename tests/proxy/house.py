"""The data plane as production builds it, in front of scripted replicas, with everything that it counts kept.

`close` is part of every test: by then every client has left, and it asserts that nothing stays behind, neither a slot,
nor a waiter, a connection, a task, nor an exception that nobody saw.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from router.core.admission import Admission, Limits
from router.core.cors import CorsPolicy
from router.core.credentials import KeyRing, NoCredentials
from router.core.limits import ClientLimits
from router.core.routes import Credentials, EndpointRoute, MirrorRoute, RouteTable, VersionRoute
from router.core.traffic import Split
from router.errors import CopyDropped, Outcome
from router.proxy.copies import CopyLimits
from router.proxy.downstream import Downstream
from router.proxy.exchange import Exchange
from router.proxy.grants import Waiter, perform
from router.proxy.identifiers import RequestIds
from router.proxy.listener import Listener, bind
from router.proxy.plane import DataPlane
from router.proxy.upstream import ReplicaTls, Upstream
from tests.fakes.changes import BOUND_S, Changes
from tests.fakes.client import Client
from tests.fakes.replica import Replica, Script, answering
from tests.fakes.wire import request


@dataclass(frozen=True)
class Ended:
    """One request that was counted: for which version (or endpoint, or nothing), and how it ended."""

    where: str
    outcome: Outcome
    code: int
    total_s: float
    upstream_s: float = -1.0
    queue_s: float = -1.0
    overhead_s: float = -1.0


class Recorder:
    """A `Recorder` and a `RefusalRecorder` that keeps what it is told."""

    def __init__(self, where: str, house: House) -> None:
        self._where = where
        self._house = house

    def finished(self, outcome: Outcome, code: int, *times: float) -> None:
        self._house.ended.append(Ended(self._where, outcome, code, *times))
        self._house.changes.happened()


class CopyRecorder:
    """Keeps what became of the copies for one mirror."""

    def __init__(self, where: str, house: House) -> None:
        self._where = where
        self._house = house

    def finished(self, outcome: Outcome, total_s: float) -> None:
        assert total_s >= 0
        self.dropped(outcome)

    def dropped(self, reason: Outcome | CopyDropped) -> None:
        self._house.copies.append((self._where, reason.value))
        self._house.changes.happened()


def _credentials(keys: tuple[str, str] | None) -> Credentials:
    return KeyRing(*keys) if keys else NoCredentials()


class House:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: ClientLimits,
        trusted_proxies: tuple[IPv4Network, ...] = (),
        copy_limits: CopyLimits | None = None,
    ) -> None:
        self.ended: list[Ended] = []
        self.copies: list[tuple[str, str]] = []
        self.logged: list[Exchange] = []
        self.changes = Changes()
        self.faults: list[dict[str, Any]] = []
        self.load_rose = 0
        self.u = 0.0
        self.unix_now = 1_800_000_000.0
        self.passed_s = 0.0
        """How far the router's clock is ahead: for what takes longer than a test may."""
        loop.set_exception_handler(lambda _loop, context: self.faults.append(context))
        self.plane = DataPlane(
            loop,
            limits,
            now=self.now,
            unix_now=lambda: self.unix_now,
            draw=lambda: self.u,
            ids=RequestIds(random.Random(7).getrandbits),
            unrouted=Recorder("", self),
            access_log=lambda exchange, _now: self.logged.append(exchange),
            trusted_proxies=trusted_proxies,
            copy_limits=copy_limits,
        )
        self.listener = Listener(self.plane, bind("127.0.0.1", 0))
        self.port = self.listener.port
        self._replicas: list[Replica] = []
        self._clients: list[Client] = []
        self._admissions: list[Admission[Waiter, Upstream]] = []
        self.upstreams: list[Upstream] = []
        self._names = map("replica-{}".format, itertools.count(1))

    @classmethod
    async def open(
        cls,
        limits: ClientLimits | None = None,
        trusted_proxies: tuple[IPv4Network, ...] = (),
        copy_limits: CopyLimits | None = None,
    ) -> House:
        house = cls(asyncio.get_running_loop(), limits or ClientLimits(), trusted_proxies, copy_limits)
        await house.listener.start()
        return house

    def now(self) -> float:
        return time.monotonic() + self.passed_s

    # -- replicas and versions -----------------------------------------------------------------------------------------

    async def replica(
        self, script: Script | None = None, *, socket_buffer: int | None = None, tls: ssl.SSLContext | None = None
    ) -> Replica:
        replica = Replica(script or answering(), socket_buffer, tls)
        await self.take_in(replica)
        return replica

    async def take_in(self, replica: Replica) -> None:
        """Starts it, and stops it at the end."""
        await replica.start()
        self._replicas.append(replica)

    def version(
        self,
        name: str,
        *replicas: Replica,
        limits: Limits | None = None,
        scoring_path: str = "/score",
        scoring_timeout_s: float = BOUND_S,
        server_timing: bool = False,
    ) -> VersionRoute:
        admission: Admission[Waiter, Upstream] = Admission(limits or Limits(queue_wait_s=BOUND_S))
        self._admissions.append(admission)
        route = VersionRoute(
            endpoint="digits",
            name=name,
            admission=admission,
            recorder=Recorder(name, self),
            scoring_path=scoring_path,
            scoring_timeout_s=scoring_timeout_s,
            load_rose=self._note_load,
            server_timing=server_timing,
        )
        for replica in replicas:
            self.add(route, replica)
        return route

    def mirror(self, name: str, *replicas: Replica, share: float = 100.0, **settings: Any) -> MirrorRoute:
        return MirrorRoute(self.version(name, *replicas, **settings), share, CopyRecorder(name, self))

    def add(self, version: VersionRoute, replica: Replica, tls: ReplicaTls | None = None) -> str:
        """The replica is ready from now on; returns its name."""
        upstream = Upstream(self.plane.loop, "127.0.0.1", replica.port, tls)
        self.upstreams.append(upstream)
        name, now = next(self._names), self.plane.now()
        perform(version.admission.add_replica(name, upstream, now), now)
        return name

    def endpoint(
        self,
        *versions: VersionRoute,
        name: str = "digits",
        keys: tuple[str, str] | None = None,
        credentials: Credentials | None = None,
        percentiles: Mapping[str, float] | None = None,
        sticky_header: str | None = None,
        allow_origins: tuple[str, ...] = (),
        mirrors: Sequence[MirrorRoute] = (),
    ) -> EndpointRoute:
        by_name = {version.name: version for version in [*versions, *(mirror.version for mirror in mirrors)]}
        default = versions[0].name
        return EndpointRoute(
            name=name,
            credentials=_credentials(keys) if credentials is None else credentials,
            versions=by_name,
            split=Split(by_name, percentiles or {default: 100.0}, default),
            recorder=Recorder(name, self),
            sticky_header=sticky_header,
            cors=CorsPolicy(allow_origins) if allow_origins else None,
            mirrors=mirrors,
        )

    def publish(self, *endpoints: EndpointRoute, hosts: Mapping[str, EndpointRoute] | None = None) -> None:
        self.plane.publish(RouteTable({endpoint.name: endpoint for endpoint in endpoints}, hosts))

    def serve(self, *replicas: Replica, **settings: Any) -> Admission[Waiter, Upstream]:
        """One endpoint with one version, blue, that needs no credential."""
        version = self.version("blue", *replicas, **settings)
        self.publish(self.endpoint(version))
        return version.admission

    # -- clients and what was counted ----------------------------------------------------------------------------------

    async def client(self, *, socket_buffer: int | None = None) -> Client:
        client = await Client.connect(self.port, socket_buffer)
        self._clients.append(client)
        return client

    async def counted(self, requests: int = 1) -> list[tuple[str, str, int]]:
        """Waits for that many requests to have ended; returns how all of them did, in order."""
        await self.changes.until(lambda: len(self.ended) >= requests)
        return [(each.where, each.outcome.value, each.code) for each in self.ended]

    async def copied(self, copies: int = 1) -> list[tuple[str, str]]:
        """Waits for that many copies to have ended or been dropped; returns how all of them did, in order."""
        await self.changes.until(lambda: len(self.copies) >= copies)
        return self.copies

    async def caught_up(self) -> None:
        """Returns when the router has seen what was sent before: it has answered somebody else since."""
        async with asyncio.timeout(BOUND_S):
            other = await self.client()
            await other.ask(request("GET", "/healthz"))
            await other.close()

    def connection_of(self, client: Client) -> Downstream:
        """The router's side of a connection that it has accepted."""
        ports = {each.transport.get_extra_info("peername")[1]: each for each in self.plane.connections}
        return ports[client.port]

    async def queued(self, requests: int) -> None:
        """Waits until so many requests had to wait, or were refused, for load."""
        await self.changes.until(lambda: self.load_rose >= requests)

    def _note_load(self) -> None:
        self.load_rose += 1
        self.changes.happened()

    # -- the end -------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        try:
            await self._assert_empty()
        finally:
            await self._shut()

    async def _assert_empty(self) -> None:
        async with asyncio.timeout(BOUND_S):
            await self.plane.emptied()
        self.plane.copies.cut()  # whoever expects another end of them has waited for it
        self._assert_nothing_held()
        for upstream in self.upstreams:
            upstream.close()
        for replica in self._replicas:
            await replica.left()
        await self._assert_no_task()
        assert not self.faults, self.faults

    def _assert_nothing_held(self) -> None:
        assert len(self.logged) == len(self.ended)
        assert repr(self.plane.copies) == "<Copies under_way=0 held_bytes=0>"
        for admission in self._admissions:
            assert (admission.in_flight, admission.queued, admission.tunnels) == (0, 0, 0), admission
            for replica in admission._slots:  # no other way shows that every token came home
                assert (replica.held, len(replica.free)) == (0, admission.limits.slots), replica

    async def _assert_no_task(self) -> None:
        """Connecting may go on for a moment after its request has ended, but nothing runs for ever."""
        running = asyncio.all_tasks() - {asyncio.current_task()}
        if running:
            _, still_running = await asyncio.wait(running, timeout=BOUND_S)
            assert not still_running, still_running

    async def _shut(self) -> None:
        """Leaves the loop empty also where a test has failed."""
        await self.listener.stop()
        self.plane.abort()
        for replica in self._replicas:
            await replica.stop()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
