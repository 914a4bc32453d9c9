"""From a change of conditions to what is told: one notice for each that turned. Pure; called by `reporter.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

_NOTICES: Final[Mapping[tuple[str, str], str]] = {
    ("ClusterFull", "True"): "ClusterFull",
    ("ClusterFull", "False"): "ClusterHasRoom",
    ("HpaConflict", "True"): "HpaConflict",
    ("HpaConflict", "False"): "HpaGone",
    ("ScalingFailed", "True"): "ScalingFailed",
    ("ScalingFailed", "False"): "ScalingWorks",
    ("KeysAvailable", "False"): "KeysUnavailable",
    ("Ready", "False"): "NotReady",
    ("Ready", "True"): "Ready",
}
"""Accepted is told with each generation, by `notices.py`."""

_WRONG_WHEN_FALSE: Final = frozenset({"Accepted", "Ready", "KeysAvailable"})


class Turn(NamedTuple):
    """A condition that has changed its status."""

    reason: str
    message: str
    warning: bool


def turns(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> Iterator[Turn]:
    """One for each status that is another, or as bad for another reason; of a condition that is new, if it is bad."""
    known = {condition["type"]: condition for condition in before}
    for condition in after:
        type, word = condition["type"], condition["status"]
        wrong = (word == "False") is (type in _WRONG_WHEN_FALSE)
        old = known.get(type)
        turned = wrong if old is None else old["status"] != word or (wrong and old["reason"] != condition["reason"])
        if turned and (reason := _NOTICES.get((type, word))) is not None:
            yield Turn(reason, condition["message"], wrong)
