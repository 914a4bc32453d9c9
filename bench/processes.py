"""Servers as child processes: started on one core, asked for the CPU time of their whole tree, ended."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bench.cores import pinned

STOP_S: Final = 10.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Stat(NamedTuple):
    """A line of /proc/<pid>/stat: the parent, and user plus system time in clock ticks, without reaped children."""

    parent: int
    ticks: int


def parse_stat(line: str) -> Stat:
    """The second field, the command, may hold blanks and brackets: the others count from its last one (proc(5))."""
    fields = line.rpartition(")")[2].split()
    return Stat(parent=int(fields[1]), ticks=int(fields[11]) + int(fields[12]))


def tree(root: int, parents: Mapping[int, int]) -> set[int]:
    """`root` and all its descendants; `parents` says who started whom."""
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_seconds(root: int) -> float:
    """CPU time that a process and its living descendants have used so far."""
    stats = dict(_stats())
    members = tree(root, {pid: stat.parent for pid, stat in stats.items()})
    return sum(stats[pid].ticks for pid in members if pid in stats) / _TICKS_PER_S


def _stats() -> Iterable[tuple[int, Stat]]:
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                yield int(directory.name), parse_stat((directory / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                continue


@contextmanager
def running(
    command: Sequence[str], core: int, log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process on `core`, its standard error in `log`; ended with the block, whatever happens in it."""
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
