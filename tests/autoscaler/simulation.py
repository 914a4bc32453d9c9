"""A version under load, event by event: slots, a bounded wait, replicas that take time to start, and the real policy.

Only `decide` is under test; the rest is the least that makes its decisions matter. Arrivals are a Poisson process with
a rate that may change with time, service times are exponential, refused clients do not come back. The policy looks once
a second and a tenth of a second after a queue forms, as the loop does. Simulated hours take a second or two.

`Outcome.over_provision` compares the replica-seconds asked for with those that the target utilization allows for the
load that was offered: 1.0 is a size that knew the future and followed it without delay.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from autoscaler.loop import TRIGGER_DELAY_S
from autoscaler.policy import Decision, Direction, Observation, ScalingSettings, ScalingState, decide


@dataclass
class Outcome:
    arrived: int = 0
    refused: int = 0
    replica_seconds: float = 0.0
    offered_seconds: float = 0.0
    changes: list[Decision] = field(default_factory=list)
    sizes: list[tuple[float, int]] = field(default_factory=list)
    target: float = 0.7

    @property
    def refused_share(self) -> float:
        return self.refused / self.arrived

    @property
    def over_provision(self) -> float:
        return self.replica_seconds * self.target / self.offered_seconds


class Simulation:
    def __init__(
        self,
        rate: Callable[[float], float],
        peak_rate: float,
        service_s: float,
        settings: ScalingSettings,
        *,
        seed: int = 1,
        start_s: float = 2.0,
        queue_wait_s: float = 0.5,
        current: int = 1,
    ) -> None:
        self.rate, self.peak_rate, self.service_s, self.settings = rate, peak_rate, service_s, settings
        self.start_s, self.queue_wait_s = start_s, queue_wait_s
        self.random = Random(seed)
        self.state = ScalingState.begin(0.0, current)
        self.current = self.ready = current
        self.in_flight = self.completions = 0
        self.served_s = 0.0
        self.queue: deque[float] = deque()
        self.outcome = Outcome(target=settings.slots * settings.target_utilization / 100)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._triggered = False

    def run(self, seconds: float) -> Outcome:
        self._at(0.0, self._look_every_second)
        self._at(self.random.expovariate(self.peak_rate), self._arrive)
        while self._events[0][0] < seconds:
            now, _, happen = heapq.heappop(self._events)
            happen(now)
        return self.outcome

    def _at(self, time: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), happen))

    def _arrive(self, now: float) -> None:
        self._at(now + self.random.expovariate(self.peak_rate), self._arrive)
        if self.random.random() * self.peak_rate >= self.rate(now):
            return
        self.outcome.arrived += 1
        self.queue.append(now)
        self._serve(now)
        if self.queue and not self._triggered:
            self._triggered = True
            self._at(now + TRIGGER_DELAY_S, self._look_triggered)

    def _serve(self, now: float) -> None:
        while self.queue and self.queue[0] < now - self.queue_wait_s:
            self.queue.popleft()
            self.outcome.refused += 1
        while self.queue and self.in_flight < self.ready * self.settings.slots:
            self.queue.popleft()
            self._start(now)

    def _start(self, now: float) -> None:
        self.in_flight += 1
        duration = self.random.expovariate(1 / self.service_s)
        self._at(now + duration, lambda end: self._complete(end, duration))

    def _complete(self, now: float, duration: float) -> None:
        self.in_flight -= 1
        self.completions += 1
        self.served_s += duration
        self._serve(now)

    def _look_every_second(self, now: float) -> None:
        self._at(now + 1.0, self._look_every_second)
        self.outcome.replica_seconds += self.current
        self.outcome.offered_seconds += self.rate(now) * self.service_s
        self._look(now)

    def _look_triggered(self, now: float) -> None:
        self._triggered = False
        self._look(now)

    def _look(self, now: float) -> None:
        self._serve(now)
        seen = Observation(
            now,
            self.in_flight,
            len(self.queue),
            arrivals=self.outcome.arrived,
            completions=self.completions,
            service_s=self.served_s,
            ready=self.ready,
            current=self.current,
        )
        self.state, decision = decide(self.settings, self.state, seen, now)
        if decision.direction is not Direction.HOLD:
            self._resize(now, decision)

    def _resize(self, now: float, decision: Decision) -> None:
        self.outcome.changes.append(decision)
        self.outcome.sizes.append((now, decision.desired))
        self.current = decision.desired
        if decision.direction is Direction.DOWN:
            self.ready = min(self.ready, self.current)  # what runs on a replica that goes is finished
        else:
            self._at(now + self.start_s, self._started)

    def _started(self, now: float) -> None:
        # All that were asked for a start ago are up by now, unless they were taken back since.
        asked = max((size for at, size in self.outcome.sizes[-50:] if at <= now - self.start_s), default=0)
        self.ready = max(self.ready, min(asked, self.current))
        self._serve(now)
