"""How much load was offered to a version: what the autoscaler's demand rests on.

Arrivals count refused requests too, so that a saturated version is sized for what came, not for what fitted. But a
client that is refused and tries again on the same connection is one waiting request, not many: while it keeps trying
it counts once in `retrying`, and its repeats are no arrivals.

Pure; written by `router.core.admission`. Clients are opaque and hashable (the shell passes its connection).
"""

from __future__ import annotations

from collections import OrderedDict

RETRY_MEMORY_S = 2.0
"""How long a refused client counts as waiting: longer than a usual retry pause (Retry-After is 1 s), shorter than any
scale-down window, so that a client that gave up does not hold replicas."""


class OfferedLoad:
    """Cumulative counts of one version, and the clients that are retrying."""

    def __init__(self) -> None:
        self.arrivals = 0
        self.repeats = 0
        self.completions = 0
        self.service_s = 0.0
        """Seconds that completed requests held their slots, summed."""
        self._refused_at: OrderedDict[object, float] = OrderedDict()

    def arrived(self, client: object, now: float) -> None:
        """A request came. It is a repeat when this client was refused within RETRY_MEMORY_S."""
        if self._refused_at:
            refused_at = self._refused_at.pop(client, None)
            if refused_at is not None and now - refused_at <= RETRY_MEMORY_S:
                self.repeats += 1
                return
        self.arrivals += 1

    def refused(self, client: object, now: float) -> None:
        self._refused_at[client] = now
        self._refused_at.move_to_end(client)
        self._forget(now)  # also where no autoscaler asks: nothing may grow with the clients that gave up

    def gone(self, client: object) -> None:
        """The client closed its connection: it waits for nothing any more."""
        self._refused_at.pop(client, None)

    def served(self, seconds: float) -> None:
        self.completions += 1
        self.service_s += seconds

    @property
    def activity(self) -> int:
        """A number that changes whenever anything happened."""
        return self.arrivals + self.repeats + self.completions

    def retrying(self, now: float) -> int:
        """Clients refused within RETRY_MEMORY_S that have not come back yet."""
        self._forget(now)
        return len(self._refused_at)

    def _forget(self, now: float) -> None:
        while self._refused_at:
            client, refused_at = next(iter(self._refused_at.items()))
            if now - refused_at <= RETRY_MEMORY_S:
                break
            del self._refused_at[client]
