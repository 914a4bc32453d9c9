"""The load generator: wrk with one thread, what it is told, and what it counted."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.proof import Unfit
from bench.shapes import Shape
from bench.work import KEY, PATH

SCRIPT: Final = Path(__file__).with_name("load.lua")
MISSING: Final = (
    "this needs wrk as load generator; install it (Debian, Ubuntu: apt install wrk; macOS: brew install wrk)"
)

FRESH: Final = "fresh"
"""No head comes twice, as with clients that trace."""
REPEATED: Final = "repeated"
"""64 heads in turn, as with clients that say the same each time."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw. `refused`: answers with status 400 or above; `broken`: requests without an answer."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int


def require() -> None:
    """Raises Unfit without wrk."""
    if shutil.which("wrk") is None:
        raise Unfit(MISSING)


def command(port: int, seconds: int, shape: Shape, heads: str = FRESH) -> list[str]:
    """wrk takes whole seconds only. `heads`: FRESH or REPEATED."""
    url = f"http://127.0.0.1:{port}{PATH}"
    drive = ["wrk", "-t1", f"-c{shape.connections}", f"-d{seconds}s", "-s", str(SCRIPT), url]
    return [*drive, "--", KEY, str(shape.pause_ms), heads, str(shape.body_bytes)]


def parse(output: str) -> Load:
    """From what wrk printed; load.lua ends it with a line of JSON. Raises ValueError when there is none."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise ValueError(f"wrk printed no result: {output.strip()[-500:]}")
    return Load(**json.loads(lines[-1]))
