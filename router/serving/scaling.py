"""What becomes of scaling decisions: a log line with the numbers, a count, an event, and an Event of the cluster.

The autoscaler's `Recorder`."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from pydantic.alias_generators import to_camel

from autoscaler.policy import Decision, Direction
from autoscaler.ports import Key
from router.serving.fleet import Fleet
from router.serving.telling import Happened, Tell, nobody_follows
from router.serving.version import LastDecision

log = logging.getLogger("maitre.scale")


class ScaleRecorder:
    """Attach the fleet once both are made: each needs the other."""

    def __init__(self, tell: Tell, happened: Happened = nobody_follows) -> None:
        self._tell = tell
        self._happened = happened
        self._fleet: Fleet | None = None
        self._failures: dict[Key, str] = {}

    def attach(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def decided(self, key: Key, decision: Decision) -> None:
        log.info("decision", extra={"fields": _fields(key, decision)})
        live = self._fleet.version(key) if self._fleet else None
        self._failures.pop(key, None)
        if live is not None:
            live.last_decision = LastDecision(datetime.now(UTC), decision)
            self._happened("decision", live.owner.key, version=live.version, **shown(decision))
        if live is not None and not decision.dry_run:
            live.scale_events.applied(decision.current, decision.desired)
            reason = "ScaledUp" if decision.direction is Direction.UP else "ScaledDown"
            self._tell(live.owner.key, reason, _sentence(key, decision))

    def failed(self, key: Key, decision: Decision, error: Exception) -> None:
        """Told once for each reason in a row: an attempt that fails is repeated until it succeeds."""
        if self._failures.get(key) == str(error):
            return
        self._failures[key] = str(error)
        log.error("scaling failed", extra={"fields": {**_fields(key, decision), "error": repr(error)}})
        live = self._fleet.version(key) if self._fleet else None
        if live is not None:
            self._happened("decision", live.owner.key, version=live.version, **shown(decision), error=str(error))
            wish = f"{decision.current} replicas instead of {decision.desired}"
            self._tell(
                live.owner.key, "ScalingFailed", f"version {live.version} stays at {wish}: {error}", warning=True
            )


def shown(decision: Decision) -> dict[str, Any]:
    """The decision as the admin API shows it."""
    return {to_camel(word): value for word, value in decision.describe().items()}


def _sentence(key: Key, decision: Decision) -> str:
    """The decision with the numbers that it rests on, for people."""
    numbers = decision.numbers
    return (
        f"version {key[1]} from {decision.current} to {decision.desired} replicas ({decision.reason.value}): "
        f"demand {numbers.demand:.4g} ({numbers.in_flight} in flight, {numbers.queued} queued, "
        f"{numbers.arrivals_per_s:.4g} requests/s), highest need in the window {numbers.window_max}, "
        f"{numbers.busy} of {numbers.ready} ready replicas busy"
    )


def _fields(key: Key, decision: Decision) -> dict[str, object]:
    endpoint, version = key
    return {"endpoint": endpoint, "version": version, **decision.describe()}
