"""The scaling decision, as one pure function: `decide(settings, state, observation, now) -> (state, decision)`.

What it promises (contract, section 6), in the order in which the rules bind:

1. Hands off, because something else scales the workload: the size stays as it is found. Likewise switched off. A fixed
   size is kept, whatever the load.
2. Old or missing data: hold. Only a size below the minimum is corrected then; nothing is ever taken away blindly.
   While only some of it is missing, what is known is a lower bound: it raises the size, and never lowers it.
3. Up at once, in one step, to `ceil(demand / (slots × target utilization))` within minimum and maximum.
4. Down only to the highest size wanted in the last `scale_down_window_s`, and not at all before one such window has
   been seen (a restarted autoscaler has no memory of the load it would be cutting into; Knative learnt this in its PR
   #4795).
5. Above the maximum: down to it at once, without waiting for what was wanted to be forgotten. A size gets there only
   by a changed setting or a foreign hand, and the maximum is what the owner is willing to pay for. But not in the
   first window, in which nothing is taken away: who has just begun may see older settings than those of the size.
6. Over all of them: while replicas cannot be scheduled, nothing is raised, not even to the minimum or to a fixed size.
   More of what has no room would have none either. What is wished is remembered as if there were room, so that raising
   goes on at once when there is; going down is as always, and takes away those without room first.

Demand is what is there (in flight + queued + retrying), and never less than what Little's law says was offered:
arrivals per second × mean service time. The second matters when requests are refused: they are not there to be
counted any more.

No clock, no randomness, no I/O; states are values, the one passed in stays as it was. The loop calls it, and tests
replay it. Invariants: `min <= desired <= max` when scaling by demand, after the first window; never below a size wanted
within the window; monotone in demand. Rules 1 and 6 leave the first of them to whoever has set the size that is found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from autoscaler.errors import OutOfRange
from autoscaler.sizing import replicas_for, require_whole
from autoscaler.window import LOAD_HISTORY_S, Counters, LoadWindow, MaxWindow

RATE_WINDOW_S: Final = 1.0
"""The shortest time over which an arrival rate is taken, so that the first requests of a step are no flood."""

RATE_ARRIVALS: Final = 20
"""Arrivals that a short rate must count: n random arrivals are off by 1/sqrt(n), here 22 %, and a long service time
multiplies that. 20 is what the documented sizing example (20 requests/s of 10 s) shows in its first second."""

UNKNOWN_SERVICE_S: Final = 0.001
"""Service time assumed before the first completion: small, but an arrival between two looks is some demand."""

STALE_REFRESHES: Final = 3
STALE_AT_LEAST_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class ScalingSettings:
    """How one version is to be scaled. Raises OutOfRange when a number makes no sense; may be replaced at any time."""

    enabled: bool = True
    min_replicas: int = 1
    max_replicas: int = 10
    target_utilization: int = 70
    """Percent of the slots that demand is to fill, 1 to 100."""
    slots: int = 1
    """Requests that one replica takes at a time."""
    refresh_s: float = 1.0
    scale_down_window_s: float = 60.0
    fixed_replicas: int | None = None
    """A size to keep instead of scaling by demand; with `enabled` off and None, the size is left alone."""
    dry_run: bool = False
    """Decide and count, but never scale (`serve --dev-test`)."""
    hands_off: bool = False
    """Something else scales the workload (an HPA), or nobody can: leave the size alone, whatever else is set."""

    def __post_init__(self) -> None:
        require_whole("min replicas", self.min_replicas, 0, None)
        require_whole("max replicas", self.max_replicas, max(1, self.min_replicas), None)
        require_whole("target utilization", self.target_utilization, 1, 100)
        require_whole("slots", self.slots, 1, None)
        if self.fixed_replicas is not None:
            require_whole("fixed replicas", self.fixed_replicas, 0, None)
        if not self.refresh_s > 0:
            raise OutOfRange("refresh period", self.refresh_s, "a number of seconds above 0")
        if not self.scale_down_window_s >= 0:
            raise OutOfRange("scale down window", self.scale_down_window_s, "a number of seconds, 0 or more")

    @property
    def stale_after_s(self) -> float:
        """Age from which an observation says nothing about now."""
        return max(STALE_REFRESHES * self.refresh_s, STALE_AT_LEAST_S)


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of a workload at one time. Counters are cumulative; a fall of one is read as a reset."""

    at: float
    in_flight: int = 0
    queued: int = 0
    retrying: int = 0
    """Connections that were refused lately: a client that tries again and again counts as one waiting request."""
    arrivals: int = 0
    """The refused ones included, a retry loop counted once."""
    completions: int = 0
    service_s: float = 0.0
    """Sum of the service times of the completed."""
    busy: int = 0
    """Replicas that hold at least one request."""
    ready: int = 0
    unschedulable: int = 0
    """Replicas that the cluster has no room for."""
    unheard: int = 0
    """Routers under which there may be more of all this, but which cannot be heard now."""
    current: int = 0
    """The size asked for so far, or found."""

    def sized(self, current: int) -> Observation:
        """The same, with the size that is known to be asked for."""
        return replace(self, current=current)


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"
    HOLD = "hold"


