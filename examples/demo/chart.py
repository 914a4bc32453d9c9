"""Replicas over time, as text: rows are replicas, columns are moments. Pure, and plain ASCII for every terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from examples.demo.seen import Sample

READY: Final = "#"
WANTED: Final = "."


def chart(samples: Sequence[Sample], version: str, width: int = 60) -> list[str]:
    """`#` is a ready replica, `.` one that is wanted and not there yet. Each column has its time's largest numbers."""
    if not samples:
        return []
    begin, end = samples[0].at, samples[-1].at
    columns: list[tuple[int, int]] = [(0, 0)] * width
    for each in samples:
        load = each.versions.get(version)
        if load is not None:
            column = int((each.at - begin) / ((end - begin) or 1.0) * (width - 1))
            ready, wanted = columns[column]
            columns[column] = (max(ready, load.total), max(wanted, load.desired))
    columns = _filled(columns)
    highest = max(1, *(max(column) for column in columns))
    rows = [f"{row:3d} |{''.join(_mark(row, *column) for column in columns)}".rstrip() for row in range(highest, 0, -1)]
    seconds = f"{end - begin:.0f} s"
    return [*rows, f"    +{'-' * width}", f"     0{seconds:>{width - 1}}"]


def _filled(columns: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """A short run has fewer samples than columns: what was last seen goes on."""
    filled = list(columns)
    for index in range(1, len(filled)):
        if filled[index] == (0, 0):
            filled[index] = filled[index - 1]
    return filled


def _mark(row: int, ready: int, wanted: int) -> str:
    if row <= ready:
        return READY
    return WANTED if row <= wanted else " "
