"""Holders with requests, a lessor, and messages that take their time: a simulation in virtual time, exact to repeat."""

import heapq
from collections import Counter
from collections.abc import Callable
from itertools import count
from random import Random

from router.core.lease_outbox import Effect
from router.core.lease_table import LeaseTable
from router.core.leases import Bound, Demand
from tests.core.lease_holder import Holder

GROUP = ("digits", "blue")
REPORT_S = 0.1


class Simulation:
    def __init__(
        self, slots: dict[str, int], holders: str, *, service_s: float = 0.01, latency_s: float = 0.005
    ) -> None:
        self.now = 0.0
        self.service_s = service_s
        self.latency_s = latency_s
        self.random = Random(1)
        self.table = LeaseTable()
        self.holders = {name: Holder(name) for name in holders}
        self.slots = slots
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = count()
        self.ticking: float | None = None
        self.closed: set[str] = set()
        """Holders whose clients send the next request at once when one ends."""
        # what was seen
        self.used: Counter[str] = Counter()
        """Slot-seconds that each holder used."""
        self.finished: Counter[str] = Counter()
        self.messages = 0
        self.leases: Counter[str] = Counter()
        self.starved_s = 0.0
        """The longest time on end that requests waited at a holder while a slot was free or lay idle elsewhere."""
        self._in_vain_since: dict[str, float] = {}
        self.reported = dict.fromkeys(self.holders, (0, 0))
        for name in self.holders:
            self._tell(self.table.join(name, 0.0))
            self._report(name)
        for replica, n in slots.items():
            self._tell(self.table.add_replica(GROUP, replica, n, 0.0))

    # -- what is done to it

    def at(self, time: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.events, (time, next(self.order), act))

    def arrive(self, name: str, requests: int = 1) -> None:
        for _ in range(requests):
            self._began(name, self.holders[name].arrive(GROUP))
        self._listen(name)

    def clients(self, name: str, requests: int) -> None:
        """So many that each wait for an answer and ask again."""
        self.closed.add(name)
        self.arrive(name, requests)

    def withdraw(self, name: str, requests: int) -> None:
        """So many of those that wait go away."""
        for _ in range(min(requests, self.holders[name].part(GROUP).queued)):
            self.holders[name].leave(GROUP)
        self._listen(name)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.events and self.events[0][0] <= end:
            time, _, act = heapq.heappop(self.events)
            self._pass(time)
            act()
            self._look()
        self._pass(end)

    # -- how it goes

    def _report(self, name: str) -> None:
        """Ten times a second, when something changed."""
        part = self.holders[name].part(GROUP)
        if (part.queued, part.in_flight) != self.reported[name]:
            self.reported[name] = part.queued, part.in_flight
            self.holders[name].report(GROUP)
            self._listen(name)
        self.at(self.now + REPORT_S, lambda: self._report(name))

    def _pass(self, time: float) -> None:
        for name, holder in self.holders.items():
            self.used[name] += holder.part(GROUP).in_flight * (time - self.now)
        self.now = time

    def _look(self) -> None:
        for replica, slots in self.slots.items():
            assert sum(holder.held(GROUP, replica) for holder in self.holders.values()) <= slots
        for name, holder in self.holders.items():
            idle = sum(other.idle(GROUP) for other in self.holders.values())
            free = sum(slots - self.table.in_use(GROUP, replica) for replica, slots in self.slots.items())
            if holder.part(GROUP).queued and (idle or free > 0):
                since = self._in_vain_since.setdefault(name, self.now)
                self.starved_s = max(self.starved_s, self.now - since)
            else:
                self._in_vain_since.pop(name, None)

    def _began(self, name: str, replica: str | None) -> None:
        if replica is not None:
            self.at(self.now + self.random.uniform(0.5, 1.5) * self.service_s, lambda: self._end(name, replica))

    def _end(self, name: str, replica: str) -> None:
        self.finished[name] += 1
        self._began(name, self.holders[name].finish(GROUP, replica))
        if name in self.closed:
            self._began(name, self.holders[name].arrive(GROUP))
        self._listen(name)

    def _listen(self, name: str) -> None:
        said, self.holders[name].said = self.holders[name].said, []
        # the newest demand, after the bounds
        demands = [message for message in said if isinstance(message, Demand)]
        for message in [message for message in said if isinstance(message, Bound)] + demands[-1:]:
            self.messages += 1
            self.at(self.now + self.latency_s, lambda message=message: self._heard(name, message))

    def _heard(self, name: str, message: Bound | Demand) -> None:
        act = self.table.bound if isinstance(message, Bound) else self.table.demand
        self._tell(act(name, message, self.now))

    def _tell(self, effects: list[Effect]) -> None:
        for name, message in effects:
            self.messages += 1
            self.leases[name] += hasattr(message, "limit")
            self.at(self.now + self.latency_s, lambda name=name, message=message: self._told(name, message))
        due = self.table.due()
        if due is not None and due != self.ticking:
            self.ticking = due
            self.at(max(self.now, due), lambda: self._tick(due))

    def _tick(self, due: float) -> None:
        if self.ticking == due:
            self.ticking = None
            self._tell(self.table.tick(self.now))

    def _told(self, name: str, message: object) -> None:
        for replica in self.holders[name].receive(message):
            self._began(name, replica)
        self._listen(name)
