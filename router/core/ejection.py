"""When a replica that cannot be reached is left alone, and for how long.

A connect failure is unambiguous (nothing listens there, or nothing answers), so the first one ejects. Each further one
doubles the time away; a connection that stands forgives all. The last available replica is never ejected: trying it is
better than refusing everybody (Envoy keeps a floor for the same reason, its panic threshold).

Pure; one per version, called by `router.core.admission`.
"""

from __future__ import annotations

from typing import Final

BASE_S: Final = 0.1
"""A pod or process that restarts listens again within tenths of a second at best."""
MAX_S: Final = 30.0
"""Envoy's base ejection time: what is down for long is tried twice a minute."""


class Ejections:
    """Failures in a row and the end of the ejection, by replica."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def failed(self, replica: str, now: float) -> float:
        """Notes a connect failure; returns when the replica may be tried again (monotonic seconds)."""
        failures = self._failures[replica] = self._failures.get(replica, 0) + 1
        until = self._until[replica] = now + min(MAX_S, BASE_S * 2.0 ** min(failures - 1, 30))
        return until

    def over(self, replica: str, now: float) -> bool:
        """Whether its last ejection has ended by `now`: that of an earlier failure ends nothing."""
        return now >= self._until.get(replica, now)

    def connected(self, replica: str) -> None:
        if self._failures:
            self.forget(replica)

    def forget(self, replica: str) -> None:
        self._failures.pop(replica, None)
        self._until.pop(replica, None)
