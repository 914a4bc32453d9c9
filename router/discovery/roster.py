"""What discovery tells whoever routes: the ready replicas of one version.

Discovery owns this port and calls it from the event loop; the routing side implements it. A replica is known by a
name of its own. A local process never takes the name of an earlier one; a fixed url keeps its name, so it may be
retired and added again, and what it still runs then counts on.
"""

from __future__ import annotations

import ssl
from typing import Protocol


class ReplicaTls(Protocol):
    """How TLS is spoken to replicas, as the files are now. Equal ones are interchangeable; hashable."""

    @property
    def server_name(self) -> str | None:
        """The name that a replica's certificate must bear; None: the host of its address."""

    def context(self) -> ssl.SSLContext:
        """Raises CertificateRefused while there is none: then nobody is to connect."""


class Roster(Protocol):
    """The ready replicas of one version."""

    def add(self, replica: str, host: str, port: int, tls: ReplicaTls | None) -> None:
        """The replica is ready: it takes requests from now on, in the clear only where `tls` is None."""

    def retire(self, replica: str) -> None:
        """The replica gets no new request; running ones finish."""

    def held(self, replica: str) -> int:
        """Requests that the replica is running now; 0 when it is unknown."""

    async def emptied(self, replica: str) -> None:
        """Returns when a retired replica runs nothing any more."""

    def expect(self, coming: bool) -> None:
        """Whether replicas are on their way (starting), so that waiting for a first one makes sense."""
