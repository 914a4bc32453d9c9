"""The process of a worker: one that this process started, or one that another control process left behind.

Used by `worker`. Nothing here is ever sent to a number that may have gone to somebody else: a child keeps its number
until it is reaped, and of others the system keeps a handle (pidfd_open(2)), where there are such.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Final, Protocol

from router.exits import how_it_ended, watch_exit

POLL_S: Final = 0.05


class Process(Protocol):
    """One process, until it has ended and after."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def ended(self) -> asyncio.Future[str]:
        """Resolves to how it ended, in words, once it is certain that nothing of it runs."""

    def kill(self) -> None:
        """SIGKILL, also to one that is stopped; nothing if it has ended."""


class Child:
    """A process that was started here, and is reaped here."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self.pid = popen.pid
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._popen = popen
        self._reaped = watch_exit(popen)
        self._reaped.add_done_callback(self._tell)

    def kill(self) -> None:
        self._popen.kill()

    def _tell(self, reaped: asyncio.Future[int]) -> None:
        if not reaped.cancelled():
            _resolve(self.ended, how_it_ended(reaped.result()))


class Stranger:
    """A process that somebody else started. ProcessLookupError if there is none of that number now."""

    def __init__(self, pid: int) -> None:
        os.kill(pid, 0)
        self.pid = pid
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._handle = _handle(pid)
        if self._handle is None:
            self._poll()
        else:
            self.ended.get_loop().add_reader(self._handle, self._gone)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            elif not self.ended.done():
                os.kill(self.pid, signal.SIGKILL)

    def forget(self) -> None:
        """It is of no interest any more; `ended` never resolves."""
        self.ended.cancel()
        if self._handle is not None:
            handle, self._handle = self._handle, None
            self.ended.get_loop().remove_reader(handle)
            os.close(handle)

    def _gone(self) -> None:
        ended = self.ended
        if self._handle is not None:
            handle, self._handle = self._handle, None
            ended.get_loop().remove_reader(handle)
            os.close(handle)
        _resolve(ended, "ended")

    def _poll(self) -> None:
        if self.ended.done():
            return
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            _resolve(self.ended, "ended")
        else:
            self.ended.get_loop().call_later(POLL_S, self._poll)


def _handle(pid: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:  # an older kernel, a sandbox, or no descriptor left
        return None


def _resolve(ended: asyncio.Future[str], how: str) -> None:
    if not ended.done():
        ended.set_result(how)
