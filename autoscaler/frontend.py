"""The router's own size, one pure function: `decide_frontend(settings, state, observation, now) -> (state, decision)`.

A router has two sizes. Workers are its own and cost little; pods are shared by all routers of a cluster, and only the
one that leads changes their number. What binds, in this order (contract, section 8):

1. Old or missing data: hold, and begin to count anew.
2. Fewer workers than the least, or more than there are cores: set right at once. So is too small a number of pods.
3. Slow and busy for `raise_after_s`: one worker more. At the cores: one pod more, but never while a pod of the router
   is on its way or finds no node, and never beyond the most.
4. At ease for `lower_after_s`, and what remains would be at ease too: one pod less; at the fewest pods, one worker
   less.

*Slow* is a routing time above the threshold. *Busy* is CPU use above `busy_share` of what there is; a router that is
slow and not busy waits for something that more of it would not mend (a neighbour's load, one connection that carries
everything), and is left alone. *At ease* is a CPU use of at most `idle_share` of what would remain, and not slow.

Time counts from the last change of the size, so each step waits for the effect of the one before. No oscillation: as
`idle_share` is not above `busy_share`, no load under which a size was raised allows to lower it again.

No clock, no randomness, no I/O; states are values. `frontend_loop` calls it, and tests replay it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite
from typing import Final, NamedTuple

from autoscaler.errors import OutOfRange
from autoscaler.policy import Direction
from autoscaler.sizing import require_whole

STALE_S: Final = 5.0
"""Age from which a load says nothing about now: five reports, which come about once a second."""

ROUTING_MS: Final = 3.0
"""What azureml-fe claims to add to a request in the mean (Azure ML documentation, inference router, latency)."""


@dataclass(frozen=True, slots=True)
class FrontendSettings:
    """How the router is to be sized. Raises OutOfRange when a number makes no sense."""

    routing_ms: float = ROUTING_MS
    """The routing time above which the router is slow, in milliseconds."""
    fewest_workers: int = 1
    """The most depends on the cores, and is told with each load; equal ones are a fixed number."""
    fewest_pods: int = 1
    most_pods: int | None = None
    """None: the number of pods is left alone."""
    raise_after_s: float = 10.0
    lower_after_s: float = 60.0
    busy_share: float = 0.5
    """Of the cores that all workers can use."""
    idle_share: float = 0.4
    """Of the cores that the workers could use that would remain; at most `busy_share`."""
    dry_run: bool = False
    """Decide, but change nothing (`serve --dev-test`)."""

    def __post_init__(self) -> None:
        require_whole("fewest workers", self.fewest_workers, 1, None)
        require_whole("fewest pods", self.fewest_pods, 1, None)
        if self.most_pods is not None:
            require_whole("most pods", self.most_pods, self.fewest_pods, None)
        _require_above_0("routing time", self.routing_ms, "milliseconds")
        _require_above_0("time before raising", self.raise_after_s, "seconds")
        _require_above_0("time before lowering", self.lower_after_s, "seconds")
        if not 0 < self.idle_share <= self.busy_share < 1:
            shares = f"{self.idle_share:g} and {self.busy_share:g}"
            raise OutOfRange("idle and busy shares", shares, "above 0 and below 1, the first at most the second")


class RouterLoad(NamedTuple):
    """How one router stands: the one of a machine, or of one pod. What is measured is of the last seconds."""

    at: float
    """When it was seen, by the clock of the one that decides: clocks of other machines say nothing here."""
    workers: int
    """Those that are meant to run."""
    most_workers: int
    """As many as it may have: the cores, or the fixed number."""
    cores: float
    """How many the system lets it use; not a whole number where a quota says so."""
    routing_ms: float
    """What a request waits in this router, but for a slot (`router.telemetry.turns`)."""
    cpu: float
    """Cores that all workers use, or wait for because others use them: CPU seconds per second."""

    def holds(self, workers: int) -> float:
        """How many cores so many workers can use."""
        return min(float(workers), self.cores)


class PodsSeen(NamedTuple):
    """The pods of the router, as the cluster has them."""

    current: int
    """So many are asked for."""
    ready: int
    coming: int
    """Asked for and not ready, but for those that find no node."""
    unschedulable: int
    """Those that no node has room for."""
    ours: bool
    """Whether this router is the one to change their number: it leads, and nothing else scales them."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of the router at one time."""

    own: RouterLoad
    others: Sequence[RouterLoad] = ()
    """Of the other pods, the newest of each. Only who leads needs them; while one is missing here no pod is taken."""
    pods: PodsSeen | None = None
    """None outside of a cluster, and while the number is not known."""


