"""A worker's half of the conversation with the control process: does what it is told, and says how it stands.

Nothing on the way of a request says anything: lanes wake up with their first request, and are looked at by the clock
while they are awake. What cannot wait is said at the end of the turn of the event loop in which it happens: bounds that
fell, and that requests wait for want of a slot.

    every TICK_S       loads that have changed, demand of versions that others want slots of
    every SHIP_S       what was counted, of all that counted anything
    at once            bounds, starvation (at most every STARVING_S), a rise of load (at most every ROSE_S)

A lane in which requests have waited within KEEP_S does not hand back what falls idle for a moment, however hungry
others are: it would ask for it again at once, and slots would do nothing but travel.

The control process may be this very process: then `say` is a call. Made by the composition roots; runs on the event
loop of the data plane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial
from math import inf
from typing import Final, TypeVar

from router.core.admission import Term
from router.core.leases import Bound, Demand, Group, Lease, Recall
from router.core.routes import RouteTable
from router.model.spec import KeySource
from router.serving.front import Front
from router.serving.lane import Lane, LaneSurroundings
from router.serving.messages import (
    Configure,
    Counted,
    Emptied,
    Expect,
    Forget,
    InForce,
    IssuerKeys,
    Load,
    Loads,
    Place,
    QueuePart,
    Rose,
    Ship,
    Shipped,
    TermEnds,
    UnknownKey,
    Withdraw,
)
from router.store.certificates import Certificates
from router.telemetry.counters import EndpointMetrics
from router.telemetry.source import Clients

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

TICK_S: Final = 0.1
"""10 Hz: a tenth of the autoscaler's period."""
SHIP_TICKS: Final = 10
"""What a worker that is killed has not said yet is lost: one second of its counts."""
STARVING_S: Final = 0.02
"""Where requests wait again and again, saying so 50 times a second is enough: nobody is to wait more than 50 ms for a
free slot."""
KEEP_S: Final = 0.02
"""Part of the 50 ms: so long a slot may lie idle where requests have waited for one."""
ROSE_S: Final = 0.05
ASK_S: Final = 1.0
"""The control process asks an issuer for a key that is unknown once a minute; who says so more often is not heard."""
DECISION_S: Final = 0.08
"""After a rise of load the autoscaler decides in 100 ms, on loads that are to be fresh then."""


