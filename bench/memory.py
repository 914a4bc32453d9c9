"""How much memory a process and its descendants hold, from /proc/<pid>/smaps_rollup."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.processes import family

_LINE: Final = re.compile(r"^(\w+): +(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. `rss`: resident; `pss`: shared pages divided among who shares them; `uss`: its own pages alone."""

    rss: int
    pss: int
    uss: int

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.rss + other.rss, self.pss + other.pss, self.uss + other.uss)

    def __sub__(self, other: Memory) -> Memory:
        return Memory(self.rss - other.rss, self.pss - other.pss, self.uss - other.uss)


def parse(rollup: str) -> Memory:
    """Of one process. The kernel's own memory for its sockets is not in there. Raises KeyError for another text."""
    kilobytes = {name: int(size) for name, size in _LINE.findall(rollup)}
    private = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return Memory(rss=1024 * kilobytes["Rss"], pss=1024 * kilobytes["Pss"], uss=1024 * private)


def memory(root: int) -> Memory:
    """Of a process and its living descendants."""
    total = Memory(0, 0, 0)
    for pid in family(root):
        total += parse(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return total
