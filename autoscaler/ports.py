"""What the autoscaler needs from the rest of the world: three ports that it owns, passed in by the composition root.

All of them are called on the event loop that runs `AutoscalerLoop.run`. Everything but `ScaleTarget.scale` must return
at once: it reads what is known already.
"""

from __future__ import annotations

from typing import Protocol

from autoscaler.policy import Decision, Observation, ScalingSettings

Key = tuple[str, str]
"""Endpoint and version."""


class Workload(Protocol):
    """One version of an endpoint, seen by the autoscaler."""

    @property
    def key(self) -> Key: ...

    def settings(self) -> ScalingSettings:
        """The settings in force. The same object as long as nothing changed keeps an idle workload cheap."""

    def activity(self) -> int:
        """A number that changes whenever anything happened to a request; the same number says that nothing did."""

    def observe(self, now: float) -> Observation | None:
        """What was last seen, with the time of seeing it; None if nothing was. `current` is filled in by the loop."""


class ScaleTarget(Protocol):
    """What can be brought to a size: a group of processes, a scale subresource."""

    async def scale(self, replicas: int) -> None:
        """Ask for a size; asking twice is harmless. Raises when it was not accepted; may be cancelled."""

    def current(self) -> int:
        """The size asked for so far, or found. After `scale(n)` it is n, until something else is found."""


class Recorder(Protocol):
    """Where decisions and failures are told: logged, counted, shown."""

    def decided(self, key: Key, decision: Decision) -> None:
        """A decision to change the size. Called when it is made, not when it is carried out."""

    def failed(self, key: Key, decision: Decision, error: Exception) -> None:
        """One attempt to carry a decision out failed; it is repeated until it succeeds or another one replaces it."""