class Part(StrEnum):
    """Which of the two sizes. Closed list; a label in logs and metrics."""

    WORKERS = "workers"
    PODS = "pods"


class Reason(StrEnum):
    """The rule that bound. Closed list; a word in logs."""

    SLOW = "slow"
    """Slow and busy for long enough: one more."""
    IDLE = "idle"
    """At ease for long enough: one less."""
    MINIMUM = "minimum"
    """There are fewer than the least."""
    MAXIMUM = "maximum"
    """Slow, but there are as many as allowed; or there were more."""
    SETTLING = "settling"
    """Slow, but not for long enough since the last change."""
    NOT_BUSY = "not_busy"
    """Slow, but not for want of CPU: more would not help."""
    PODS_WAITING = "pods_waiting"
    """Slow, but a pod is on its way, or finds no node."""
    AT_EASE = "at_ease"
    """Not slow, and no less would do, or not for long enough yet."""
    STALE = "stale"
    """Data is old or missing: hold."""


class Numbers(NamedTuple):
    """The numbers a decision rests on. All zero, and no age, when there was no observation."""

    routing_ms: float = 0.0
    cpu: float = 0.0
    cores: float = 0.0
    workers: int = 0
    most_workers: int = 0
    routers: int = 0
    """Of how many the load is known."""
    routing_ms_of_all: float = 0.0
    cpu_of_all: float = 0.0
    pods: int | None = None
    pods_ready: int = 0
    pods_coming: int = 0
    pods_unschedulable: int = 0
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Which size is to be changed, to what, and why; `current` and `desired` are equal where none is."""

    at: float
    part: Part
    current: int
    desired: int
    reason: Reason
    numbers: Numbers
    dry_run: bool = False

    @property
    def direction(self) -> Direction:
        """What is to be done: HOLD in a dry run, whatever is desired."""
        if self.dry_run or self.desired == self.current:
            return Direction.HOLD
        return Direction.UP if self.desired > self.current else Direction.DOWN

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """The whole decision, flat, for a log line."""
        head = {"part": self.part.value, "desired": self.desired, "current": self.current}
        numbers = {name: _rounded(each) for name, each in self.numbers._asdict().items()}
        return {**head, "reason": self.reason.value, "dry_run": self.dry_run, **numbers}


@dataclass(frozen=True, slots=True)
class Trend:
    """Since when one of the sizes has been as it is, and slow or at ease without interruption; None: it is not."""

    size: int
    still_since: float
    slow_since: float | None = None
    calm_since: float | None = None

    def follow(self, now: float, size: int, *, slow: bool, calm: bool, moving: bool = False) -> Trend:
        """The trend at `now`. `moving`: the size is asked for, and not there yet."""
        still_since = now if moving or size != self.size else self.still_since
        slow_since = (now if self.slow_since is None else self.slow_since) if slow else None
        calm_since = (now if self.calm_since is None else self.calm_since) if calm else None
        return Trend(size, still_since, slow_since, calm_since)

    def slow_s(self, now: float) -> float:
        """For how long it has been slow at this size; 0 where it is not."""
        return 0.0 if self.slow_since is None else now - max(self.slow_since, self.still_since)

    def calm_s(self, now: float) -> float:
        """For how long less would have done, at this size; 0 where it would not do."""
        return 0.0 if self.calm_since is None else now - max(self.calm_since, self.still_since)

    def interrupted(self) -> Trend:
        """Nothing is known of what has been since."""
        return replace(self, slow_since=None, calm_since=None)


@dataclass(frozen=True, slots=True)
class FrontendState:
    """What is remembered from decision to decision: a value, safe to keep and to replay."""

    workers: Trend
    pods: Trend

    @classmethod
    def begin(cls, now: float) -> FrontendState:
        """The state of a router that has just started: whatever size it finds is new to it."""
        return cls(Trend(0, now), Trend(0, now))


class _Choice(NamedTuple):
    part: Part
    desired: int
    reason: Reason


class _Situation(NamedTuple):
    """One observation that is not stale, and what it means."""

    settings: FrontendSettings
    state: FrontendState
    own: RouterLoad
    routers: Sequence[RouterLoad]
    pods: PodsSeen | None
    now: float


def decide_frontend(
    settings: FrontendSettings, state: FrontendState, seen: Observation | None, now: float
) -> tuple[FrontendState, Decision]:
    """What the router should change about its size at `now`, and the state for the next decision."""
    if seen is None or now - seen.own.at > STALE_S:
        state = FrontendState(state.workers.interrupted(), state.pods.interrupted())
        numbers = Numbers() if seen is None else _numbers(seen, (seen.own,), now)
        choice = _Choice(Part.WORKERS, state.workers.size, Reason.STALE)
        return state, _decision(settings, state, choice, numbers, now)

    routers = (seen.own, *(each for each in seen.others if now - each.at <= STALE_S))
    state = FrontendState(
        _follow_workers(settings, state.workers, seen.own, now),
        state.pods.interrupted() if seen.pods is None else _follow_pods(settings, state.pods, routers, seen.pods, now),
    )
    it = _Situation(settings, state, seen.own, routers, seen.pods, now)
    choice = _set_right(it) or _raise(it) or _lower(it) or _Choice(Part.WORKERS, seen.own.workers, _why_kept(it))
    return state, _decision(settings, state, choice, _numbers(seen, routers, now), now)


# -- what is so, and for how long ------------------------------------------------------------------------------------


def _follow_workers(settings: FrontendSettings, trend: Trend, own: RouterLoad, now: float) -> Trend:
    slow = own.routing_ms > settings.routing_ms
    calm = not slow and own.cpu <= settings.idle_share * own.holds(own.workers - 1)
    return trend.follow(now, own.workers, slow=slow, calm=calm)


def _follow_pods(
    settings: FrontendSettings, trend: Trend, routers: Sequence[RouterLoad], pods: PodsSeen, now: float
) -> Trend:
    """What would remain is counted without the largest of them."""
    slow = _routing_ms(routers) > settings.routing_ms
    holds = _holds(routers)
    remaining = sum(holds) - max(holds)
    all_known = len(routers) >= pods.ready
    calm = not slow and all_known and _cpu(routers) <= settings.idle_share * remaining
    return trend.follow(now, pods.current, slow=slow, calm=calm, moving=pods.coming > 0)


def _routing_ms(routers: Sequence[RouterLoad]) -> float:
    """As a request meets it: a router that works more has more of the requests."""
    cpu = _cpu(routers)
    return sum(each.routing_ms * each.cpu for each in routers) / cpu if cpu > 0 else 0.0


def _holds(routers: Sequence[RouterLoad]) -> list[float]:
    """The cores that each could use with all the workers that it may have: those come before pods, and go after."""
    return [each.holds(each.most_workers) for each in routers]


def _cpu(routers: Sequence[RouterLoad]) -> float:
    return sum(each.cpu for each in routers)


# -- the rules -------------------------------------------------------------------------------------------------------


def _set_right(it: _Situation) -> _Choice | None:
    """A size outside of its limits, but for too many pods: those go one by one, as load allows."""
    least = min(it.settings.fewest_workers, it.own.most_workers)
    if it.own.workers < least:
        return _Choice(Part.WORKERS, least, Reason.MINIMUM)
    if it.own.workers > it.own.most_workers:
        return _Choice(Part.WORKERS, it.own.most_workers, Reason.MAXIMUM)
    pods, fewest = _own_pods(it), it.settings.fewest_pods
    if pods is not None and pods.current < fewest and not pods.unschedulable:
        return _Choice(Part.PODS, fewest, Reason.MINIMUM)
    return None


def _raise(it: _Situation) -> _Choice | None:
    """None where nothing is slow, or not yet for long enough."""
    own, pods, settings = it.own, _own_pods(it), it.settings
    workers_slow = it.state.workers.slow_s(it.now) >= settings.raise_after_s
    if workers_slow and own.workers < own.most_workers:
        if own.cpu <= settings.busy_share * own.holds(own.workers):
            return _Choice(Part.WORKERS, own.workers, Reason.NOT_BUSY)
        return _Choice(Part.WORKERS, own.workers + 1, Reason.SLOW)
    if pods is not None:
        return _raise_pods(it, pods)
    return _Choice(Part.WORKERS, own.workers, Reason.MAXIMUM) if workers_slow else None


def _raise_pods(it: _Situation, pods: PodsSeen) -> _Choice | None:
    settings, trend = it.settings, it.state.pods
    if trend.slow_since is None or _some_may_add_workers(it):
        return None
    if pods.coming or pods.unschedulable:
        return _Choice(Part.PODS, pods.current, Reason.PODS_WAITING)
    if trend.slow_s(it.now) < settings.raise_after_s:
        return None
    if _cpu(it.routers) <= settings.busy_share * sum(_holds(it.routers)):
        return _Choice(Part.PODS, pods.current, Reason.NOT_BUSY)
    if settings.most_pods is not None and pods.current < settings.most_pods:
        return _Choice(Part.PODS, pods.current + 1, Reason.SLOW)
    return _Choice(Part.PODS, pods.current, Reason.MAXIMUM)


def _some_may_add_workers(it: _Situation) -> bool:
    """Whether a router that is slow can still help itself."""
    return any(each.routing_ms > it.settings.routing_ms and each.workers < each.most_workers for each in it.routers)


def _lower(it: _Situation) -> _Choice | None:
    settings, state = it.settings, it.state
    if it.pods is not None and settings.most_pods is not None and it.pods.current > settings.fewest_pods:
        if it.pods.ours and state.pods.calm_s(it.now) >= settings.lower_after_s:
            return _Choice(Part.PODS, it.pods.current - 1, Reason.IDLE)
        return None  # pods go first, whoever it is that lowers them
    if it.own.workers > settings.fewest_workers and state.workers.calm_s(it.now) >= settings.lower_after_s:
        return _Choice(Part.WORKERS, it.own.workers - 1, Reason.IDLE)
    return None


def _own_pods(it: _Situation) -> PodsSeen | None:
    """Where their number is ours to change."""
    return it.pods if it.pods is not None and it.pods.ours and it.settings.most_pods is not None else None


def _why_kept(it: _Situation) -> Reason:
    slow = it.state.workers.slow_since is not None or it.state.pods.slow_since is not None
    return Reason.SETTLING if slow else Reason.AT_EASE


# -- the record ------------------------------------------------------------------------------------------------------


def _decision(
    settings: FrontendSettings, state: FrontendState, choice: _Choice, numbers: Numbers, now: float
) -> Decision:
    current = (state.workers if choice.part is Part.WORKERS else state.pods).size
    return Decision(now, choice.part, current, choice.desired, choice.reason, numbers, settings.dry_run)


def _numbers(seen: Observation, routers: Sequence[RouterLoad], now: float) -> Numbers:
    own, pods = seen.own, seen.pods
    return Numbers(
        routing_ms=own.routing_ms,
        cpu=own.cpu,
        cores=own.cores,
        workers=own.workers,
        most_workers=own.most_workers,
        routers=len(routers),
        routing_ms_of_all=_routing_ms(routers),
        cpu_of_all=_cpu(routers),
        pods=None if pods is None else pods.current,
        pods_ready=0 if pods is None else pods.ready,
        pods_coming=0 if pods is None else pods.coming,
        pods_unschedulable=0 if pods is None else pods.unschedulable,
        age_s=now - own.at,
    )


def _rounded(number: float | None) -> float | None:
    """To a thousandth: nothing here is measured better."""
    return round(number, 3) if isinstance(number, float) else number


def _require_above_0(name: str, value: float, unit: str) -> None:
    if not (isfinite(value) and value > 0):
        raise OutOfRange(name, value, f"a number of {unit} above 0")
