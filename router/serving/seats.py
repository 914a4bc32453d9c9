"""The roster of one version: discovery says which replicas are ready, admission gives out their slots.

The only place where a replica becomes an `Upstream`, and where waiting requests learn that one came. Implements
`router.discovery.roster.Roster`; everything runs on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from router.core.admission import Admission
from router.proxy.grants import Waiter, perform
from router.proxy.upstream import ReplicaTls, Upstream


class Seats:
    def __init__(
        self, admission: Admission[Waiter, Upstream], loop: asyncio.AbstractEventLoop, now: Callable[[], float]
    ) -> None:
        self._admission = admission
        self._loop = loop
        self._now = now
        self._leaving: dict[str, asyncio.Event] = {}
        self._coming = False
        self._on_demand = False

    def add(self, replica: str, host: str, port: int, tls: ReplicaTls | None) -> None:
        now = self._now()
        perform(self._admission.add_replica(replica, Upstream(self._loop, host, port, tls), now), now)

    def retire(self, replica: str) -> None:
        retired = self._admission.retire_replica(replica, emptied=lambda: self._left(replica))
        if retired is None:
            return
        retired.upstream.close()
        if retired.held:
            self._leaving[replica] = asyncio.Event()
        now = self._now()
        perform(self._admission.readmit_all_if_none(now), now)

    def held(self, replica: str) -> int:
        found = self._admission.replica(replica)
        return found.held if found else 0

    async def emptied(self, replica: str) -> None:
        left = self._leaving.get(replica)
        if left is not None:
            await left.wait()

    def _left(self, replica: str) -> None:
        left = self._leaving.pop(replica, None)
        if left is not None:
            left.set()

    def expect(self, coming: bool) -> None:
        self._coming = coming
        self._admission.expecting = self._coming or self._on_demand

    def start_on_demand(self, possible: bool) -> None:
        """Whether a request that waits brings a replica up by itself: scale from zero."""
        self._on_demand = possible
        self._admission.expecting = self._coming or self._on_demand
