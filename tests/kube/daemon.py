"""A program that runs beside the tests, and never longer: killed with the process that started it, whatever ends that.

Start it from the main thread: the kernel's signal comes when the starting *thread* ends.
"""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from tests.fakes.changes import BOUND_S

TETHER = ("setpriv", "--pdeathsig", "KILL", "--")


class Daemon:
    """Started, killed and started again with the same command; its output is appended to one file."""

    def __init__(self, command: list[str], output: Path) -> None:
        self.name = Path(command[0]).name
        self._command = command
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        assert not self.running, f"{self.name} runs already"
        with self._output.open("ab") as output:
            # a group of its own: Ctrl-C is for the tests, which then end it in order
            self._process = subprocess.Popen(
                [*TETHER, *self._command], stdout=output, stderr=output, stdin=subprocess.DEVNULL, process_group=0
            )

    async def kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        async with asyncio.timeout(BOUND_S):
            while self._process.poll() is None:
                await asyncio.sleep(0.005)

    def pause(self) -> None:
        """It hangs from here on: connections stand, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def last_words(self, lines: int = 20) -> str:
        return "\n".join(self._output.read_text(errors="replace").splitlines()[-lines:])
