"""How much load when: phases of an open-loop load, with times drawn like those of independent users.

Open loop: requests come when they come, whether or not earlier ones were answered. A closed loop (n callers, each
waiting for its answer) slows down exactly when the replicas are too few, which hides what autoscaling is there for.
The gaps are exponential (a Poisson process, what many independent callers add up to), from a fixed seed, so every run
has the same load.

The numbers fit the endpoint of `examples/digits`: a request takes about 0.1 s, so 30 a second keep about 2.5 replicas
of blue busy. One is too few by far, and four are what 70 % utilization asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final


@dataclass(frozen=True, slots=True)
class Phase:
    """A time of even load."""

    name: str
    seconds: float
    rps: float

    def arrivals(self, random: Random) -> Iterator[float]:
        """When requests come, in seconds since the phase began; rising, below `seconds`."""
        at = random.expovariate(self.rps)
        while at < self.seconds:
            yield at
            at += random.expovariate(self.rps)


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: `hold` begins with the step up, `fall` with the fall, and after it no request comes."""

    warm_up: Phase
    hold: Phase
    fall: Phase
    calm_replicas: int = 2
    """Replicas of one version that the load of `fall` may need at most, and that of `hold` always exceeds for the
    default version."""
    quiet_s: float = 40.0
    """How long to wait, at most, for the last replicas above the minimum to go."""
    seed: int = 20

    @property
    def phases(self) -> tuple[Phase, ...]:
        return (self.warm_up, self.hold, self.fall)


FULL: Final = Plan(Phase("warm-up", 10, 3), Phase("hold", 35, 30), Phase("fall", 15, 2))
QUICK: Final = Plan(Phase("warm-up", 3, 3), Phase("hold", 9, 30), Phase("fall", 2, 2))
