"""One process of a replica with its process group: started, read, ended. Used by `keeper`.

The command does not start at once: a shell line registers the process with the warden and then becomes the command.
Its standard input is the warden's pipe until then, so there is no moment in which maitre may die, the process lives,
and the warden, which sees the end of the pipe only after that line, does not know of it. The alternative, a Python
function between fork and exec, is unsafe with threads and rules out vfork.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import subprocess
from collections import deque
from collections.abc import Callable
from typing import Final

from router.discovery.output import OutputPipe
from router.discovery.program import Program
from router.discovery.warden import Warden
from router.errors import ReplicaFailed
from router.exits import how_it_ended, watch_exit

log = logging.getLogger("maitre.discovery")

REGISTER_THEN_BECOME: Final = 'echo "+$$" >&0 && exec "$@" </dev/null'
SHELL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
GROUP_POLL_S: Final = 0.02
KILL_S: Final = 5.0  # a process that survives SIGKILL for so long hangs in the kernel
TAIL_LINES: Final = 10


class ReplicaProcess:
    """Lives from the constructor until `end` returns. ReplicaFailed when the system cannot start it."""

    def __init__(
        self, program: Program, replica: str, port: int, *, warden: Warden, line: Callable[[str], None]
    ) -> None:
        self._label = f"{program.label}/{replica}"
        self._grace_s = program.grace_s
        self._warden = warden
        self._line = line
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        popen = _start(program, replica, port, warden.entry)
        assert popen.stdout is not None  # noqa: S101 - asked for with PIPE
        self.group = popen.pid  # setsid made it the leader of a group of that number
        warden.watch(self.group)
        self._output = OutputPipe(popen.stdout, self._printed)
        self.exited = watch_exit(popen)

    @property
    def tail(self) -> str:
        """The last lines that it printed, for the log."""
        return "".join(f"\n    {line}" for line in self._tail)

    async def end(self) -> None:
        """SIGTERM to the whole group, SIGKILL to what is left after the grace; at once when nobody is left."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._grace_s
        self._signal(signal.SIGTERM)
        await asyncio.wait({self.exited}, timeout=self._grace_s)
        while self._group_lives():
            if loop.time() >= deadline:
                await self._kill()
                break
            await asyncio.sleep(GROUP_POLL_S)
        self._warden.unwatch(self.group)
        self._output.close()

    def how_it_ended(self) -> str:
        """For the log, once it has exited."""
        return how_it_ended(self.exited.result())

    async def _kill(self) -> None:
        log.warning("%s did not end within %g s of SIGTERM; killing it", self._label, self._grace_s)
        self._signal(signal.SIGKILL)
        await asyncio.wait({self.exited}, timeout=KILL_S)
        if not self.exited.done():
            log.error("%s: process %d does not end, even by SIGKILL", self._label, self.group)

    def _signal(self, number: int) -> bool:
        """Whether anybody of the group was there to get it.

        The kernel does not give the number to a new process while a member lives, and goes round all others first.
        """
        try:
            os.killpg(self.group, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            log.error("%s: process group %d belongs to another user", self._label, self.group)
            return False
        return True

    def _group_lives(self) -> bool:
        return self._signal(0)

    def _printed(self, line: str) -> None:
        self._tail.append(line)
        self._line(line)


def _start(program: Program, replica: str, port: int, entry: int) -> subprocess.Popen[bytes]:
    arguments = program.arguments(port)
    environment = program.environment(replica, port, os.environ)
    # Shells drop variables whose names they cannot use (`spring.profiles.active`); `env` puts them back.
    unusual = [f"{name}={value}" for name, value in environment.items() if not SHELL_NAME.fullmatch(name)]
    wrapper = ["env", *unusual] if unusual else []
    try:
        return subprocess.Popen(
            ["/bin/sh", "-c", REGISTER_THEN_BECOME, "maitre", *wrapper, *arguments],
            stdin=entry,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            cwd=program.directory,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise ReplicaFailed(f"{program.label}: cannot start {program.command[0]!r}: {error}") from error
