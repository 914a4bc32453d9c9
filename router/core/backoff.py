"""How long to wait before a replica or worker that ended on its own is started again. Pure: jitter comes in as `u`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling pauses, in seconds. What was ready for `steady_s` begins again at the first one.

    Half of each pause is fixed and half is random, so that those who failed together do not come back together.
    """

    first_s: float = 0.2
    most_s: float = 10.0
    steady_s: float = 30.0

    def failures(self, before: int, ready_s: float) -> int:
        """Failures in a row, counting the one after which this is asked."""
        return 1 if ready_s >= self.steady_s else before + 1

    def pause_s(self, failures: int, u: float) -> float:
        """The pause after that many failures in a row (at least 1); `u` is uniform in [0, 1)."""
        doublings = min(failures - 1, 32)  # past any cap worth having, and far from where a float overflows
        whole = min(self.first_s * 2.0**doublings, self.most_s)
        return whole * (1 + u) / 2
