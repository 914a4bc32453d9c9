"""Issues the router's own tokens for endpoints with `auth.mode: token`, from the keys that the store has.

Called by `router.admin`. What it returns holds a credential: for the caller alone, never for a log.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from router.errors import EndpointUnknown, NoTokens
from router.model.spec import EndpointKey
from router.store.writing import EndpointWriter, Resource

MIN_S: Final = 60
MAX_S: Final = 86_400
DEFAULT_S: Final = 43_200
"""Twelve hours, as Azure ML has it."""


def _unix_now() -> float:
    return datetime.now(UTC).timestamp()


class TokenIssuer:
    def __init__(self, endpoints: EndpointWriter, unix_now: Callable[[], float] = _unix_now) -> None:
        self._endpoints = endpoints
        self._unix_now = unix_now

    async def issue(self, key: EndpointKey, expires_in_s: int = DEFAULT_S) -> dict[str, Any]:
        """access_token, refresh_after and expiry_on (Unix seconds), token_type. `expires_in_s`: MIN_S to MAX_S.

        Raises EndpointUnknown, NoTokens, KeysUnknown (they are not made yet, or cannot be read), StoreFailed, and
        ValueError for another `expires_in_s`.
        """
        if not MIN_S <= expires_in_s <= MAX_S:
            raise ValueError(f"expiresInSeconds is {expires_in_s}; allowed: a whole number from {MIN_S} to {MAX_S}")
        stored = await self._endpoints.read(key)
        if stored is None:
            raise EndpointUnknown(f"there is no endpoint {key[1]} in namespace {key[0]}")
        _must_issue(key, stored.resource)
        pair = await self._endpoints.keys(key)
        from router.core.own_tokens import OwnTokens  # noqa: PLC0415  a tenth of a second that keys do not need

        own = OwnTokens(pair.primary, pair.secondary, key)
        issued = own.issue(self._unix_now(), expires_in_s, secrets.token_urlsafe(16))
        return {
            "access_token": issued.text,
            "refresh_after": issued.refresh_after,
            "expiry_on": issued.expires,
            "token_type": "Bearer",
        }


def _must_issue(key: EndpointKey, resource: Resource) -> None:
    auth = resource["spec"].get("auth") or {}
    mode = auth.get("mode", "key")
    if mode != "token":
        raise NoTokens(f"endpoint {key[1]} has auth.mode {mode}: tokens are for auth.mode token")
    if auth.get("token") is not None:
        raise NoTokens(f"endpoint {key[1]} takes the tokens of an outside issuer: ask {auth['token'].get('issuer')}")
