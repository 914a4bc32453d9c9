"""Reads the scales that are due: a few at a time, one at a time of each workload, again later where it failed.

Whatever happens to thousands of workloads at once (a start, the return of the API server), it is asked AT_ONCE things
at most. Made by `workloads`.
"""

from __future__ import annotations

import asyncio
from typing import Final

from router.discovery.following import Following
from router.discovery.workload import Workload

AT_ONCE: Final = 16
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0


class Readings:
    def __init__(self, following: Following) -> None:
        self._tasks: asyncio.TaskGroup | None = None
        self._following = following
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._under_way: dict[Workload, asyncio.Task[None]] = {}

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Readings are tasks of this group; before there is one, nothing becomes stale."""
        self._tasks = tasks

    def due(self, workload: Workload) -> None:
        """Have it read until it is not stale any more; cheap to call again."""
        if workload not in self._under_way and self._tasks is not None:
            reading = self._read(workload)
            self._under_way[workload] = self._tasks.create_task(reading, name=f"read the scale of {workload}")

    def forget(self, workload: Workload) -> None:
        """It is to be read no more."""
        if reading := self._under_way.pop(workload, None):
            reading.cancel()

    async def _read(self, workload: Workload) -> None:
        pause_s = FIRST_PAUSE_S
        while workload.stale:
            async with self._at_once:
                went_well = await workload.read()
            if not went_well:
                await self._following.pause(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        del self._under_way[workload]  # in the same turn as the look at `stale`: what comes later is a new reading

    def __repr__(self) -> str:
        return f"<Readings under_way={len(self._under_way)}>"
