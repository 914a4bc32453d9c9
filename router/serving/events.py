"""What happened lately, for who follows the events of the admin API: the last KEPT, and whoever listens.

Implements the admin API's `EventFeed` and the port `Happened`, by which those who decide, configure and eject tell.
Numbers begin at the time of the start, in milliseconds, so that who comes back after a restart has seen none of these.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from router.admin.ports import Event
from router.model.spec import EndpointKey
from router.serving.reader import Reader

KEPT: Final = 1000
ROOM: Final = 1000
"""How many events a reader may be behind."""


def _now() -> datetime:
    return datetime.now(UTC)


class EventRing:
    def __init__(self, now: Callable[[], datetime] = _now, kept: int = KEPT, room: int = ROOM) -> None:
        self._now = now
        self._room = room
        self._last = int(now().timestamp() * 1000)
        self._events: deque[Event] = deque(maxlen=kept)
        self._readers: set[Reader[Event]] = set()
        self._over = False

    def happened(self, type: str, endpoint: EndpointKey | None, /, **data: Any) -> None:
        """`endpoint` None: it is about none, or about all."""
        about = {} if endpoint is None else {"endpoint": endpoint[1], "namespace": endpoint[0]}
        self._last += 1
        event = Event(self._last, type, {"type": type, "at": self._now().isoformat(), **about, **data})
        self._events.append(event)
        for reader in tuple(self._readers):
            reader.put(event)

    def subscribe(self, after: int | None) -> Reader[Event]:
        missed = [event for event in self._events if after is not None and event.number > after]
        reader = Reader(self._room, self._readers.discard, missed)
        if self._over:
            reader.close()
        else:
            self._readers.add(reader)
        return reader

    def close(self) -> None:
        """Nothing more happens: every reader comes to its end."""
        self._over = True
        for reader in tuple(self._readers):
            reader.close()

    def __repr__(self) -> str:
        return f"<EventRing events={len(self._events)} readers={len(self._readers)}>"
