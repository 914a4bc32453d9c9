"""Finds the workers that an earlier control process left behind, and takes them over.

When a control process dies its workers go on serving with what they have. The next one knocks at each door of its
instance (see `door`): dead ones are removed, orphans handed over. What an orphan may be using is known only once it
has said so; who is claimed must therefore be adopted (`Supervisor.adopt`) before slots are given to anybody else.

A worker that does not answer may still be at work for its clients, so it is killed, and waited for.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from router.workers.channel import Channel
from router.workers.door import address, doors, own_folder
from router.workers.messages import HandedOver, Handover
from router.workers.process import Stranger

log = logging.getLogger("maitre.workers")

ANSWER_S: Final = 3.0
"""How long a worker may take to answer; as long as one may be silent anyway."""


class Orphan:
    """A worker that is being claimed, or was. `process` is known to be the one that listens behind the door."""

    def __init__(self, process: Stranger, connected: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self.process = process
        self.claimed: asyncio.Future[bool] = self._loop.create_future()
        """Resolves to whether it is ours; False also if it died first."""
        self.lost = False
        """Whether its channel has ended."""
        self._early: list[object] = []
        self.channel = Channel(self._loop, connected, self._received, self._gone)
        self.channel.send(Handover(os.getpid()))

    @property
    def pid(self) -> int:
        return self.process.pid

    def attach(self, received: Callable[[object], None], lost: Callable[[], None]) -> Channel:
        """Who takes its messages from the next turn of the loop on, those that came before among them; once."""
        self._loop.call_soon(self._hand_on, received, lost)
        return self.channel

    def leave(self) -> None:
        """It is none of ours after all."""
        self.channel.close()
        self.process.forget()

    def _received(self, message: object) -> None:
        if not self.claimed.done():
            self.claimed.set_result(isinstance(message, HandedOver))
        else:
            self._early.append(message)

    def _gone(self) -> None:
        self.lost = True
        if not self.claimed.done():
            self.claimed.set_result(False)

    def _hand_on(self, received: Callable[[object], None], lost: Callable[[], None]) -> None:
        self.channel.received, self.channel.lost = received, lost
        for message in self._early:
            received(message)
        if self.lost:
            lost()


async def claim_orphans(directory: Path, instance: str, *, answer_s: float = ANSWER_S) -> list[Orphan]:
    """Those of this instance whose control process is gone. Takes as long as the slowest answer, and then its end.

    Where the folder cannot be used there are none: no worker could have opened a door in it.
    """
    try:
        with own_folder(directory) as folder:
            knocked = [_knock(folder, directory / name, pid) for pid, name in doors(folder, instance).items()]
    except OSError as error:
        log.warning("cannot look for workers left behind", extra={"fields": {"reason": str(error)}})
        return []
    answers = await asyncio.gather(*(_answer(orphan, answer_s) for orphan in knocked if orphan is not None))
    return [orphan for orphan in answers if orphan is not None]


def may_have_orphans(directory: Path, instance: str) -> bool:
    """Whether there are doors to knock at."""
    try:
        with own_folder(directory) as folder:
            return bool(doors(folder, instance))
    except OSError:
        return False


def _knock(folder: int, door: Path, pid: int) -> Orphan | None:
    """None, and the door is removed, if nobody is behind it.

    The handle on the process is made before the connection: who lives after that with the door's number is its owner.
    """
    try:
        process = Stranger(pid)
    except (ProcessLookupError, PermissionError):  # nobody, or a stranger who has got the number
        door.unlink(missing_ok=True)
        return None
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connecting.setblocking(False)  # it is there at once, or its queue is full, and it does not take anybody in
    try:
        connecting.connect(address(folder, door))
    except OSError as error:
        connecting.close()
        process.forget()
        if isinstance(error, ConnectionRefusedError | FileNotFoundError):
            door.unlink(missing_ok=True)
        else:
            log.warning("cannot ask a worker left behind", extra={"fields": {"pid": pid, "reason": str(error)}})
        return None
    return Orphan(process, connecting)


async def _answer(orphan: Orphan, answer_s: float) -> Orphan | None:
    await asyncio.wait({orphan.claimed}, timeout=answer_s)
    if not orphan.claimed.done():
        log.error("a worker left behind does not answer; killing it", extra={"fields": {"pid": orphan.pid}})
        orphan.process.kill()
        await orphan.process.ended
    if orphan.claimed.done() and orphan.claimed.result():
        log.info("worker adopted", extra={"fields": {"pid": orphan.pid}})
        return orphan
    if orphan.lost:
        await orphan.process.ended
    orphan.leave()
    return None
