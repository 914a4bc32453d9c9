"""One version in one worker: its admission, its counters, its route, and the replicas it may use.

Made when the version is to be served here, changed in place while it is, closed when it is forgotten: requests in
flight and waiting go on through every change. Which replicas there are and how many slots may be used is said by the
control process; what becomes of that is told through `Voice`. The only place where a replica becomes an `Upstream`, and
where waiting requests learn that there is room.

Owned by `front`; runs on the worker's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Protocol

from router.core.admission import Admission, Limits, Term
from router.core.leases import Bound, Demand, Group, Lease, Recall
from router.core.routes import MirrorRoute, VersionRoute
from router.core.slots import Replica
from router.model.spec import Version
from router.proxy.grants import Waiter, perform
from router.proxy.upstream import Upstream
from router.serving.messages import Load, Place, QueuePart, Withdraw
from router.store.certificates import Certificates, TlsTerms
from router.telemetry.counters import MirrorMetrics, VersionMetrics

ROOT = Path("/")
"""What absolute paths are relative to."""


class Voice(Protocol):
    """Who tells the control process what happens in a lane."""

    def woken(self, lane: Lane) -> None:
        """A request came after a time without any."""

    def rose(self, lane: Lane) -> None:
        """A request has to wait, or is refused for load."""

    def starving(self, lane: Lane) -> None:
        """A request has to wait for want of a leased slot."""

    def lowered(self, lane: Lane, replica: str) -> None:
        """The lane can use fewer slots of this replica than it could before."""

    def emptied(self, lane: Lane, withdraw: Withdraw) -> None:
        """A withdrawn replica runs nothing here any more."""


@dataclass(frozen=True, slots=True)
class LaneSurroundings:
    """What all lanes of a worker share."""

    loop: asyncio.AbstractEventLoop
    now: Callable[[], float]
    certificates: Certificates
    voice: Voice
    term: Term


class Lane:
    def __init__(
        self, group: Group, endpoint: str, version: Version, part: QueuePart, around: LaneSurroundings
    ) -> None:
        self.group = group
        self.endpoint = endpoint
        self.version = version.name
        self.spec = version
        self.metrics = VersionMetrics()
        self.mirror_metrics: MirrorMetrics | None = None
        self.starved_at = -inf
        """When a request last began to wait for want of a slot (monotonic seconds)."""
        self.leased = False
        """Whether a lease came since its demand was last said."""
        self.rose_at = -inf
        """When it was last told that load rose (monotonic seconds)."""
        self._around = around
        self._part = part
        self._server_timing = False
        self._admission: Admission[Waiter, Upstream] = Admission(
            limits_of(version, part), self, self._woken, around.term
        )
        self._placed: dict[str, TlsTerms | None] = {}
        self._numbers: dict[str, int] = {}
        """Of the newest lease, by replica; kept through a withdrawal for as long as anything is to be said of it."""
        self._recall = 0
        self.route = self._compile()

    def apply(self, version: Version, part: QueuePart, server_timing: bool) -> None:
        """Other settings from now on. A request that is under way keeps the time-outs it began with."""
        self.spec, self._part, self._server_timing = version, part, server_timing
        self.route = self._compile()
        now = self._around.now()
        perform(self._admission.apply(limits_of(version, part), now), now)

    def take_part(self, part: QueuePart) -> None:
        """Another part of the version's queue."""
        self._part = part
        now = self._around.now()
        perform(self._admission.apply(limits_of(self.spec, part), now), now)

    def mirror(self) -> MirrorRoute | None:
        """This version as a mirror of its endpoint; None when it is none."""
        if not self.spec.is_mirror:
            return None
        if self.mirror_metrics is None:  # for all that follows, also should it be a mirror once more
            self.mirror_metrics = MirrorMetrics()
        return MirrorRoute(self.route, self.spec.mirror_percentile, self.mirror_metrics)

    # -- replicas and leases ------------------------------------------------------------------------------------------

    def place(self, place: Place) -> None:
        if place.replica in self._placed:
            return
        certificates = self._around.certificates
        terms = None if place.tls is None else certificates.for_replicas(place.tls, ROOT)
        self._placed[place.replica] = terms
        now, upstream = self._around.now(), Upstream(self._around.loop, place.host, place.port, terms)
        perform(self._admission.add_replica(place.replica, upstream, now, limit=0), now)

    def withdraw(self, withdraw: Withdraw) -> None:
        replica = withdraw.replica
        if replica in self._placed:
            self._retire(replica, lambda: self._around.voice.emptied(self, withdraw))
        else:
            self._around.voice.emptied(self, withdraw)

    def expect(self, coming: bool) -> None:
        self._admission.expecting = coming

    def lend(self, lease: Lease) -> None:
        """The bound is told in any case: whoever leases waits for it."""
        if lease.number > self._numbers.get(lease.replica, -1):
            self._numbers[lease.replica] = lease.number
            now = self._around.now()
            self.leased = True
            perform(self._admission.lend(lease.replica, lease.limit, now), now)
        self._around.voice.lowered(self, lease.replica)

    def recall(self, recall: Recall) -> None:
        if recall.number > self._recall:
            self._recall = recall.number
            self._admission.recall(recall.hungry, recall.yields)

    def keep(self, *, keeping: bool) -> None:
        """Whether what falls idle stays although others are hungry."""
        self._admission.keep(keeping=keeping)

    def forget_recalls(self) -> None:
        self._recall = 0
        self._admission.recall(0, 0)

    def bound(self, replica: str) -> Bound:
        return Bound(self.group, replica, self._numbers.get(replica, 0), self._admission.bound(replica))

    def bounds(self) -> list[Bound]:
        """Of all replicas of which it has seen leases, 0 too: another lessor's numbers have to be beyond those."""
        return [self.bound(replica) for replica in self._numbers]

    def said_bound(self, replica: str) -> None:
        """The lessor knows. What is not here any more may be forgotten, but no sooner: it is known by that number."""
        if self._admission.replica(replica) is None:
            self._numbers.pop(replica, None)

    def demand(self) -> Demand:
        return Demand(self.group, self._admission.queued, self._admission.in_flight)

    def close(self) -> None:
        """No replica is left to it; what runs may end."""
        for replica in list(self._placed):
            self._retire(replica, None)

    def _retire(self, replica: str, emptied: Callable[[], None] | None) -> None:
        terms = self._placed.pop(replica)
        retired = self._admission.retire_replica(replica, emptied)
        if retired is not None:
            retired.upstream.close()
        if terms is not None:
            self._around.certificates.release(terms)
        self._around.voice.lowered(self, replica)
        now = self._around.now()
        perform(self._admission.readmit_all_if_none(now), now)

    # -- what the admission says (`Lessor`) ---------------------------------------------------------------------------

    def starving(self) -> None:
        self._around.voice.starving(self)

    def lowered(self, replica: Replica[Upstream]) -> None:
        self._around.voice.lowered(self, replica.id)

    def _woken(self, _: Admission[Waiter, Upstream]) -> None:
        self._around.voice.woken(self)

    def sleep(self) -> None:
        """The next request wakes it."""
        self._admission.awake = False

    # -- numbers ------------------------------------------------------------------------------------------------------

    def load(self) -> Load:
        admission, load = self._admission, self._admission.load
        return Load(
            self.group,
            queued=admission.queued,
            in_flight=admission.in_flight,
            tunnels=admission.tunnels,
            retrying=load.retrying(self._around.now()),
            away=max(0, len(self._placed) - admission.total),
            arrivals=load.arrivals,
            repeats=load.repeats,
            completions=load.completions,
            service_s=load.service_s,
            held=dict(admission.held_by_replica()),
        )

    def _compile(self) -> VersionRoute:
        return VersionRoute(
            endpoint=self.endpoint,
            name=self.version,
            admission=self._admission,
            recorder=self.metrics,
            scoring_path=self.spec.scoring_path,
            scoring_timeout_s=self.spec.scoring_timeout_ms / 1000,
            load_rose=lambda: self._around.voice.rose(self),
            server_timing=self._server_timing,
        )

    def __repr__(self) -> str:
        return f"<Lane {self.endpoint}/{self.version} {self._admission!r}>"


def limits_of(version: Version, part: QueuePart) -> Limits:
    """Of one worker: the queue's length is the sum over all of them."""
    length = version.max_queue_length
    own = length // part.of + (part.nth < length % part.of)
    whole = Limits(
        slots=version.max_concurrent_requests_per_replica,
        queue_wait_s=version.max_queue_wait_ms / 1000,
        queue_length=length,
        cold_start_s=version.cold_start_timeout_ms / 1000,
    )
    return whole if part.of == 1 else replace(whole, queue_length=own, whole_queue_length=length)
