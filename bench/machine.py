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

    @property
    def stem(self) -> str:
        """The time, as a part of a file's name."""
        return self.at.replace(":", "").replace("+0000", "Z")

    def __str__(self) -> str:
        load = " ".join(f"{value:.2f}" for value in self.load_average)
        return f"{self.cores} cores, {self.cpu}, Linux {self.kernel}, Python {self.python}, load average {load}"


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
