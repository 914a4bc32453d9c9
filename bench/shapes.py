"""The loads under which everybody is measured: how many connections, how large a body, how hard they drive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from bench.work import LARGE, MOST_CONNECTIONS, SMALL


@dataclass(frozen=True, slots=True)
class Shape:
    """`pause_ms`: what each connection rests before a request, in the mean; 0: it asks again at once."""

    name: str
    connections: int
    body_bytes: int
    pause_ms: int = 0

    def __str__(self) -> str:
        many = f"{self.connections} connection{'s' if self.connections > 1 else ''}"
        rest = f", each resting {self.pause_ms} ms before a request in the mean" if self.pause_ms else ""
        return f"{many}, {self.body_bytes:,} bytes both ways{rest}"


STEADY: Final = Shape("steady", 32, SMALL, pause_ms=6)
"""About 5,000 requests/s of all who keep up, which is azureml-fe's figure."""
MATRIX: Final = tuple(
    Shape(f"{connections}x{label}", connections, size)
    for (label, size), connections in product((("60B", SMALL), ("10KB", LARGE)), (1, 32, MOST_CONNECTIONS))
)
"""As fast as answers come."""
FULL: Final = MATRIX[1]
"""32 connections with small bodies."""
SHAPES: Final = (STEADY, *MATRIX)


def named(names: Sequence[str]) -> tuple[Shape, ...]:
    """The shapes of these names, in the order of SHAPES. Raises ValueError when one is unknown."""
    known = [shape.name for shape in SHAPES]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no shape {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(shape for shape in SHAPES if shape.name in names)
