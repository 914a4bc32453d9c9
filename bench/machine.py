"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    cpu: str
    kernel: str
    python: str
    load_average: tuple[float, float, float]
    """Over 1, 5 and 15 minutes, before the first run: above 0.5 or so somebody else is at work here."""
    at: str
    """UTC."""


def describe() -> Machine:
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        cpu=cpu_model(Path("/proc/cpuinfo").read_text()),
        kernel=platform.release(),
        python=platform.python_version(),
        load_average=os.getloadavg(),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def cpu_model(cpuinfo: str) -> str:
    """The first model name in /proc/cpuinfo; Arm kernels do not give one."""
    names = (line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(names, platform.machine())
