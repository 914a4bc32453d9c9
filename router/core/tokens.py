"""JSON Web Tokens in their compact form (RFC 7515, 7519): taken apart strictly, and what their claims must say.

What is here is cheap and comes first: nothing asks for a signature before the size, the three parts and the header are
right. A token has one spelling: what base64 decoders overlook (foreign letters, stray bits at the end) is refused, so
that no changed token is good. Who signed it is found out by `own_tokens` and `outside_tokens`.

Times of tokens are Unix seconds, and arguments. Tokens are never part of a `Refusal`, nor of any message. Pure.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol, TypeGuard

import orjson

MAX_BYTES: Final = 8192
"""Of a token. Those of Entra ID with a hundred groups have about 6,000."""
SKEW_S: Final = 60.0
"""How far the clocks of issuer and router may be apart."""

_COMPACT: Final = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


class Refusal(StrEnum):
    """Why a token is not good."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    """None that may sign tokens of this endpoint."""
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    """One that is required is missing, or is not what it must be."""
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    SCOPE = "scope"


class Verifier(Protocol):
    """Judges the tokens of one endpoint."""

    def verify(self, text: bytes, unix_now: float) -> float | Refusal:
        """Until when the token is good, skew included, in Unix seconds."""


class Compact(NamedTuple):
    """A token taken apart; nothing in it can be trusted before its signature was checked."""

    algorithm: str
    key_id: str | None
    signed: bytes
    payload: bytes
    signature: bytes

    def __repr__(self) -> str:
        return f"<Compact algorithm={self.algorithm!r}>"


def take_apart(text: bytes) -> Compact | Refusal:
    if len(text) > MAX_BYTES:
        return Refusal.TOO_LARGE
    parts = _COMPACT.fullmatch(text)
    if parts is None:
        return Refusal.MALFORMED
    header, signature = _object_in(parts[1]), _decoded(parts[3])
    if header is None or signature is None or "crit" in header:  # RFC 7515 section 4.1.11: we know no extension
        return Refusal.MALFORMED
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(key_id, str | None):
        return Refusal.MALFORMED
    return Compact(algorithm, key_id, text[: parts.end(2)], parts[2], signature)


def claims_of(token: Compact) -> Mapping[str, Any] | Refusal:
    """To be asked after the signature was found good."""
    claims = _object_in(token.payload)
    return Refusal.MALFORMED if claims is None else claims


def good_until(claims: Mapping[str, Any], unix_now: float) -> float | Refusal:
    """What exp, nbf and iat say (RFC 7519 section 4.1); the last two may be missing."""
    expires = claims.get("exp")
    if not _is_time(expires):
        return Refusal.CLAIMS
    for name in ("nbf", "iat"):
        if name in claims:
            if not _is_time(claims[name]):
                return Refusal.CLAIMS
            if unix_now < claims[name] - SKEW_S:
                return Refusal.NOT_YET
    until = float(expires) + SKEW_S
    return until if unix_now < until else Refusal.EXPIRED


def _is_time(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _object_in(part: bytes) -> dict[str, Any] | None:
    content = _decoded(part)
    try:
        found = None if content is None else orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _decoded(part: bytes) -> bytes | None:
    """None for what no encoder writes."""
    try:
        content = urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except NotBase64:
        return None
    return content if urlsafe_b64encode(content).rstrip(b"=") == part else None
