"""What becomes of scaling decisions: a log line with the numbers, and a count. The autoscaler's `Recorder`."""

from __future__ import annotations

import logging

from autoscaler.policy import Decision
from autoscaler.ports import Key
from router.serving.fleet import Fleet

log = logging.getLogger("maitre.scale")


class ScaleRecorder:
    """Attach the fleet once both are made: each needs the other."""

    def __init__(self) -> None:
        self._fleet: Fleet | None = None

    def attach(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def decided(self, key: Key, decision: Decision) -> None:
        log.info("decision", extra={"fields": _fields(key, decision)})
        live = self._fleet.version(key) if self._fleet else None
        if live is not None and not decision.dry_run:
            live.scale_events.applied(decision.current, decision.desired)

    def failed(self, key: Key, decision: Decision, error: Exception) -> None:
        log.error("scaling failed", extra={"fields": {**_fields(key, decision), "error": repr(error)}})


def _fields(key: Key, decision: Decision) -> dict[str, object]:
    endpoint, version = key
    return {"endpoint": endpoint, "version": version, **decision.describe()}
