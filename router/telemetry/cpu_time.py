"""The CPU time that this process wanted: what it used, and what its main thread waited for because others had the core.

On a crowded machine a worker that never rests may use a third of a core. Judged by what it uses it would seem idle.
Called by `turns`, about once a second.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

SCHEDSTAT: Final = Path("/proc/self/schedstat")
"""Of the main thread: nanoseconds on a CPU, nanoseconds runnable and waiting for one, and how often
(https://docs.kernel.org/scheduler/sched-stats.html). Not on every system."""


def wanted_cpu_s(schedstat: Path = SCHEDSTAT) -> float:
    """Seconds since the process began. Where nobody tells the waiting, what was used."""
    return time.process_time() + _waited_s(schedstat)


def _waited_s(schedstat: Path) -> float:
    try:
        return int(schedstat.read_text("ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
