"""What the autoscaler cannot go on from, as one small tree.

Adapters in `targets/` map foreign exceptions to it.

    AutoscalerError
    ├── OutOfRange            a number outside what is allowed (a ValueError too); carries name, value and range
    ├── AlreadyWatched        a workload was added twice under one key: a bug of the caller
    └── ScaleFailed           a target could not be brought to a size
"""

from __future__ import annotations


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


class ScaleFailed(AutoscalerError):
    """A target could not be brought to a size; the message says what refused and why."""
