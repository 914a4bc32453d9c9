"""What the admin API asks of the rest of the router, beside the store (`router.store.writing`) and the gate.

Implemented in `router.serving` (`admin_status`, `events`, `version_logs`) and `router.store.token_issuer`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple, Protocol

from router.model.spec import EndpointKey


class Statuses(Protocol):
    def status(self, key: EndpointKey) -> Mapping[str, Any] | None:
        """How the endpoint is doing, as the API shows it; None for one that nobody serves or has judged yet."""


class TokenIssuer(Protocol):
    async def issue(self, key: EndpointKey, expires_in_s: int) -> Mapping[str, Any]:
        """The answer with the token; `expires_in_s` is 60 to 86400. Raises EndpointUnknown, NoTokens, StoreFailed."""


class Event(NamedTuple):
    """Something that happened to an endpoint, or to the configuration."""

    number: int
    """Rises by one from event to event of a process, and is higher than any of the one before it."""
    type: str
    """decision, configuration or ejection."""
    data: Mapping[str, Any]
    """With type, at, and, where it is about one, endpoint and namespace."""


class Subscription(Protocol):
    """The events from some time on, for one reader."""

    async def next(self) -> Event | None:
        """Waits for it; None when there are no more: the router stops, or this reader was too slow."""

    async def ended(self) -> None:
        """Returns when nothing will be added any more, read or not."""

    def close(self) -> None:
        """Wants no more of them; can be called again."""


class EventFeed(Protocol):
    def subscribe(self, after: int | None) -> Subscription:
        """`after`: the number of the last event that the reader has; those since then that are still kept come first.
        None: only what happens from now on."""


class Logs(Protocol):
    def lines(self, key: EndpointKey, version: str, tail: int, follow: bool) -> AsyncGenerator[str, None]:
        """The last `tail` lines, each `REPLICA LINE` without its end, then, with `follow`, those that come, until
        nobody wants them or the router stops. Raises, at the call: EndpointUnknown, VersionUnknown, NoLogs."""
