"""Asks a replica whether it is ready: one GET, and its status. Called by `keeper` and `watchlist`.

A probe neither follows redirects nor goes through a proxy, reads no body and keeps no connection: it must see what the
data plane would see, and cost the replica nothing afterwards. Over TLS it verifies as the data plane does, so that a
replica with a wrong certificate is never ready, and says in the log what is wrong with it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from enum import Enum
from typing import Any

import httpx

from router.discovery.roster import ReplicaTls
from router.errors import CertificateRefused

log = logging.getLogger("maitre.discovery")


class Verdict(Enum):
    """What one probe found."""

    READY = "ready"  # answered 2xx
    REFUSED = "refused"  # no connection, no HTTP, or another status
    SILENT = "silent"  # no answer in time: dead, or busy with a request


class Prober:
    """Probes over HTTP/1.1."""

    def __init__(self, timeout_s: float = 1.0) -> None:
        self._timeout_s = timeout_s
        self._plain = _client(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), timeout_s)  # trusts nobody: for http:// alone
        self._tls_failures: dict[str, str] = {}
        """What was said last of each url whose TLS fails."""

    async def probe(self, url: str, tls: ReplicaTls | None = None) -> Verdict:
        """One probe, never longer than the timeout. `tls` is for https."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await (self._ask(self._plain, url, {}) if tls is None else self._ask_securely(url, tls))
        except (TimeoutError, httpx.TimeoutException):
            return Verdict.SILENT
        except CertificateRefused:  # which `router.store.certificates` has told
            return Verdict.REFUSED
        except httpx.TransportError as error:
            if tls is not None:
                self._tell(url, error)
            return Verdict.REFUSED

    async def until_ready(
        self, url: str, tls: ReplicaTls | None = None, first_pause_s: float = 0.05, most_pause_s: float = 0.5
    ) -> None:
        """Returns at the first answer of 2xx; bounding the wait is the caller's."""
        pause_s = first_pause_s
        while await self.probe(url, tls) is not Verdict.READY:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, most_pause_s)

    async def close(self) -> None:
        """No probe may be running."""
        await self._plain.aclose()

    async def _ask_securely(self, url: str, tls: ReplicaTls) -> Verdict:
        """With a client of its own, which is a fifth of the cost of a handshake: the files may have changed."""
        extensions = {"sni_hostname": tls.server_name} if tls.server_name else {}
        async with _client(tls.context(), self._timeout_s) as client:
            verdict = await self._ask(client, url, extensions)
        self._tls_failures.pop(url, None)
        return verdict

    async def _ask(self, client: httpx.AsyncClient, url: str, extensions: dict[str, Any]) -> Verdict:
        async with client.stream("GET", url, extensions=extensions) as response:
            return Verdict.READY if response.is_success else Verdict.REFUSED

    def _tell(self, url: str, error: httpx.TransportError) -> None:
        """Each reason once per replica, however often it is probed."""
        reason = _tls_reason(error)
        if reason is not None and self._tls_failures.get(url) != reason:
            self._tls_failures[url] = reason
            log.warning("no TLS to %s: %s", url, reason)


def _client(context: ssl.SSLContext, timeout_s: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=context,
        limits=httpx.Limits(max_keepalive_connections=0),
        timeout=timeout_s,  # of each step; `probe` bounds the whole
        trust_env=False,
        headers={"user-agent": "maitre-probe"},
    )


def _tls_reason(error: httpx.TransportError) -> str | None:
    """What OpenSSL found wrong, from below what httpx wraps around it; None where it was not TLS that failed."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {inner.verify_message}"
        if isinstance(inner, ssl.SSLError):
            return str(inner.reason or inner)
        inner = inner.__cause__ or inner.__context__
    if isinstance(error, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError):
        # in TLS 1.3 a server looks at our certificate when we think that all is well, and not all of them say a word
        return "it broke off after the handshake; does it want a certificate of the router (target.tls.certFile)?"
    return None
