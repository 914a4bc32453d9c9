"""Lines of replicas for one reader: what both kinds of logs, of local processes and of pods, make a `Reader` of."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Final

from router.serving.reader import Reader

ROOM: Final = 1_000_000
"""By how many characters a reader may be behind."""
LINE_COST: Final = 100
"""What a line takes beside its characters."""
TOO_SLOW: Final = "- maitre: lines are missing from here on, for they were read too slowly: ask again"

Line = tuple[str, str]
"""Replica and text; `-` stands for the router itself."""


def line_reader(closed: Callable[[Reader[Line]], None], lines: Iterable[Line] = (), room: int = ROOM) -> Reader[Line]:
    return Reader(room, closed, lines, _weight)


async def lines_of(reader: Reader[Line]) -> AsyncGenerator[str, None]:
    """Until it is closed; where it was too slow, the last line says so."""
    while (line := await reader.next()) is not None:
        yield " ".join(line)
    if reader.too_slow:
        yield TOO_SLOW


def _weight(line: Line) -> int:
    return LINE_COST + len(line[1])
