"""Asks a replica whether it is ready: one GET, and its status. Called by `keeper` and `fixed`.

A probe neither follows redirects nor goes through a proxy, reads no body and keeps no connection: it must see what the
data plane would see, and cost the replica nothing afterwards.
"""

from __future__ import annotations

import asyncio
import ssl
from enum import Enum

import httpx


class Verdict(Enum):
    """What one probe found."""

    READY = "ready"  # answered 2xx
    REFUSED = "refused"  # no connection, no HTTP, or another status
    SILENT = "silent"  # no answer in time: dead, or busy with a request


class Prober:
    """Probes over HTTP/1.1. `tls` is how https replicas are verified; the system's way when it is None."""

    def __init__(self, timeout_s: float = 1.0, tls: ssl.SSLContext | None = None) -> None:
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            verify=tls or ssl.create_default_context(),
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=timeout_s,  # of each step; `probe` bounds the whole
            trust_env=False,
            headers={"user-agent": "maitre-probe"},
        )

    async def probe(self, url: str) -> Verdict:
        """One probe, never longer than the timeout."""
        try:
            async with asyncio.timeout(self._timeout_s), self._client.stream("GET", url) as response:
                return Verdict.READY if response.is_success else Verdict.REFUSED
        except (TimeoutError, httpx.TimeoutException):
            return Verdict.SILENT
        except httpx.TransportError:
            return Verdict.REFUSED

    async def until_ready(self, url: str, first_pause_s: float = 0.05, most_pause_s: float = 0.5) -> None:
        """Returns at the first answer of 2xx; bounding the wait is the caller's."""
        pause_s = first_pause_s
        while await self.probe(url) is not Verdict.READY:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, most_pause_s)

    async def close(self) -> None:
        """No probe may be running."""
        await self._client.aclose()
