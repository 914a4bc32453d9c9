"""How much a process has grown at its highest since it was first looked at."""

import re
from pathlib import Path


class Memory:
    """Of one process: resident bytes, from /proc (Linux)."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # VmHWM begins anew (proc_pid_clear_refs(5))
        self._before = self._read("VmRSS")

    def grown(self) -> int:
        return self._read("VmHWM") - self._before

    def _read(self, name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+) kB", self._status.read_text())
        assert found
        return int(found[1]) * 1024
