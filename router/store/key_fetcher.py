"""Fetches the key set of an issuer: from where the configuration says, or from where the issuer itself does (OpenID
Connect Discovery 1.0, section 4).

Bounded in time and size, no redirects, so an address that somebody configures can be made to say nothing but whether it
has a key set. Certificates are verified as httpx does, with the authorities of SSL_CERT_FILE where that is set. Used by
`issuers`.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import httpx
import orjson

from router.core.key_set import MAX_BYTES, KeySet
from router.errors import KeySetRefused
from router.model.fields import trustworthy
from router.model.spec import KeySource

TIMEOUT_S: Final = 10.0
"""For all of it."""
DISCOVERY: Final = "/.well-known/openid-configuration"

_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=\"?([0-9]{1,9})", re.IGNORECASE)


class Fetched(NamedTuple):
    """A key set that can be used, and for how many seconds the issuer says that it may be kept."""

    document: bytes
    max_age_s: float | None


class KeyFetcher:
    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def fetch(self, source: KeySource) -> Fetched:
        """Raises KeySetRefused: the issuer cannot be reached, or what it says cannot be used."""
        if self._client is None:
            self._client = httpx.AsyncClient(follow_redirects=False, timeout=TIMEOUT_S)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._fetch(self._client, source)
        except TimeoutError:
            raise KeySetRefused(f"no whole answer within {TIMEOUT_S:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise KeySetRefused(f"cannot be reached: {str(error) or type(error).__name__}") from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _fetch(self, client: httpx.AsyncClient, source: KeySource) -> Fetched:
        url = source.jwks_uri or await self._discover(client, source.issuer)
        document, headers = await _get(client, url)
        KeySet.from_document(document)
        stated = _MAX_AGE.search(headers.get("cache-control", ""))
        return Fetched(document, None if stated is None else float(stated[1]))

    async def _discover(self, client: httpx.AsyncClient, issuer: str) -> str:
        content, _ = await _get(client, issuer.rstrip("/") + DISCOVERY)
        try:
            metadata: Any = orjson.loads(content)
        except orjson.JSONDecodeError:
            metadata = None
        if not isinstance(metadata, dict) or metadata.get("issuer") != issuer:
            raise KeySetRefused(f"{DISCOVERY} is not that of this issuer; its `issuer` must be the same text")
        url = metadata.get("jwks_uri")
        if not isinstance(url, str) or (issuer.startswith("https:") and not url.startswith("https:")):
            raise KeySetRefused(f"the jwks_uri in {DISCOVERY} must be an https:// URL")
        try:
            return trustworthy(url)
        except ValueError as error:
            raise KeySetRefused(f"the jwks_uri in {DISCOVERY} must be {error}") from None


async def _get(client: httpx.AsyncClient, url: str) -> tuple[bytes, httpx.Headers]:
    # as it came: what is compressed could become any size before it is looked at
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with client.stream("GET", url, headers=headers) as response:
        if response.status_code != HTTPStatus.OK:
            raise KeySetRefused(f"{url} answers {response.status_code}")
        content = b""
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > MAX_BYTES:
                raise KeySetRefused(f"{url} answers more than {MAX_BYTES} bytes")
        return content, response.headers
