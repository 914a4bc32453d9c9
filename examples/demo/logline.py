"""The router's log, understood: logfmt lines in, scaling decisions and process ids of replicas out. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from examples.demo.seen import Scaling, Start, Timeline

_PAIR: Final = re.compile(r'([A-Za-z0-9_.-]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_START: Final = re.compile(r"[^/ ]+/([^/ ]+)/([^/ ]+) \| pid (\d+) loads ")


def fields(line: str) -> dict[str, str]:
    """The pairs of one line; of what is not logfmt, none."""
    return {name: _text(value) for name, value in _PAIR.findall(line)}


def scaling(record: Mapping[str, str], timeline: Timeline) -> Scaling | None:
    """The decision that a record tells of, if it does."""
    if (record.get("logger"), record.get("msg")) != ("maitre.scale", "decision"):
        return None
    return Scaling(
        at=_time(record, timeline),
        version=record["version"],
        before=int(record["current"]),
        after=int(record["desired"]),
        reason=record["reason"],
        demand=float(record["demand"]),
    )


def start(record: Mapping[str, str], timeline: Timeline) -> Start | None:
    """The start of a replica, if it is that: the first line that `examples/digits/model.py` prints."""
    said = _START.match(record.get("msg", "")) if record.get("logger") == "maitre.replica" else None
    if said is None:
        return None
    return Start(_time(record, timeline), version=said[1], replica=said[2], pid=int(said[3]))


def _time(record: Mapping[str, str], timeline: Timeline) -> float:
    return timeline.at(datetime.fromisoformat(record["time"]))


def _text(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:  # \U00012345: beyond JSON's escapes, and in nothing that is read here
        return value[1:-1]