class Reason(StrEnum):
    """What determined the desired size: the rule that bound. Closed list; a label in logs, events and metrics."""

    DEMAND = "demand"
    """The size is what demand needs."""
    MINIMUM = "minimum"
    """Demand needs less than the minimum."""
    MAXIMUM = "maximum"
    """Demand needs more than the maximum, or the size was above it."""
    WINDOW = "window"
    """Demand needs less, but more was wanted within the scale-down window."""
    FIRST_WINDOW = "first_window"
    """Demand needs less, but one whole window has not been seen yet."""
    STALE = "stale"
    """Data is old or missing: hold, or at least do not shrink."""
    FIXED = "fixed"
    DISABLED = "disabled"
    HANDS_OFF = "hands_off"
    """Something else scales the workload."""
    CLUSTER_FULL = "cluster_full"
    """More is wanted, but there are replicas already that cannot be scheduled."""


class Numbers(NamedTuple):
    """The numbers a decision rests on. All zero, and no age, when there was no observation."""

    demand: float = 0
    in_flight: int = 0
    queued: int = 0
    retrying: int = 0
    offered: float = 0
    """Concurrent requests by Little's law: `arrivals_per_s` × `service_s`."""
    arrivals_per_s: float = 0
    service_s: float | None = None
    """Mean service time; None until something completed."""
    needed: int = 0
    """Replicas for the demand, before minimum, maximum and window."""
    window_max: int = 0
    """The largest size wanted in the scale-down window."""
    busy: int = 0
    ready: int = 0
    age_s: float | None = None
    """Age of the observation."""
    unschedulable: int = 0
    unheard: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """The size that a workload should have, and why."""

    at: float
    current: int
    desired: int
    reason: Reason
    numbers: Numbers
    dry_run: bool = False
    settled: bool = False
    """Only new activity, new settings or a foreign hand can lead to another decision."""

    @property
    def direction(self) -> Direction:
        """What is to be done: HOLD in a dry run, whatever is desired."""
        if self.dry_run or self.desired == self.current:
            return Direction.HOLD
        return Direction.UP if self.desired > self.current else Direction.DOWN

    def describe(self) -> dict[str, str | int | float | bool | None]:
        """The whole decision, flat, for a log line and an event."""
        head = {"desired": self.desired, "current": self.current, "direction": self.direction.value}
        return {**head, "reason": self.reason.value, "dry_run": self.dry_run, **self.numbers._asdict()}


@dataclass(frozen=True, slots=True)
class ScalingState:
    """What is remembered from decision to decision: a value, safe to keep and to replay."""

    wanted: MaxWindow
    load: LoadWindow
    current: int
    """The size as last known; what counts when there is no observation."""

    @classmethod
    def begin(cls, now: float, current: int) -> ScalingState:
        """The state of an autoscaler that has just started, or just met this workload, and found it at `current`.

        What is found counts as wanted until there is an observation to say otherwise.
        """
        return cls(MaxWindow.begin(now, current), LoadWindow(), current)

    def begun_anew(self, now: float, current: int) -> ScalingState:
        """As at the beginning, but for the load that was seen."""
        return replace(self.begin(now, current), load=self.load)

    def sized(self, current: int) -> ScalingState:
        """The same, after the size was found to be `current`."""
        return replace(self, current=current)


class _Choice(NamedTuple):
    wanted: int
    """The size on this moment's facts alone: what the window remembers."""
    desired: int
    reason: Reason


def decide(
    settings: ScalingSettings, state: ScalingState, observation: Observation | None, now: float
) -> tuple[ScalingState, Decision]:
    """The size that the workload should have at `now`, and the state for the next decision."""
    load = state.load if observation is None else state.load.add(_counters(observation))
    numbers = Numbers() if observation is None else _measure(settings, load, observation, now)
    current = state.current if observation is None else observation.current

    choice = _without_demand(settings, current, numbers)
    wanted = choice.wanted if choice else _clamp(settings, numbers.needed)
    window = state.wanted.add(now, wanted, settings.scale_down_window_s)
    if choice is None:
        choice = _by_demand(settings, window, current, numbers.needed, now)
    if numbers.unschedulable and choice.desired > current:
        choice = choice._replace(desired=current, reason=Reason.CLUSTER_FULL)

    decision = Decision(
        at=now,
        current=current,
        desired=choice.desired,
        reason=choice.reason,
        numbers=numbers._replace(window_max=window.maximum),
        dry_run=settings.dry_run,
        settled=_is_settled(settings, load, choice, current, numbers),
    )
    return ScalingState(window, load, current), decision


