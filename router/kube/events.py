"""Kubernetes Events: what was decided or found, told where `kubectl describe` and `kubectl get events` show it.

Telling never waits and never fails: Events go into a bounded queue that one task empties; what does not fit, or is not
taken by the API server, is counted and dropped, since the log says the same. While this router does not lead nothing
is told: all routers see the same, and one voice is enough. Used by `router.serving`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from lightkube import AsyncClient
from lightkube.models.core_v1 import EventSource, ObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Event

from router.kube.client import CALL_FAILED
from router.kube.writes import Writes

QUEUE: Final = 1000
MAX_MESSAGE: Final = 1024
"""Characters, as the API has it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that Events are about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth telling. `reason` is a word in CamelCase."""

    subject: Subject
    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"


class EventTeller:
    """Writes notices as Events, in order, one at a time."""

    def __init__(
        self,
        client: AsyncClient,
        instance: str,
        *,
        writes: Writes,
        leading: Callable[[], bool],
        wall: Callable[[], datetime],
        draw: Callable[[int], int],
    ) -> None:
        """`instance` is the name of this router; `draw(n)` gives n random bits."""
        self._client = client
        self._instance = instance
        self._writes = writes
        self._leading = leading
        self._wall = wall
        self._draw = draw
        self._queue: deque[tuple[Notice, datetime]] = deque()
        self._more = asyncio.Event()
        self.dropped = 0
        """Since the start."""

    def tell(self, notice: Notice) -> None:
        """Write it soon, if this router leads."""
        if not self._leading():
            return
        if len(self._queue) == QUEUE:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append((notice, self._wall()))
        self._more.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            while self._queue:
                await self._write(*self._queue.popleft())
            self._more.clear()
            await self._more.wait()

    async def _write(self, notice: Notice, at: datetime) -> None:
        subject = f"events in namespace {notice.subject.namespace}"
        try:
            await self._client.create(self._event(notice, at))
        except CALL_FAILED as error:
            self.dropped += 1
            self._writes.failed(subject, error)
        else:
            self._writes.made(subject)

    def _event(self, notice: Notice, at: datetime) -> Event:
        subject, moment = notice.subject, at.astimezone(UTC)
        return Event(
            metadata=ObjectMeta(name=f"{subject.name}.{self._draw(64):016x}", namespace=subject.namespace),
            involvedObject=ObjectReference(
                apiVersion=subject.api_version,
                kind=subject.kind,
                namespace=subject.namespace,
                name=subject.name,
                uid=subject.uid,
            ),
            reason=notice.reason,
            message=notice.message[:MAX_MESSAGE],
            type=notice.type,
            source=EventSource(component="maitre", host=self._instance),
            firstTimestamp=moment,
            lastTimestamp=moment,
            count=1,
            reportingComponent="maitre",
            reportingInstance=self._instance,
        )
