"""All workers, as the control process sees them: tells them what to serve, leases slots to them, sums what they say.

    Fleet ─► configure, open ─► Crew ─► Link ─► DataSide of each worker
                                 │ ◄── heard ◄──┘
                                 └ LeaseTable: who may use how many slots of which replica

A worker that comes is told everything in force before its first lease; one that goes is known dead when `left` is
called, so its slots are free at once. With one worker in this very process a link is a call, the rest is the same.

Made by the composition root. Runs on the event loop of the control process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from math import inf
from typing import Final, Protocol

from router.core.lease_outbox import Effect
from router.core.lease_table import LeaseTable
from router.core.leases import Bound, Demand, Group
from router.model.spec import EndpointKey, KeySource
from router.serving.allotment import Allotment
from router.serving.messages import (
    Configure,
    Counted,
    Emptied,
    Forget,
    Holdings,
    InForce,
    IssuerKeys,
    Load,
    Loads,
    Place,
    QueuePart,
    Rose,
    Served,
    Ship,
    Shipped,
    TermEnds,
    UnknownKey,
    Withdraw,
)
from router.serving.tally import Tally, endpoint_tally
from router.telemetry.counters import EndpointTotals
from router.telemetry.source import Clients

FLUSH_S: Final = 0.25
"""How long whoever wants fresh numbers waits for a worker that does not answer; it answers in a millisecond."""
SILENT_S: Final = 1.5
"""A worker says something every second; after this what it said last is of then, and not of now."""


class Link(Protocol):
    """The way to one worker."""

    @property
    def name(self) -> str: ...
    def send(self, message: object) -> None: ...
    def refresh(self, group: Group) -> bool:
        """Has the worker say at once how busy this version is, where that is only a call; whether it is."""


class Upper(Protocol):
    """From whom this router's slots are leased, where others use the same replicas: `coordination` in a cluster."""

    def known(self, group: Group, replica: str, slots: int) -> int:
        """There is such a replica, with so many slots in all; how many of them are this router's now."""

    def gone(self, group: Group, replica: str) -> None: ...
    def bound_fell(self, group: Group, replica: str, bound: int) -> None:
        """This router can be using no more than so many slots."""

    @property
    def unheard(self) -> int:
        """Other routers that may be serving, and cannot be heard."""

    def wants(self, demand: Demand) -> None: ...
    def loaded(self, group: Group) -> None:
        """How busy a version is has changed."""


class _Worker:
    """What is known of a worker."""

    def __init__(self, link: Link, now: float) -> None:
        self.link = link
        self.heard_at = now
        self.in_force = 0
        self.shipped = 0
        self.clients = Clients(0, 0, 0)


