"""The load generator: wrk with one thread, how hard it drives, and what it counted."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.work import CONNECTIONS, KEY, PATH

SCRIPT: Final = Path(__file__).with_name("load.lua")
MISSING: Final = (
    "bench needs wrk as load generator; install it (Debian, Ubuntu: apt install wrk; macOS: brew install wrk)"
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


@dataclass(frozen=True, slots=True)
class Shape:
    """How hard the load generator drives. `pause_ms`: what each connection rests before a request, in the mean."""

    name: str
    pause_ms: int


STEADY: Final = Shape("steady", pause_ms=6)
"""32 connections that rest 0 to 12 ms: about 5,000 requests/s of all who keep up, which is azureml-fe's figure."""
FULL: Final = Shape("full", pause_ms=0)
"""As fast as answers come."""
SHAPES: Final = (STEADY, FULL)


def available() -> bool:
    return shutil.which("wrk") is not None


def command(port: int, seconds: int, shape: Shape, heads: str = FRESH) -> list[str]:
    """wrk takes whole seconds only. `heads`: FRESH or REPEATED."""
    url = f"http://127.0.0.1:{port}{PATH}"
    return [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "-s",
        str(SCRIPT),
        url,
        "--",
        KEY,
        str(shape.pause_ms),
        heads,
    ]


def parse(output: str) -> Load:
    """From what wrk printed; load.lua ends it with a line of JSON. Raises ValueError when there is none."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise ValueError(f"wrk printed no result: {output.strip()[-500:]}")
    return Load(**json.loads(lines[-1]))
