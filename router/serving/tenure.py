"""What only the leader does: begun when this router comes to lead, called off at once when it no longer does.

Told by `router.coord.leader`; run by the composition root. A work that fails ends the router: it is a bug.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from router.discovery.race import called_off

Work = Callable[[], Coroutine[None, None, None]]


class Tenure:
    """The terms of this router, one after the other, never two at once."""

    def __init__(self, works: Sequence[Work]) -> None:
        """`works` run until cancelled, and may be begun again after that."""
        self._works = works
        self._begin = asyncio.Event()
        self._term: asyncio.Task[None] | None = None
        self._over = False

    def changed(self, leading: bool) -> None:
        """Whether this router leads from now on."""
        if leading and not self._over:
            self._begin.set()
        else:
            self._begin.clear()
            if self._term is not None:
                self._term.cancel()

    async def end(self) -> None:
        """No more terms; returns when the last one has ended."""
        self._over = True
        self.changed(False)
        if self._term is not None:
            await asyncio.wait({self._term})

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._begin.wait()
            term = self._term = asyncio.get_running_loop().create_task(self._serve(), name="term")
            try:
                await asyncio.wait({term})
            except asyncio.CancelledError:
                await called_off(term)
                raise
            if not term.cancelled():
                term.result()

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as works:
            for work in self._works:
                works.create_task(work())
