"""The folder in which workers are found by a control process that did not start them, and the worker's door in it.

A door is a Unix socket, `<state_dir>/workers/<instance>-<pid>.sock`. Only this user can reach it: the folder has mode
0700, and one that belongs to somebody else is not used. A Unix socket's address holds 108 bytes (unix(7)), a path may
be longer: so folders are opened, and addressed through /proc/self/fd.

`Door` is made by the composition root of a worker; `orphans` knocks.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from router.workers.channel import Channel
from router.workers.messages import HandedOver, Handover, NotOrphaned

log = logging.getLogger("maitre.workers")

LONGEST_ADDRESS: Final = 103
"""Bytes of a Unix socket's address on every system; Linux takes some more."""


class Door:
    """Through which an orphan is found. `orphaned()` says whether this worker is one, and nobody has claimed it yet.

    `taken_over(channel)` gets the channel to the control process that claims it; it sets who receives on it and who
    hears of its end, and says first what its new owner must know: what the worker may be using.
    """

    def __init__(
        self,
        directory: Path,
        instance: str,
        *,
        orphaned: Callable[[], bool],
        taken_over: Callable[[Channel], None],
    ) -> None:
        self.path = directory / door_name(instance, os.getpid())
        self._orphaned = orphaned
        self._taken_over = taken_over
        self._loop = asyncio.get_running_loop()
        self._listening: socket.socket | None = None
        self._visitors: set[Channel] = set()

    def open(self) -> None:
        """Where there can be no door a warning is logged: a crash of the control process then ends this worker's
        chance to be found, and nothing else."""
        try:
            self._listening = _listen(self.path)
        except OSError as error:
            fields = {"door": str(self.path), "reason": str(error)}
            log.warning("this worker cannot be adopted if its control process dies", extra={"fields": fields})
            return
        self._loop.add_reader(self._listening.fileno(), self._let_in)

    def close(self) -> None:
        """Nobody gets in any more. Whoever has taken this worker over keeps the channel."""
        if self._listening is None:
            return
        self._loop.remove_reader(self._listening.fileno())
        self._listening.close()
        self._listening = None
        self.path.unlink(missing_ok=True)
        for visitor in self._visitors:
            visitor.close()
        self._visitors.clear()

    def _let_in(self) -> None:
        assert self._listening is not None  # noqa: S101  the reader is removed before it is closed
        try:
            connected, _ = self._listening.accept()
        except OSError:  # who knocked has left again
            return
        visitor = Channel(self._loop, connected, lambda _: None, lambda: None)
        visitor.received = partial(self._asked, visitor)
        visitor.lost = partial(self._visitors.discard, visitor)
        self._visitors.add(visitor)

    def _asked(self, visitor: Channel, message: object) -> None:
        if not isinstance(message, Handover) or not self._orphaned():
            visitor.send(NotOrphaned())
            return
        log.info("this worker was adopted", extra={"fields": {"control_process": message.claimant}})
        self._visitors.discard(visitor)
        visitor.send(HandedOver())
        self._taken_over(visitor)


def door_name(instance: str, pid: int) -> str:
    """The name of a worker's door; `instance` may hold any characters."""
    return f"{_digest(instance)}-{pid}.sock"


def doors(folder: int, instance: str) -> dict[int, str]:
    """The doors of an instance in an open folder: the worker's process id, and the name."""
    pattern = re.compile(rf"{_digest(instance)}-(\d+)\.sock")
    return {int(match[1]): match[0] for name in os.listdir(folder) if (match := pattern.fullmatch(name))}


@contextmanager
def own_folder(directory: Path) -> Iterator[int]:
    """Opens the folder, made if it is not there, for this user alone; OSError if it belongs to another one."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if os.fstat(folder).st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "the folder belongs to another user", str(directory))
        os.fchmod(folder, 0o700)
        yield folder
    finally:
        os.close(folder)


def address(folder: int, path: Path) -> str:
    """What to bind or connect to for a socket in an open folder; OSError if the system has no address for it."""
    if Path(f"/proc/self/fd/{folder}").exists():
        return f"/proc/self/fd/{folder}/{path.name}"
    if len(os.fsencode(path)) > LONGEST_ADDRESS:
        raise OSError(errno.ENAMETOOLONG, "too long for the address of a Unix socket", str(path))
    return str(path)


def _listen(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with own_folder(path.parent) as folder:
            path.unlink(missing_ok=True)  # of a worker that died, and whose number is ours now
            listening.bind(address(folder, path))
            path.chmod(0o600)
        listening.listen()
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _digest(instance: str) -> str:
    return hashlib.sha256(instance.encode()).hexdigest()[:16]
