"""Sees to it that no replica outlives maitre, however maitre ends. One per control process.

A small helper process (`warden_process`) reads a pipe and learns from it which process groups are alive. When maitre
ends, even by kill -9, the pipe ends, and the helper ends the groups.

- The pipe is the same for all of maitre's life, both ends stay open here, and a helper that dies is replaced: so a
  line written while there is none waits for the next, which is told all living groups as its arguments.
- A replica registers itself before it becomes the user's command (see `process`), and holds the pipe open until it has
  done so: the pipe cannot end between the start of a replica and its registration.
- Workers hold it open too: they go on when the control process dies, and so must their replicas. They inherit
  `lifeline` and keep it for as long as they live.
- Nobody else may hold the writing end. It is not inherited across exec; a child of maitre that forks without exec
  must be started before the warden, or close `entry`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from router.discovery.race import first_of
from router.errors import ReplicaFailed
from router.exits import watch_exit

log = logging.getLogger("maitre.discovery")

HELPER: Final = Path(__file__).with_name("warden_process.py")
RESTART_PAUSE_S: Final = 0.1
CLOSE_S: Final = 5.0  # the helper's own grace is 2 s


class Warden:
    """Start it before the first replica, and close it after the last."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._helper: subprocess.Popen[bytes] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    @property
    def entry(self) -> int:
        """The writing end, for a starting replica to register through."""
        return self._writing

    @property
    def lifeline(self) -> int:
        """For a worker to inherit and never to touch: no replica is ended while anybody holds it open."""
        return self._writing

    @property
    def pid(self) -> int | None:
        """Of the helper; None when it was never started."""
        return self._helper.pid if self._helper else None

    async def start(self) -> None:
        """ReplicaFailed when the helper cannot be started: then no replica should be, either."""
        try:
            exited = self._start_helper()
        except OSError as error:
            raise ReplicaFailed(f"cannot start the warden that ends replicas when maitre dies: {error}") from error
        self._keeping = asyncio.get_running_loop().create_task(self._keep(exited), name="warden")

    def watch(self, group: int) -> None:
        """A process group lives from now on."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def unwatch(self, group: int) -> None:
        """Nobody of the group is left; its number may go to strangers."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    async def close(self) -> None:
        """Ends what is still watched, as if maitre were gone, and the helper. Workers must have ended before."""
        self._closing.set()
        os.close(self._writing)
        if self._keeping is not None:
            await self._keeping
        os.close(self._reading)

    def _start_helper(self) -> asyncio.Future[int]:
        # -I and -S: no site, no environment, nothing from the current directory. Standard error stays maitre's.
        command = [sys.executable, "-I", "-S", str(HELPER), *map(str, sorted(self._groups))]
        self._helper = subprocess.Popen(
            command, stdin=self._reading, stdout=subprocess.DEVNULL, start_new_session=True, cwd="/"
        )
        log.info("warden %d watches %d replicas", self._helper.pid, len(self._groups))
        return watch_exit(self._helper)

    async def _keep(self, exited: asyncio.Future[int]) -> None:
        closing = asyncio.get_running_loop().create_task(self._closing.wait(), name="warden closing")
        while not closing.done():
            await first_of(exited, closing)
            if not closing.done():
                log.error("the warden died (status %s); starting another", exited.result())
                exited = await self._restart(exited)
        await self._see_off(exited)

    async def _restart(self, exited: asyncio.Future[int]) -> asyncio.Future[int]:
        try:
            return self._start_helper()
        except OSError as error:
            log.error("cannot start another warden: %s; replicas would outlive a crash of maitre", error)
        await asyncio.sleep(RESTART_PAUSE_S)
        return exited  # still done: `_keep` comes back here

    async def _see_off(self, exited: asyncio.Future[int]) -> None:
        await asyncio.wait({exited}, timeout=CLOSE_S)
        if not exited.done():
            log.error("the warden does not end; killing it")
            self._kill_helper()
            await exited

    def _tell(self, line: str) -> None:
        try:
            os.write(self._writing, line.encode())
        except BlockingIOError:
            # 64 KiB unread: the helper hangs. The next one is told all groups, and reads what waits in the pipe.
            log.error("the warden does not read; replacing it")
            self._kill_helper()

    def _kill_helper(self) -> None:
        if self._helper is not None and self._helper.returncode is None:
            self._helper.send_signal(signal.SIGKILL)

    def __repr__(self) -> str:
        return f"<Warden pid={self.pid} groups={sorted(self._groups)}>"
