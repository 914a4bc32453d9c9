"""Routers under load, second by second: connections that stay where they are, workers that queue, and the real policy.

The load is told in cores: the CPU time that all requests of a second cost. It comes over connections, each of which
stays with one worker of one pod until it ends; the next one goes wherever there is one. A worker is a queue: what it
cannot do in a second waits, up to what the clients have under way. So a new worker helps as connections come and go,
some workers have more of them than others, and a pod takes some seconds to start: all that makes a policy oscillate.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from autoscaler.frontend import (
    Decision,
    FrontendSettings,
    FrontendState,
    Observation,
    Part,
    PodsSeen,
    RouterLoad,
    decide_frontend,
)
from autoscaler.policy import Direction

TURN_S = 0.0001
"""What one request costs, and so the shortest turn."""
UNDER_WAY_S = 0.05
"""Of work that the clients of one worker have under way at most: they wait for answers."""
START_S = 5


@dataclass
class Pod:
    state: FrontendState
    ready_at: int = 0
    workers: int = 1
    waiting: list[float] = field(default_factory=lambda: [0.0])
    """Seconds of work that wait, by worker."""
    load: RouterLoad | None = None


class Routers:
    def __init__(
        self,
        cores_needed: Callable[[int], float],
        settings: FrontendSettings,
        *,
        cores: float = 2.0,
        seed: int = 1,
        connections: int = 120,
        connection_s: float = 30.0,
    ) -> None:
        self.cores_needed, self.settings, self.cores = cores_needed, settings, cores
        self.connection_s = connection_s
        self.random = Random(seed)
        self.now = 0
        self.pods = [Pod(FrontendState.begin(0.0))]
        self.asked = 1
        self.connections: list[tuple[Pod, int]] = [(self.pods[0], 0)] * connections
        self.changes: list[tuple[int, str, int, int]] = []
        self.slow_seconds = 0

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self._connect()
            self._serve()
            for pod in [each for each in self.pods if each.load is not None]:
                self._decide(pod)
            self.now += 1

    @property
    def sizes(self) -> tuple[int, list[int]]:
        """Pods asked for, and the workers of each."""
        return self.asked, [pod.workers for pod in self.pods]

    def of(self, direction: str) -> list[tuple[int, str, int, int]]:
        rises = direction == "up"
        return [change for change in self.changes if (change[3] > change[2]) == rises]

    def _ready(self) -> list[Pod]:
        return [pod for pod in self.pods if pod.ready_at <= self.now]

    def _connect(self) -> None:
        """Those that end are replaced, and so are those whose worker or pod is gone."""
        ready = self._ready()
        for index, (pod, worker) in enumerate(self.connections):
            if pod not in ready or worker >= pod.workers or self.random.random() < 1 / self.connection_s:
                chosen = self.random.choice(ready)
                self.connections[index] = chosen, self.random.randrange(chosen.workers)

    def _serve(self) -> None:
        each = self.cores_needed(self.now) / len(self.connections)
        for pod in self._ready():
            asked = [0.0] * pod.workers
            for of, worker in self.connections:
                if of is pod:
                    asked[worker] += each * self.random.uniform(0.5, 1.5)
            pod.load = self._load(pod, asked)
        self.slow_seconds += max(pod.load.routing_ms for pod in self._ready()) > self.settings.routing_ms

    def _load(self, pod: Pod, asked: list[float]) -> RouterLoad:
        share = min(1.0, self.cores / pod.workers)
        used, turns = [], []
        pod.waiting = (pod.waiting + [0.0] * pod.workers)[: pod.workers]
        for worker, work in enumerate(asked):
            done = min(work + pod.waiting[worker], share)
            pod.waiting[worker] = min(work + pod.waiting[worker] - done, UNDER_WAY_S)
            busy = min(done / share, 0.99)
            used.append(done)
            turns.append(pod.waiting[worker] + TURN_S * busy / (1 - busy))
        cpu = sum(used)
        turn_s = sum(turn * part for turn, part in zip(turns, used, strict=True)) / cpu if cpu else 0.0
        return RouterLoad(self.now, pod.workers, max(1, int(self.cores)), self.cores, 2000 * turn_s, cpu)

    def _decide(self, pod: Pod) -> None:
        leads, ready = pod is self.pods[0], self._ready()
        others = [each.load for each in ready if each is not pod and each.load] if leads else []
        seen = PodsSeen(self.asked, len(ready), len(self.pods) - len(ready), 0, ours=leads)
        pod.state, decision = decide_frontend(self.settings, pod.state, Observation(pod.load, others, seen), self.now)
        if decision.direction is not Direction.HOLD:
            self._obey(pod, decision)

    def _obey(self, pod: Pod, decision: Decision) -> None:
        self.changes.append((self.now, decision.part.value, decision.current, decision.desired))
        if decision.part is Part.WORKERS:
            pod.workers = decision.desired
            return
        self.asked = decision.desired
        while len(self.pods) < self.asked:
            self.pods.append(Pod(FrontendState.begin(self.now), self.now + START_S))
        del self.pods[self.asked :]