class DataSide:
    """Implements `Voice` for the lanes."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float],
        certificates: Certificates,
        *,
        say: Callable[[object], None],
        publish: Callable[[RouteTable], None],
        clients: Callable[[], Clients],
        default_namespace: str,
    ) -> None:
        self._loop = loop
        self._now = now
        self._say = say
        self._clients = clients
        self._term = Term()
        self.front = Front(
            LaneSurroundings(loop, now, certificates, self, self._term),
            publish,
            self._ended,
            self._unknown_key,
            default_namespace,
        )
        self._awake: dict[Lane, Load | None] = {}
        """With the load that was last said."""
        self._uncounted: set[Lane] = set()
        self._uncounted_endpoints: dict[str, EndpointMetrics] = {}
        self._starving: set[Lane] = set()
        self._keeping: set[Lane] = set()
        self._late: asyncio.TimerHandle | None = None
        """When starvation is said that was kept back, for it was said just before."""
        self._starved: dict[Lane, tuple[Demand, float]] = {}
        """The demand last said of lanes that were starving, and when."""
        self._lowered: dict[tuple[Lane, str], None] = {}
        self._asked: dict[KeySource, float] = {}
        """When an issuer was last said to lack a key."""
        self._flushing = False
        self._ticks = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._fresh_at = 0.0

    def tell(self, message: object) -> None:
        """Does what the control process says."""
        match message:
            case Lease() | Recall() | Place() | Withdraw() | Expect():
                self._tell_lane(message)
            case Configure():
                self.front.configure(message)
                self.report()
                self._say(InForce(message.number))
            case IssuerKeys():
                self.front.issuer_keys(message)
            case Forget():
                self._forget(message)
            case TermEnds(at):
                self._term.ends = at
            case QueuePart():
                self.front.take_part(message)
            case Ship(number):
                self.report()
                self.ship()
                self._say(Shipped(number))
            case _:
                raise TypeError(f"a worker is not told {type(message).__name__}")

    def refresh(self, group: Group) -> None:
        """Says how busy a version is at this moment, if it is awake."""
        lane = self.front.lanes.get(group)
        if lane is not None and lane in self._awake:
            self._report([lane])

    def report(self) -> None:
        """Says how busy every version is that is another than last said."""
        self._report(list(self._awake))

    def ship(self) -> None:
        """Says what has been counted since the last time."""
        lanes, self._uncounted = self._uncounted, set()
        endpoints, self._uncounted_endpoints = self._uncounted_endpoints, {}
        for metrics in endpoints.values():
            metrics.rest()
        versions, mirrors, ended = (
            {lane.group: lane.metrics.snapshot() for lane in lanes},
            {lane.group: lane.mirror_metrics.snapshot() for lane in self.front.lanes.values() if lane.mirror_metrics},
            {label: metrics.snapshot() for label, metrics in endpoints.items()},
        )
        self._say(Counted(_there(versions), _there(mirrors), _there(ended), self._clients()))
        self._uncounted |= self._awake.keys()

    def bounds(self) -> tuple[Bound, ...]:
        """Of all that was leased to this worker and is here still, or in use."""
        return tuple(bound for lane in self.front.lanes.values() for bound in lane.bounds())

    def forget_recalls(self) -> None:
        """Another lessor begins: the recalls of the one before do not stand."""
        for lane in self.front.lanes.values():
            lane.forget_recalls()

    def close(self) -> None:
        for alarm in (self._alarm, self._late):
            if alarm is not None:
                alarm.cancel()

    # -- what lanes say (`Voice`) -------------------------------------------------------------------------------------

    def woken(self, lane: Lane) -> None:
        if lane is not self.front.lanes.get(lane.group):
            return
        self._awake[lane] = None
        self._uncounted.add(lane)
        self._keep_ticking()

    def rose(self, lane: Lane) -> None:
        now = self._now()
        if now >= lane.rose_at + ROSE_S:
            lane.rose_at = now
            self._say(Rose(lane.group))
            if now >= self._fresh_at:
                self._fresh_at = now + DECISION_S
                self._loop.call_later(DECISION_S, self.report)

    def starving(self, lane: Lane) -> None:
        lane.starved_at = self._now()
        if lane not in self._keeping:
            self._keeping.add(lane)
            self._loop.call_soon(partial(lane.keep, keeping=True))
            self._loop.call_later(KEEP_S, self._keep_no_more, lane)
        self._starving.add(lane)
        self._flush_soon()

    def lowered(self, lane: Lane, replica: str) -> None:
        self._lowered[lane, replica] = None
        self._flush_soon()

    def emptied(self, lane: Lane, withdraw: Withdraw) -> None:
        self._say(Emptied(*withdraw))

    # -- within -------------------------------------------------------------------------------------------------------

    def _tell_lane(self, message: Lease | Recall | Place | Withdraw | Expect) -> None:
        lane = self.front.lanes.get(message.group)
        match message:
            case Lease(group, replica, number) if lane is None:
                self._say(Bound(group, replica, number, 0))
            case Withdraw() if lane is None:
                self._say(Emptied(*message))
            case _ if lane is None:
                pass
            case Lease():
                lane.lend(message)
            case Recall():
                lane.recall(message)
            case Place():
                lane.place(message)
            case Withdraw():
                lane.withdraw(message)
            case Expect():
                lane.expect(message.coming)

    def _forget(self, forget: Forget) -> None:
        """Of requests that outlive their version nothing is said but bounds: its name may be another one's by then."""
        lane = self.front.forget(forget)
        if lane is not None:
            self._awake.pop(lane, None)
            self._uncounted.discard(lane)
            self._starving.discard(lane)
            self._starved.pop(lane, None)
            lane.close()

    def _ended(self, label: str, metrics: EndpointMetrics) -> None:
        """A request of this endpoint ended before a version was picked."""
        self._uncounted_endpoints[label] = metrics
        self._keep_ticking()

    def _unknown_key(self, source: KeySource) -> None:
        """Said once a second at most: anybody can send tokens that name any key."""
        now = self._now()
        if now >= self._asked.get(source, -inf) + ASK_S:
            self._asked[source] = now
            self._say(UnknownKey(source))

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        lowered, self._lowered = self._lowered, {}
        starving, self._starving = self._starving, set()
        for lane, replica in lowered:
            self._say(lane.bound(replica))
            lane.said_bound(replica)
        for lane in starving:
            self._tell_starving(lane, lane.demand())
        if self._starving and self._late is None:
            self._late = self._loop.call_later(STARVING_S, self._flush_late)

    def _flush_late(self) -> None:
        self._late = None
        self._flush()

    def _tell_starving(self, lane: Lane, demand: Demand) -> None:
        """Unless somebody gave it a slot meanwhile, or the lessor knows of about as much already."""
        said = self._starved.get(lane)
        if not demand.queued or (said is not None and not lane.leased and demand.queued <= 2 * said[0].queued):
            return
        if said is not None and self._now() < said[1] + STARVING_S:
            self._starving.add(lane)
        else:
            self._say_demand(lane, demand)

    def _say_demand(self, lane: Lane, demand: Demand) -> None:
        lane.leased = False
        self._starved[lane] = demand, self._now()
        if lane in self._awake:
            self._awake[lane] = None  # the load after it is said in any case: it takes this demand's place
        self._say(demand)

    def _keep_no_more(self, lane: Lane) -> None:
        """When nothing has waited for KEEP_S; until then it is looked at again."""
        left = lane.starved_at + KEEP_S - self._now()
        if left > 0:
            self._loop.call_later(left, self._keep_no_more, lane)
        else:
            self._keeping.discard(lane)
            lane.keep(keeping=False)

    def _report(self, lanes: Iterable[Lane]) -> None:
        changed: list[Load] = []
        for lane in lanes:
            load = lane.load()
            if load != self._awake.get(lane):
                self._awake[lane] = load
                changed.append(load)
        if changed:
            self._say(Loads(tuple(changed)))

    def _keep_ticking(self) -> None:
        if self._alarm is None:
            self._alarm = self._loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._alarm = None
        self._ticks += 1
        before = dict(self._awake)
        self._report(before)
        for lane, said in before.items():
            load = self._awake[lane]
            if load == said and load is not None and not (load.held or load.queued or load.retrying or load.away):
                del self._awake[lane]
                lane.sleep()
        for lane in list(self._starved):
            self._mind_demand(lane)
        if self._ticks % SHIP_TICKS == 0 and (self._uncounted or self._uncounted_endpoints):
            self.ship()
        if self._awake or self._starved or self._uncounted or self._uncounted_endpoints:
            self._keep_ticking()

    def _mind_demand(self, lane: Lane) -> None:
        """While it is known to have been starving, the loads that are said keep its demand up to date."""
        demand = lane.demand()
        if demand.queued:
            self._starved[lane] = demand, self._starved[lane][1]
        else:
            del self._starved[lane]


def _there(totals: Mapping[K, T | None]) -> Mapping[K, T]:
    return {key: each for key, each in totals.items() if each is not None}
