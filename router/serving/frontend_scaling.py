"""What becomes of decisions on the router's own size: a log line with the numbers, and a count.

The autoscaler's `FrontendRecorder`; read for the metrics page."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

from autoscaler.frontend import Decision, Part
from autoscaler.policy import Direction
from router.telemetry.source import FrontendReading

log = logging.getLogger("maitre.scale")

_WAYS: Final = (Direction.UP, Direction.DOWN)


class FrontendScaling:
    def __init__(self) -> None:
        self._changes: Counter[tuple[str, str]] = Counter()
        self._failure = ""

    def decided(self, decision: Decision) -> None:
        log.info("the router's own size", extra={"fields": decision.describe()})
        self._changes[decision.part.value, decision.direction.value] += 1

    def failed(self, decision: Decision, error: Exception) -> None:
        """Told once for each reason in a row."""
        again, self._failure = str(error) == self._failure, str(error)
        fields = {**decision.describe(), "error": str(error)}
        log.log(logging.DEBUG if again else logging.ERROR, "the router's own size stays", extra={"fields": fields})

    def reading(self, last: Decision | None) -> FrontendReading | None:
        """For the metrics page; `last` is the newest decision, whatever it was."""
        if last is None or last.numbers.age_s is None:
            return None
        numbers = last.numbers
        changes = {(part.value, way.value): self._changes[part.value, way.value] for part in Part for way in _WAYS}
        return FrontendReading(numbers.workers, numbers.routing_ms / 1000, numbers.cpu, changes)

    def __repr__(self) -> str:
        return f"<FrontendScaling {dict(self._changes)}>"
