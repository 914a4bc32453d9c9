"""How busy this router is, from what its workers ship, and the others of the cluster, from what they tell.

Implements the autoscaler's `Loads`. A worker's pulses are cumulative; what counts is the difference over the last
WINDOW_S. A worker that has gone silent makes the load as old as its last pulse, and with that the policy hold, until it
tells something or is known to have ended. Told and asked on the event loop of the control process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Final, NamedTuple

from autoscaler.frontend import STALE_S, RouterLoad
from router.cgroups import usable_cores
from router.telemetry.turns import PASSES, Pulse

WINDOW_S: Final = 5.0
"""Fifty turns of each worker: their mean is not that of one long one."""


class RouterLoads:
    def __init__(
        self,
        workers: Callable[[], int],
        fixed_workers: int | None = None,
        cores: Callable[[], float] = usable_cores,
    ) -> None:
        """`workers()`: how many are meant to run. `fixed_workers`: None where the cores say how many there may be."""
        self._workers = workers
        self._fixed_workers = fixed_workers
        self._cores = cores
        self._pulses: dict[Hashable, deque[_Timed]] = {}
        self._others: dict[Hashable, RouterLoad] = {}

    # -- of this router -----------------------------------------------------------------------------------------------

    def shipped(self, worker: Hashable, pulse: Pulse, now: float) -> None:
        """The newest of a worker; one that was started anew begins at 0."""
        pulses = self._pulses.setdefault(worker, deque())
        if pulses and pulse.turns < pulses[-1].pulse.turns:
            pulses.clear()
        pulses.append(_Timed(now, pulse))
        while len(pulses) > 2 and pulses[1].at <= now - WINDOW_S:
            pulses.popleft()

    def ended(self, worker: Hashable) -> None:
        """It is no more."""
        self._pulses.pop(worker, None)

    def own(self, now: float) -> RouterLoad | None:
        """None until a worker has told something twice."""
        measured = [_measure(pulses) for pulses in self._pulses.values() if len(pulses) > 1]
        if not measured:
            return None
        cores = self._cores()
        most = self._fixed_workers or max(1, int(cores))
        at = min(pulses[-1].at for pulses in self._pulses.values())
        cpu = sum(each.cpu for each in measured)
        return RouterLoad(at, self._workers(), most, cores, _routing_ms(measured), cpu)

    def said(self, now: float) -> Sequence[float] | None:
        """The own load as numbers, for `heard` in another router; None where there is nothing new to be said."""
        load = self.own(now)
        return None if load is None or now - load.at > STALE_S else tuple(load)

    # -- of the others ------------------------------------------------------------------------------------------------

    def heard(self, router: Hashable, numbers: Sequence[float], now: float) -> None:
        """Another router tells its own; `now` takes the place of its time, which is of another clock."""
        _, workers, most_workers, cores, routing_ms, cpu = numbers
        self._others[router] = RouterLoad(now, int(workers), int(most_workers), cores, routing_ms, cpu)

    def lost(self, router: Hashable) -> None:
        """It is no more, or cannot be heard."""
        self._others.pop(router, None)

    def others(self, now: float) -> Sequence[RouterLoad]:
        return tuple(self._others.values())

    def __repr__(self) -> str:
        return f"<RouterLoads workers={len(self._pulses)} others={len(self._others)}>"


class _Timed(NamedTuple):
    at: float
    pulse: Pulse


class _Measured(NamedTuple):
    """Of one worker, over the window."""

    cpu: float
    wait_s: float
    """Of one turn, in the mean."""


def _measure(pulses: Sequence[_Timed]) -> _Measured:
    first, last = pulses[0], pulses[-1]
    seconds = max(last.at - first.at, 1e-9)
    turns = last.pulse.turns - first.pulse.turns
    waited_s = last.pulse.waited_s - first.pulse.waited_s
    return _Measured((last.pulse.cpu_s - first.pulse.cpu_s) / seconds, waited_s / turns if turns else 0.0)


def _routing_ms(workers: Sequence[_Measured]) -> float:
    """As a request meets it: a worker that works more has more of the requests."""
    cpu = sum(each.cpu for each in workers)
    weighted = sum(each.wait_s * each.cpu for each in workers)
    return 1000 * PASSES * weighted / cpu if cpu > 0 else 0.0
