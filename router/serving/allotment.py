"""One version over all workers: the replicas that they are told of, and how busy they are, summed.

Discovery's `Roster` on the one side, the workers on the other. A withdrawn replica has emptied when every worker that
was told of it says so, or is gone. What gone workers had counted stays in the sums, so that no counter falls.

Made and told by `crew`; read by the version that it belongs to. Runs on the event loop of the control process.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from router.core.leases import Group
from router.discovery.roster import ReplicaTls
from router.model.spec import UpstreamTls
from router.serving.messages import Emptied, Expect, Load, Place, Withdraw
from router.serving.tally import mirror_tally, version_tally
from router.store.certificates import TlsTerms


class Distributor(Protocol):
    """Who passes on to the workers what an allotment says."""

    def place(self, place: Place, slots: int) -> None:
        """A replica with so many slots."""

    def resize(self, group: Group, replica: str, slots: int) -> None: ...
    def withdraw(self, withdraw: Withdraw) -> None: ...
    @property
    def names(self) -> frozenset[str]:
        """Of all workers."""

    def tell(self, message: object) -> None:
        """All workers."""

    def refresh(self, group: Group) -> None:
        """Has said what can be said at once."""

    def heard_at(self, now: float) -> float:
        """Since when no worker has been silent for longer than it should be."""

    @property
    def unheard(self) -> int:
        """Other routers that may be serving, and cannot be heard."""


class Offered(NamedTuple):
    """Cumulative numbers of all workers that ever were."""

    arrivals: int
    repeats: int
    completions: int
    service_s: float


class _Leaving:
    """A replica that is to run empty."""

    def __init__(self, number: int, awaited: frozenset[str]) -> None:
        self.number = number
        self.awaited = set(awaited)
        self.emptied = asyncio.Event()
        self._look()

    def gone(self, worker: str) -> None:
        self.awaited.discard(worker)
        self._look()

    def _look(self) -> None:
        if not self.awaited:
            self.emptied.set()


class Allotment:
    """Implements `Roster`."""

    def __init__(self, group: Group, key: tuple[str, str], slots: int, crew: Distributor) -> None:
        self.group = group
        self.key = key
        """Endpoint and version."""
        self.metrics = version_tally()
        self.mirror_metrics = mirror_tally()
        self.longest_s = 0.0
        """How long a request may hold a slot: `scoringTimeoutMs`, in seconds. What is upgraded may hold it longer."""
        self.away_changed: Callable[[int, int], None] = lambda _away, _replicas: None
        """Told how many replicas are ejected, whenever that is another number than before, and of how many."""
        self._slots = slots
        self._crew = crew
        self._placed: dict[str, Place] = {}
        self._leaving: dict[str, _Leaving] = {}
        self._numbers = 0
        self._coming = False
        self._on_demand = False
        self._loads: dict[str, Load] = {}
        self._gone = Offered(0, 0, 0, 0.0)
        self._others: dict[str, Load] = {}
        """Of the other routers of a cluster, while this one leads."""
        self._others_gone = Offered(0, 0, 0, 0.0)

    # -- what discovery says (`Roster`) -------------------------------------------------------------------------------

    def add(self, replica: str, host: str, port: int, tls: ReplicaTls | None) -> None:
        leaving = self._leaving.pop(replica, None)
        if leaving is not None:  # what it runs still counts on: there is nothing left to wait for
            leaving.emptied.set()
        place = Place(self.group, replica, host, port, _wanted(tls))
        self._placed[replica] = place
        self._crew.place(place, self._slots)

    def retire(self, replica: str) -> None:
        if self._placed.pop(replica, None) is None:
            return
        self._numbers += 1
        leaving = self._leaving[replica] = _Leaving(self._numbers, self._crew.names)
        self._crew.withdraw(Withdraw(self.group, replica, self._numbers))
        self._gone_from(replica, leaving, "")

    def held(self, replica: str) -> int:
        self._crew.refresh(self.group)
        return sum(load.held.get(replica, 0) for load in self._loads.values())

    async def emptied(self, replica: str) -> None:
        leaving = self._leaving.get(replica)
        if leaving is not None:
            await leaving.emptied.wait()

    def expect(self, coming: bool) -> None:
        self._expect(coming, self._on_demand)

    # -- what the version says ----------------------------------------------------------------------------------------

    def start_on_demand(self, possible: bool) -> None:
        """Whether a request that waits brings a replica up by itself: scale from zero."""
        self._expect(self._coming, possible)

    def resize(self, slots: int) -> None:
        """Another number of slots per replica."""
        if slots != self._slots:
            self._slots = slots
            for replica in self._placed:
                self._crew.resize(self.group, replica, slots)

    def _expect(self, coming: bool, on_demand: bool) -> None:
        before = self._coming or self._on_demand
        self._coming, self._on_demand = coming, on_demand
        if (coming or on_demand) is not before:
            self._crew.tell(Expect(self.group, coming or on_demand))

    # -- what workers say ---------------------------------------------------------------------------------------------

    def introduction(self) -> Iterator[object]:
        """What a worker that comes has to know, but for its leases."""
        yield from self._placed.values()
        if self._coming or self._on_demand:
            yield Expect(self.group, True)

    def loaded(self, worker: str, load: Load) -> None:
        before = self._away
        self._loads[worker] = load
        self._tell_away(before)

    def emptied_by(self, worker: str, emptied: Emptied) -> None:
        leaving = self._leaving.get(emptied.replica)
        if leaving is not None and leaving.number == emptied.number:
            self._gone_from(emptied.replica, leaving, worker)

    def left(self, worker: str) -> None:
        """This worker is gone, and its requests with it."""
        before = self._away
        load = self._loads.pop(worker, None)
        self._tell_away(before)
        if load is not None:
            self._gone = _plus(self._gone, load)
        for replica, leaving in list(self._leaving.items()):
            self._gone_from(replica, leaving, worker)
        self.metrics.left(worker)
        self.mirror_metrics.left(worker)

    def _tell_away(self, before: int) -> None:
        if self._away != before:
            self.away_changed(self._away, len(self._placed))

    def _gone_from(self, replica: str, leaving: _Leaving, worker: str) -> None:
        leaving.gone(worker)
        if leaving.emptied.is_set() and self._leaving.get(replica) is leaving:
            del self._leaving[replica]

    def others_loaded(self, router: str, load: Load) -> None:
        """How busy another router is with it, for whoever scales it."""
        self._others[router] = load

    def queued_elsewhere(self, router: str) -> int:
        """Requests that wait in another router, or come again."""
        load = self._others.get(router)
        return 0 if load is None else load.queued + load.retrying

    def other_left(self, router: str) -> None:
        """It is known to have ended. Until then its last word counts."""
        load = self._others.pop(router, None)
        if load is not None:
            self._others_gone = _plus(self._others_gone, load)

    # -- numbers ------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Takes in what the workers can say at once; what comes over a channel is a tenth of a second old."""
        self._crew.refresh(self.group)

    def heard_at(self, now: float) -> float:
        """Of when the numbers are, at the latest."""
        return self._crew.heard_at(now)

    @property
    def unheard(self) -> int:
        """Routers whose numbers are as they told them last, or missing altogether."""
        return self._crew.unheard

    def has(self, replica: str) -> bool:
        """Whether it is ready; it may be ejected."""
        return replica in self._placed

    def replicas(self) -> Iterator[tuple[Group, str, int]]:
        """Each ready replica, and its slots."""
        return ((self.group, replica, self._slots) for replica in self._placed)

    @property
    def total(self) -> int:
        """Ready replicas without those that a worker leaves alone."""
        return max(0, len(self._placed) - self._away)

    @property
    def _away(self) -> int:
        """Replicas that a worker has ejected, by the one that has ejected most."""
        return max((load.away for load in self._loads.values()), default=0)

    @property
    def busy(self) -> int:
        """Ready replicas of which a slot is held."""
        if len(self._loads) == 1:
            (load,) = self._loads.values()
            return sum(replica in self._placed for replica in load.held)
        held = {replica for load in self._loads.values() for replica in load.held}
        return len(held & self._placed.keys())

    @property
    def in_flight(self) -> int:
        return sum(load.in_flight for load in self._loads.values())

    @property
    def queued(self) -> int:
        return sum(load.queued for load in self._loads.values())

    @property
    def tunnels(self) -> int:
        return sum(load.tunnels for load in self._loads.values())

    @property
    def retrying(self) -> int:
        return sum(load.retrying for load in self._loads.values())

    @property
    def offered(self) -> Offered:
        total = self._gone
        for load in self._loads.values():
            total = _plus(total, load)
        return total

    def everywhere(self) -> Load:
        """All routers together: what the size of the version is to be decided on."""
        own, total = self.offered, self._others_gone
        for load in self._others.values():
            total = _plus(total, load)
        others = self._others.values()
        return Load(
            self.group,
            queued=self.queued + sum(load.queued for load in others),
            in_flight=self.in_flight + sum(load.in_flight for load in others),
            retrying=self.retrying + sum(load.retrying for load in others),
            arrivals=own.arrivals + total.arrivals,
            repeats=own.repeats + total.repeats,
            completions=own.completions + total.completions,
            service_s=own.service_s + total.service_s,
            held=dict.fromkeys({replica for load in (*self._loads.values(), *others) for replica in load.held}, 1),
        )

    def here(self) -> Load:
        """This router's own, as it is told to the one that leads."""
        own, held = self.offered, Counter[str]()
        for load in self._loads.values():
            held.update(load.held)
        return Load(
            self.group,
            queued=self.queued,
            in_flight=self.in_flight,
            retrying=self.retrying,
            arrivals=own.arrivals,
            repeats=own.repeats,
            completions=own.completions,
            service_s=own.service_s,
            held=held,
        )

    @property
    def activity(self) -> int:
        """A number that changes whenever anything happened."""
        offered = self.offered
        others = sum(load.arrivals + load.repeats + load.completions for load in self._others.values())
        return others + offered.arrivals + offered.repeats + offered.completions

    def __repr__(self) -> str:
        return f"<Allotment {'/'.join(self.group)} replicas={len(self._placed)} workers={len(self._loads)}>"


def _plus(offered: Offered, load: Load) -> Offered:
    return Offered(
        offered.arrivals + load.arrivals,
        offered.repeats + load.repeats,
        offered.completions + load.completions,
        offered.service_s + load.service_s,
    )


def _wanted(tls: ReplicaTls | None) -> UpstreamTls | None:
    """The terms as a worker can make them for itself: by the names of the files."""
    if tls is None:
        return None
    if not isinstance(tls, TlsTerms):
        raise TypeError("the terms of TLS to a replica have to come from `Certificates`")
    ca, certificate, key = (None if file is None else str(Path(file).absolute()) for file in tls.files)
    return UpstreamTls(ca_file=ca, cert_file=certificate, key_file=key, server_name=tls.server_name)
