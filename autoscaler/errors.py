"""What the autoscaler cannot go on from, as one small tree.

Adapters in `targets/` map foreign exceptions to it.

    AutoscalerError
    ├── OutOfRange            a number outside what is allowed (a ValueError too); carries name, value and range
    ├── AlreadyWatched        a workload was added twice under one key: a bug of the caller
    ├── ScaleFailed           a target could not be brought to a size; carries why
    └── HeldBack              a target is not ours to scale now: nothing failed, and the wish is to be dropped
        ├── NotLeading        another autoscaler may be scaling it
        └── HandsOff          something else is meant to scale it
"""

from __future__ import annotations

from enum import StrEnum


class AutoscalerError(Exception):
    """Root of every error that the autoscaler raises on purpose."""


class OutOfRange(AutoscalerError, ValueError):
    """A number outside what is allowed. `sentence` says it in the reader's own words for the number."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        self.name = name
        self.value = value
        self.allowed = allowed
        super().__init__(self.sentence(name, value))

    def sentence(self, name: str, value: object) -> str:
        return f"{name} is {value}, but must be {self.allowed}."


class AlreadyWatched(AutoscalerError):
    """A workload was added under a key that is watched already."""


class Why(StrEnum):
    """What kind of thing stood in the way of a scale. Closed list; the first three are reasons of conditions."""

    REFUSED = "Refused"
    """By access control, admission or validation."""
    QUOTA_EXCEEDED = "QuotaExceeded"
    NOT_FOUND = "NotFound"
    """There is no such workload, or it has no scale."""
    NO_ANSWER = "NoAnswer"
    """Nobody answered, or only with trouble of their own: nothing is known, and trying again is all there is to do."""


class ScaleFailed(AutoscalerError):
    """A target could not be brought to a size; the message says what refused and why."""

    def __init__(self, message: str, why: Why = Why.NO_ANSWER) -> None:
        self.why = why
        super().__init__(message)


class HeldBack(AutoscalerError):
    """A target is not ours to scale now. Nothing was written; nothing is to be reported or repeated."""


class NotLeading(HeldBack):
    """Another autoscaler leads, or may."""


class HandsOff(HeldBack):
    """Something else is meant to scale this target."""
