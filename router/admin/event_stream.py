"""Events as a response: server-sent events (WHATWG HTML, section 9.2), one message each.

A comment goes out every COMMENT_S, so that nobody on the way takes the silence for an end. A reader that does not keep
up is dropped (its subscription ends), and comes back with Last-Event-ID for what it missed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from router.admin.departure import until_gone
from router.admin.ports import Event, Subscription

EVENT_STREAM: Final = "text/event-stream"
COMMENT_S: Final = 15.0
LAST_S: Final = 1.0
"""How long what was sent so far may take to go out once there will be no more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events one reader has asked for, and may see."""

    types: frozenset[str]
    namespace: str | None = None
    endpoint: str | None = None

    def includes(self, event: Event) -> bool:
        return (
            event.type in self.types
            and self.namespace in {None, event.data.get("namespace")}
            and self.endpoint in {None, event.data.get("endpoint")}
        )


class EventStream(Response):
    """Ends when the subscription does, or the client is gone; closes the subscription in any case."""

    media_type = EVENT_STREAM

    def __init__(self, events: Subscription, wanted: Wanted, comment_s: float = COMMENT_S) -> None:
        super().__init__()
        del self.headers["content-length"]
        self.headers["x-accel-buffering"] = "no"  # nginx in between would keep them back
        self._events = events
        self._wanted = wanted
        self._comment_s = comment_s

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await until_gone(receive, self._send(send), self._dropped())
        finally:
            self._events.close()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await self._pass_on(send, b": maitre\n\n")
        while True:
            try:
                async with asyncio.timeout(self._comment_s):
                    event = await self._events.next()
            except TimeoutError:
                await self._pass_on(send, b":\n\n")
                continue
            if event is None:
                break
            if self._wanted.includes(event):
                await self._pass_on(send, message(event))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pass_on(self, send: Send, text: bytes) -> None:
        await send({"type": "http.response.body", "body": text, "more_body": True})

    async def _dropped(self) -> None:
        await self._events.ended()
        await asyncio.sleep(LAST_S)


def message(event: Event) -> bytes:
    """As it goes over the wire. JSON has no line ends, so the data is one line."""
    return b"event: %b\nid: %d\ndata: %b\n\n" % (event.type.encode(), event.number, orjson.dumps(dict(event.data)))
