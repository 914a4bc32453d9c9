"""Marks that nobody takes back: of a leader that died between marking and shrinking, or had lost the API server.

A mark parks its pod for PARK_S; after that it means nothing to the routers, but its deletion cost still means something
to the controller. So while this router leads, each mark that has stood for longer than that is taken away. No two marks
are the same, so one that was written again is another one. Run by the composition root for each term.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from router.discovery.marks import Marker
from router.discovery.parking import PARK_S
from router.discovery.pods import PodBoard

log = logging.getLogger("maitre.discovery")

LOOK_S: Final = PARK_S + 2.0
"""From one look to the next. Whoever made the mark takes it back when it lapses, and that is to be seen here before."""


class Leftovers:
    def __init__(
        self, board: PodBoard, marker: Marker, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._board = board
        self._marker = marker
        self._sleep = sleep

    async def run(self) -> None:
        """While leading, until cancelled."""
        before: set[tuple[str, str | None]] = set()
        while True:
            marked = list(self._board.marked())
            left = [pod for pod in marked if (pod.uid, pod.mark) in before]
            if left:
                log.info("%d pods were marked to go and did not: taking the marks away", len(left))
                await asyncio.gather(*(self._marker.write(pod, None) for pod in left))
            before = {(pod.uid, pod.mark) for pod in marked}
            await self._sleep(LOOK_S)
