"""The cores that this process may use: those it may run on, and no more than its control groups let it have.

A container's quota does not show in the number of CPUs. Who starts as many workers as the machine has cores, while a
quota allows two of them, is throttled: all its workers stand still for the rest of each period, with every request that
they have. Read once a second at most, by whoever sizes the crew: a quota may change while the process runs.

A quota holds for a group and all below it, so the smallest on the way up counts. In a container the group is the root
of what can be seen. Version 2 has it in `cpu.max` (https://docs.kernel.org/admin-guide/cgroup-v2.html, "CPU Interface
Files"), version 1 in `cpu.cfs_quota_us` and `cpu.cfs_period_us` (https://docs.kernel.org/scheduler/sched-bwc.html).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import inf
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path("/")
_MOUNT: Final = PurePosixPath("sys/fs/cgroup")


def usable_cores(root: Path = ROOT) -> float:
    """Above 0; not a whole number where a quota says so. `root` is where /proc and /sys are found, for tests."""
    return min(float(runnable_cores()), quota(root))


def runnable_cores() -> int:
    """CPUs that this process may be put on (taskset, cpusets)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota(root: Path = ROOT) -> float:
    """Cores that the control groups of this process let it use on average; infinity where none says anything."""
    return min(_quotas(root), default=inf)


def _quotas(root: Path) -> Iterator[float]:
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, controllers, group = line.split(":", 2)
        if number == "0" and not controllers:
            for folder in _upwards(root / _MOUNT, group):
                yield from _quota(*_read(folder / "cpu.max").split())
        elif "cpu" in controllers.split(","):
            for mount in {controllers, "cpu"}:  # the latter a link, where several are mounted together
                for folder in _upwards(root / _MOUNT / mount, group):
                    yield from _quota(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _upwards(mount: Path, group: str) -> Iterator[Path]:
    """The folder of a group and those above it. A group outside of what is mounted here has none of its own: what is
    mounted is then the container's."""
    inside = PurePosixPath(group.lstrip("/"))
    if ".." not in inside.parts:
        for each in (inside, *inside.parents):
            if each.parts:
                yield mount / each
    yield mount


def _quota(*quota_and_period: str) -> Iterator[float]:
    """`max` and -1 are none; so is a file that is not there."""
    if len(quota_and_period) == 2 and all(each.strip().isdecimal() for each in quota_and_period):
        allowed, period = map(int, quota_and_period)
        if allowed and period:
            yield allowed / period


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:
        return ""