def _without_demand(settings: ScalingSettings, current: int, numbers: Numbers) -> _Choice | None:
    """The choice where load has no say, or too little of it is known to go by; None where it decides.

    Holding on stale data counts as wanting what is there, so the window starts anew when data comes back; and when
    hands may be on again.
    """
    if settings.hands_off:
        return _Choice(current, current, Reason.HANDS_OFF)
    if settings.fixed_replicas is not None:
        return _Choice(settings.fixed_replicas, settings.fixed_replicas, Reason.FIXED)
    if not settings.enabled:
        return _Choice(current, current, Reason.DISABLED)
    if _is_stale(settings, numbers.age_s) or (numbers.unheard and _clamp(settings, numbers.needed) < current):
        held = max(current, settings.min_replicas)
        return _Choice(held, held, Reason.STALE if held == current else Reason.MINIMUM)
    return None


def _is_stale(settings: ScalingSettings, age_s: float | None) -> bool:
    return age_s is None or age_s > settings.stale_after_s


def _by_demand(settings: ScalingSettings, window: MaxWindow, current: int, needed: int, now: float) -> _Choice:
    """Up to what is wanted now, at most to the maximum; down to what was wanted in the window, but not in the first."""
    wanted = _clamp(settings, needed)
    # In a dry run the size never follows, so the largest wish stands for the size that would have been reached.
    size = max(current, window.maximum) if settings.dry_run else current
    covered = window.covers(now, settings.scale_down_window_s)
    kept = min(size, window.maximum, settings.max_replicas) if covered else size
    desired = max(wanted, kept)

    if desired == settings.max_replicas < size:
        return _Choice(wanted, desired, Reason.MAXIMUM)
    if desired == wanted:
        return _Choice(wanted, desired, _why_wanted(settings, needed))
    return _Choice(wanted, desired, Reason.WINDOW if covered else Reason.FIRST_WINDOW)


def _why_wanted(settings: ScalingSettings, needed: int) -> Reason:
    if needed < settings.min_replicas:
        return Reason.MINIMUM
    return Reason.MAXIMUM if needed > settings.max_replicas else Reason.DEMAND


def _clamp(settings: ScalingSettings, replicas: int) -> int:
    return min(max(replicas, settings.min_replicas), settings.max_replicas)


def _counters(seen: Observation) -> Counters:
    return Counters(seen.at, seen.arrivals, seen.completions, seen.service_s)


def _measure(settings: ScalingSettings, load: LoadWindow, seen: Observation, now: float) -> Numbers:
    present = seen.in_flight + seen.queued + seen.retrying
    waiting = seen.queued + seen.retrying
    rate = _arrival_rate(load, pressed=waiting > 0 or seen.in_flight >= seen.ready * settings.slots)
    # The sixth decimal is finer than any load, and rounding there removes what multiplying floats left behind.
    offered = round(rate * max(load.service_s or 0.0, UNKNOWN_SERVICE_S), 6)
    demand = max(present, offered)
    return Numbers(
        demand=demand,
        in_flight=seen.in_flight,
        queued=seen.queued,
        retrying=seen.retrying,
        offered=offered,
        arrivals_per_s=rate,
        service_s=load.service_s,
        needed=replicas_for(demand, settings.slots, settings.target_utilization),
        busy=seen.busy,
        ready=seen.ready,
        age_s=now - seen.at,
        unschedulable=seen.unschedulable,
        unheard=seen.unheard,
    )


def _arrival_rate(load: LoadWindow, *, pressed: bool) -> float:
    """Arrivals per second, from as short a time as is wise.

    At ease, what is in flight tells the load, and the rate is taken over one service time: then Little's law is just
    as noisy as the count of requests in flight, and adds nothing to it. Pressed (a request waits, or no slot is
    free), the count is cut off by the slots there are; then the last second decides, if enough arrived in it, and the
    right size is reached in one step and not as slowly as the service time.
    """
    one_service_s = min(max(load.service_s or 0.0, RATE_WINDOW_S), LOAD_HISTORY_S)
    at_ease = load.rate(one_service_s)
    return max(at_ease, load.rate_of_last(RATE_ARRIVALS, RATE_WINDOW_S, one_service_s)) if pressed else at_ease


def _is_settled(settings: ScalingSettings, load: LoadWindow, choice: _Choice, current: int, numbers: Numbers) -> bool:
    """Whether time alone changes nothing: the size is what is wanted now, and no rate is left to decay."""
    if choice.desired != choice.wanted or (choice.desired != current and not settings.dry_run):
        return False
    if choice.reason in (Reason.FIXED, Reason.DISABLED, Reason.HANDS_OFF):
        return True
    return not _is_stale(settings, numbers.age_s) and not numbers.unheard and load.rate(LOAD_HISTORY_S) == 0
