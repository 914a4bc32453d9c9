"""Servers as child processes: started on one core, asked for the CPU time of their whole tree, ended."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bench.cores import pinned

STOP_S: Final = 10.0
_CPUCLOCK_SCHED: Final = 2


def parent(line: str) -> int:
    """From a line of /proc/<pid>/stat. Its second field, the command, may hold blanks and brackets (proc(5))."""
    return int(line.rpartition(")")[2].split()[1])


def cpu_clock(pid: int) -> int:
    """The clock of a process's CPU time, as clock_getcpuclockid(3) makes it: of all its threads, also those that ended.

    It counts nanoseconds; the ticks of /proc/<pid>/stat are 10 ms, too coarse for a run of a second.
    """
    return ~pid << 3 | _CPUCLOCK_SCHED


def tree(root: int, parents: Mapping[int, int]) -> set[int]:
    """`root` and all its descendants; `parents` says who started whom."""
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def family(root: int) -> set[int]:
    """A process and its living descendants."""
    return tree(root, dict(_parents()))


def cpu_seconds(root: int) -> float:
    """CPU time that a process and its living descendants have used so far, user and system."""
    total = 0
    for pid in family(root):
        with suppress(OSError):  # it ended meanwhile
            total += time.clock_gettime_ns(cpu_clock(pid))
    return total / 1e9


def _parents() -> Iterable[tuple[int, int]]:
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                yield int(directory.name), parent((directory / "stat").read_text())


@contextmanager
def running(
    command: Sequence[str],
    core: int | None,
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A process on `core` or on any, its standard error in `log`; ended with the block, whatever happens in it."""
    with log.open("w") as errors, pinned(core):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=cwd, env=env)
    with process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
