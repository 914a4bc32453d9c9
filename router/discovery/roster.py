"""What discovery tells whoever routes: the ready replicas of one version.

Discovery owns this port and calls it from the event loop; the routing side implements it. A replica is known by a
name of its own. A local process never takes the name of an earlier one; a fixed url keeps its name, so it may be
retired and added again, and what it still runs then counts on.
"""

from __future__ import annotations

from typing import Protocol


class Roster(Protocol):
    """The ready replicas of one version."""

    def add(self, replica: str, host: str, port: int, tls: bool) -> None:
        """The replica is ready: it takes requests from now on."""

    def retire(self, replica: str) -> None:
        """The replica gets no new request; running ones finish."""

    def held(self, replica: str) -> int:
        """Requests that the replica is running now; 0 when it is unknown."""

    async def emptied(self, replica: str) -> None:
        """Returns when a retired replica runs nothing any more."""

    def expect(self, coming: bool) -> None:
        """Whether replicas are on their way (starting), so that waiting for a first one makes sense."""