class Crew:
    """Implements `Distributor` for the allotments."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float],
        rose: Callable[[tuple[str, str]], None],
    ) -> None:
        """`rose((endpoint, version))`: a request of this version has to wait, or is refused for load."""
        self._loop = loop
        self._now = now
        self._rose = rose
        self._table = LeaseTable(lowered=self._lowered)
        self._upper: Upper | None = None
        self._term_ends = inf
        self._fallen: dict[tuple[Group, str], None] = {}
        """Replicas whose bound has fallen, for the lessor of this router."""
        self._wanting: dict[Group, Demand | None] = {}
        """Versions of which workers lack slots, and what this router's own lessor was told about it."""
        self._workers: dict[str, _Worker] = {}
        self._served: dict[EndpointKey, Served] = {}
        self._issuer_keys: dict[KeySource, IssuerKeys] = {}
        self._unknown_key: Callable[[KeySource], None] | None = None
        self._allotments: dict[Group, Allotment] = {}
        self._endpoints: dict[str, Tally[EndpointTotals]] = {}
        self._gone = Clients(0, 0, 0)
        self._configured = 0
        self._ships = 0
        self._progress = asyncio.Event()
        """Set and replaced whenever a worker has confirmed something, or is gone."""
        self._alarm: asyncio.TimerHandle | None = None

    def lease_from(self, upper: Upper) -> None:
        """To be said before there is any replica. Otherwise all slots are this router's own."""
        self._upper = upper

    def ask_for_keys(self, unknown_key: Callable[[KeySource], None]) -> None:
        """`unknown_key(source)`: a worker has met a token that names a key which is not in this issuer's set."""
        self._unknown_key = unknown_key

    def close(self) -> None:
        """Nothing more is leased."""
        if self._alarm is not None:
            self._alarm.cancel()

    # -- workers ------------------------------------------------------------------------------------------------------

    def joined(self, link: Link) -> None:
        """A worker that can be told things: it is told everything."""
        self._workers[link.name] = _Worker(link, self._now())
        self._part_queues()
        link.send(TermEnds(self._term_ends))
        for keys in self._issuer_keys.values():
            link.send(keys)
        link.send(Configure(self._configured, tuple(self._served.values())))
        for allotment in self._allotments.values():
            for message in allotment.introduction():
                link.send(message)
        self._perform(self._table.join(link.name, self._now()))

    def awaits(self, names: Iterable[str]) -> None:
        """Workers of an earlier control process, of whom it is not known yet what they have: nothing is leased before
        each is adopted, or has left. To be said before anybody joins."""
        self._table.unknown_until(inf, names)

    def adopted(self, link: Link, holdings: Holdings) -> None:
        """A worker of an earlier control process: what it has must not be given to others. It may get more, for it
        still has connections."""
        self._workers[link.name] = _Worker(link, self._now())
        self._part_queues()
        link.send(TermEnds(self._term_ends))
        self._perform(self._table.adopt(link.name, holdings.bounds, self._now()))
        self._perform(self._table.join(link.name, self._now()))

    def left(self, name: str) -> None:
        """A worker that is known to be no more; it may have been awaited, and never have come."""
        worker = self._workers.pop(name, None)
        if worker is not None:
            for allotment in self._allotments.values():
                allotment.left(name)
            for tally in self._endpoints.values():
                tally.left(name)
            self._gone = _plus(self._gone, worker.clients._replace(open=0))
            self._part_queues()
        self._perform(self._table.dead(name, self._now()))
        self._progressed()

    def alive(self, name: str) -> None:
        """It has nothing to say, so what it said last is as it is now."""
        worker = self._workers.get(name)
        if worker is not None:
            worker.heard_at = self._now()

    def heard(self, name: str, message: object) -> None:
        """What a worker says."""
        worker = self._workers.get(name)
        if worker is None:
            return
        now = worker.heard_at = self._now()
        match message:
            case Loads(loads):
                for load in loads:
                    self._heard_of(name, load)
                    if load.queued or self._table.starves(load.group):
                        self._demanded(name, Demand(load.group, load.queued, load.in_flight))
            case Rose() | Emptied():
                self._heard_of(name, message)
            case Bound():
                self._perform(self._table.bound(name, message, now))
            case Demand():
                self._demanded(name, message)
            case Counted():
                self._counted(name, worker, message)
            case UnknownKey(source):
                if self._unknown_key is not None:
                    self._unknown_key(source)
            case InForce(number):
                worker.in_force = number
                self._progressed()
            case Shipped(number):
                worker.shipped = number
                self._progressed()

    def tell(self, message: object) -> None:
        for worker in self._workers.values():
            worker.link.send(message)

    def refresh(self, group: Group) -> None:
        for worker in self._workers.values():
            if worker.link.refresh(group):
                worker.heard_at = self._now()

    def heard_at(self, now: float) -> float:
        oldest = min((worker.heard_at for worker in self._workers.values()), default=now)
        return now if now - oldest <= SILENT_S else oldest

    @property
    def unheard(self) -> int:
        return 0 if self._upper is None else self._upper.unheard

    async def ship(self) -> None:
        """Returns when all workers have said what they have counted, or FLUSH_S later."""
        self._ships += 1
        number = self._ships
        self.tell(Ship(number))
        await self._until(lambda worker: worker.shipped >= number)

    async def in_force(self) -> None:
        """Returns when all workers serve what was said last, or FLUSH_S later."""
        number = self._configured
        await self._until(lambda worker: worker.in_force >= number)

    @property
    def clients(self) -> Clients:
        total = self._gone
        for worker in self._workers.values():
            total = _plus(total, worker.clients)
        return total

    # -- what is served -----------------------------------------------------------------------------------------------

    def configure(self, put: Iterable[Served], removed: Iterable[EndpointKey] = ()) -> None:
        """Has all workers serve this from now on."""
        self._configured += 1
        configure = Configure(self._configured, tuple(put), tuple(removed))
        for key in configure.removed:
            self._served.pop(key, None)
        for served in configure.put:
            self._served[served.source.endpoint.key] = served
        self.tell(configure)

    def issuer_keys(self, source: KeySource, document: bytes | None) -> None:
        """The key set of an outside issuer, from now on; None: no endpoint trusts it any more."""
        message = IssuerKeys(source, document)
        self._issuer_keys[source] = message
        if document is None:
            del self._issuer_keys[source]
        self.tell(message)

    def open(self, endpoint: str, version: str, slots: int) -> Allotment:
        """A version that is about to be served. While one of its name is still ending, it goes by another group: the
        two have nothing in common."""
        group, times = (endpoint, version), 1
        while group in self._allotments:
            times += 1
            group = endpoint, f"{version}~{times}"
        allotment = self._allotments[group] = Allotment(group, (endpoint, version), slots, self)
        return allotment

    def drop(self, allotment: Allotment) -> None:
        """A version that is served no more, and has no replica left."""
        del self._allotments[allotment.group]
        self.tell(Forget(allotment.group))

    def counted(self, label: str) -> Tally[EndpointTotals]:
        """Of requests to this endpoint that ended before a version was picked; "": that met no endpoint."""
        return self._endpoints.setdefault(label, endpoint_tally())

    # -- replicas (`Distributor`) -------------------------------------------------------------------------------------

    def place(self, place: Place, slots: int) -> None:
        self.tell(place)
        self.resize(place.group, place.replica, slots)

    def resize(self, group: Group, replica: str, slots: int) -> None:
        own = slots if self._upper is None else self._upper.known(group, replica, slots)
        self.lend(group, replica, own)

    def withdraw(self, withdraw: Withdraw) -> None:
        self.tell(withdraw)
        if self._upper is not None:
            self._upper.gone(withdraw.group, withdraw.replica)
        self._perform(self._table.remove_replica(withdraw.group, withdraw.replica, self._now()))

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._workers)

    # -- what this router's own lessor says ------------------------------------------------------------------------

    def lend(self, group: Group, replica: str, limit: int) -> None:
        """The workers may use so many slots of a replica, together."""
        self._perform(self._table.resize(group, replica, limit, self._now()))

    def term_ends(self, at: float) -> None:
        """What is leased to this router may be used until then (monotonic seconds)."""
        if at != self._term_ends:
            self._term_ends = at
            self.tell(TermEnds(at))

    def recall(self, group: Group, hungry: int, yields: int) -> None:
        """Others want slots: a `Recall`."""
        self._perform(self._table.give_up(group, hungry, yields, self._now()))

    def in_use(self, group: Group, replica: str) -> int:
        """So many of its slots the workers can be using."""
        return self._table.in_use(group, replica)

    def replicas(self) -> Iterator[tuple[Group, str, int]]:
        """All that are placed, with their slots in all."""
        for allotment in self._allotments.values():
            yield from allotment.replicas()

    def longest_s(self, group: Group) -> float:
        """How long a request of this version may hold a slot; 0 of one that is not known."""
        allotment = self._allotments.get(group)
        return 0.0 if allotment is None else allotment.longest_s

    def rose(self, allotment: Allotment) -> None:
        """Load has risen, here or in another router."""
        self._rose(allotment.key)

    def allotment(self, group: Group) -> Allotment | None:
        return self._allotments.get(group)

    @property
    def allotments(self) -> tuple[Allotment, ...]:
        return tuple(self._allotments.values())

    @property
    def groups(self) -> tuple[Group, ...]:
        return tuple(self._allotments)

    # -- within -------------------------------------------------------------------------------------------------------

    def _perform(self, effects: Sequence[Effect]) -> None:
        """Sends what the table says, and has it look again when it wants to."""
        fallen, self._fallen = self._fallen, {}
        if self._upper is not None:
            for group, replica in fallen:
                self._upper.bound_fell(group, replica, self._table.bound_of(group, replica))
            self._say_wants(self._upper)
        for holder, message in effects:
            worker = self._workers.get(holder)
            if worker is not None:
                worker.link.send(message)
        due = self._table.due()
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if due is None else self._loop.call_later(max(0.0, due - self._now()), self._on_alarm)

    def _say_wants(self, upper: Upper) -> None:
        """What workers lack changes with all that they say, and when what one was to hand back did not come."""
        for group, said in list(self._wanting.items()):
            demand = self._table.totals(group, self._now())
            if demand != said:
                self._wanting[group] = demand
                upper.wants(demand)
            if not demand.queued and not self._table.starves(group):
                del self._wanting[group]

    def _lowered(self, group: Group, replica: str) -> None:
        self._fallen[group, replica] = None

    def _on_alarm(self) -> None:
        self._alarm = None
        self._perform(self._table.tick(self._now()))

    def _part_queues(self) -> None:
        for index, worker in enumerate(self._workers.values()):
            worker.link.send(QueuePart(index, len(self._workers)))

    def _demanded(self, name: str, demand: Demand) -> None:
        self._wanting.setdefault(demand.group, None)
        self._perform(self._table.demand(name, demand, self._now()))

    def _heard_of(self, name: str, message: Load | Rose | Emptied) -> None:
        allotment = self._allotments.get(message.group)
        if allotment is None:
            return
        match message:
            case Load():
                allotment.loaded(name, message)
                if self._upper is not None:
                    self._upper.loaded(message.group)
            case Rose():
                self.rose(allotment)
            case Emptied():
                allotment.emptied_by(name, message)

    def _counted(self, name: str, worker: _Worker, counted: Counted) -> None:
        for group, version in counted.versions.items():
            if (allotment := self._allotments.get(group)) is not None:
                allotment.metrics.said(name, version)
        for group, mirror in counted.mirrors.items():
            if (allotment := self._allotments.get(group)) is not None:
                allotment.mirror_metrics.said(name, mirror)
        for label, endpoint in counted.endpoints.items():
            self.counted(label).said(name, endpoint)
        worker.clients = counted.clients

    def _progressed(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()

    async def _until(self, done: Callable[[_Worker], bool]) -> None:
        deadline = self._now() + FLUSH_S
        while not all(map(done, self._workers.values())) and (left := deadline - self._now()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._progress.wait()


def _plus(one: Clients, other: Clients) -> Clients:
    return Clients(one.open + other.open, one.refused + other.refused, one.displaced + other.displaced)
