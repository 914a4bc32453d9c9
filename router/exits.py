"""Learns on the event loop that a child process, a replica or a worker, ended, and says how.

The loop's own subprocesses are not used: under uvloop a child keeps copies of the descriptors that it was given
(https://github.com/MagicStack/uvloop, `_file_redirect_stdio`), so a replica would hold the warden's pipe open for as
long as it lives. `subprocess.Popen` passes exactly what it is told to, and starts by vfork, whatever our own size.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import Final

POLL_S: Final = 0.05


def watch_exit(process: subprocess.Popen[bytes]) -> asyncio.Future[int]:
    """Resolves to the return code, negative for a signal, once the process has ended and was reaped.

    At once where the system has pidfds (Linux 5.3), else within 50 ms.
    """
    exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    pidfd = _pidfd(process.pid)
    if pidfd is None:
        _poll(process, exited)
    else:
        _watch(pidfd, process, exited)
    return exited


def how_it_ended(status: int) -> str:
    """A return code in words, for the log."""
    return f"exited with status {status}" if status >= 0 else f"was killed by {_signal_name(-status)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _pidfd(pid: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # an older kernel, a sandbox, or no descriptor left: polling needs none of that
        return None


def _watch(pidfd: int, process: subprocess.Popen[bytes], exited: asyncio.Future[int]) -> None:
    loop = exited.get_loop()

    def ended() -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        _resolve(process.wait(), exited)

    loop.add_reader(pidfd, ended)


def _poll(process: subprocess.Popen[bytes], exited: asyncio.Future[int]) -> None:
    status = process.poll()
    if status is None:
        exited.get_loop().call_later(POLL_S, _poll, process, exited)
    else:
        _resolve(status, exited)


def _resolve(status: int, exited: asyncio.Future[int]) -> None:
    if not exited.done():  # cancelled, by a loop that is being torn down
        exited.set_result(status)
