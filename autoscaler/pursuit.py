"""Bringing one target to the newest wish: one call at a time, bounded in time, repeated with growing pauses.

Invariants: never two calls of `scale` at once for one target; a wish that comes during a call replaces the one that
waits, so only the newest is carried out; `size` is the wish under way, else what the target says, so that a decision
that is being carried out is not made again. A target that fails or hangs holds up nobody else. One that is not ours to
scale just now (`HeldBack`) ends the wish without a word. Owned and called by `AutoscalerLoop`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from autoscaler.errors import HeldBack, ScaleFailed
from autoscaler.policy import Decision
from autoscaler.ports import Key, Recorder, ScaleTarget

SCALE_TIMEOUT_S: Final = 10.0
"""How long one call may take: an API server answers in milliseconds, or it is in trouble."""

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0

Sleep = Callable[[float], Awaitable[None]]

log = logging.getLogger(__name__)


class Pursuit:
    """The wish for one target, and the task that carries it out."""

    def __init__(self, key: Key, target: ScaleTarget, recorder: Recorder, sleep: Sleep) -> None:
        self._key = key
        self._target = target
        self._recorder = recorder
        self._sleep = sleep
        self._wish: Decision | None = None
        self._task: asyncio.Task[None] | None = None
        self._call: asyncio.Task[Exception | None] | None = None

    def __repr__(self) -> str:
        wish = self._wish.desired if self._wish else None
        return f"<Pursuit {'/'.join(self._key)} current={self._target.current()} wish={wish}>"

    @property
    def size(self) -> int:
        """The size that is asked for: the wish under way, else the target's own."""
        under_way = self._task is not None and not self._task.done()
        return self._wish.desired if under_way and self._wish else self._target.current()

    def wish(self, decision: Decision, tasks: asyncio.TaskGroup) -> None:
        """Carry `decision` out, in place of any other that waits."""
        self._wish = decision
        if self._task is None or self._task.done():
            self._task = tasks.create_task(self._pursue(), name=f"scale {'/'.join(self._key)}")

    def stop(self) -> None:
        """Give up the wish, and a call under way: it does not run another line, whatever it has just heard."""
        self._wish = None
        for task in (self._call, self._task):
            if task is not None:
                task.cancel()

    async def _pursue(self) -> None:
        pause_s, said = FIRST_PAUSE_S, ""
        while (wish := self._wish) is not None:
            error = await self._bounded(wish.desired)
            if error is None or isinstance(error, HeldBack):
                pause_s, said = FIRST_PAUSE_S, ""
                if self._wish is wish:
                    self._wish = None
            else:
                self._report(wish, error, again=str(error) == said)
                said = str(error)
                await self._sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _bounded(self, replicas: int) -> Exception | None:
        """One attempt within SCALE_TIMEOUT_S of the loop's own clock; what it failed of, or None."""
        async with asyncio.TaskGroup() as attempt:
            self._call = call = attempt.create_task(self._attempt(replicas))
            limit = attempt.create_task(self._limit(call))
            await asyncio.wait({call})
            limit.cancel()
        return ScaleFailed(f"given up: no answer within {SCALE_TIMEOUT_S:g} s") if call.cancelled() else call.result()

    async def _attempt(self, replicas: int) -> Exception | None:
        try:
            await self._target.scale(replicas)
        except Exception as error:  # noqa: BLE001  whatever an adapter raises is reported and tried again
            return error
        return None

    async def _limit(self, call: asyncio.Task[Exception | None]) -> None:
        await self._sleep(SCALE_TIMEOUT_S)
        call.cancel()

    def _report(self, wish: Decision, error: Exception, *, again: bool) -> None:
        """What is repeated is logged once; where it is raised matters only when nobody meant to raise it."""
        name, level = "/".join(self._key), logging.DEBUG if again else logging.WARNING
        cause = None if isinstance(error, ScaleFailed) else error
        log.log(level, "scaling %s to %d failed: %s", name, wish.desired, error, exc_info=cause)
        try:
            self._recorder.failed(self._key, wish, error)
        except Exception:
            log.exception("a failure of %s could not be recorded", name)
