"""The router's own tokens: issued for one endpoint, signed with what is derived of its keys.

Each of the two keys of an endpoint gives a signing key; the primary one signs, both verify. So regenerating keys is
rotating with overlap, and replacing the older one revokes what it has signed. The derivation binds a signing key to its
endpoint, and a key used as a bearer credential elsewhere cannot sign. HMAC-SHA256 is the one algorithm, whatever a
token says of itself; `kid` names the signing key by a digest that tells nothing of it.

Pure: `unix_now` and `jti` are arguments. Why like this: docs/decisions/0012-tokens.md. Made by
`router.serving.admittance`, which verifies, and by `router.store.token_issuer`, which issues.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import jwt
from jwt.algorithms import HMACAlgorithm

from router.core.tokens import Compact, Refusal, claims_of, good_until, take_apart

ALGORITHM: Final = "HS256"
ISSUER: Final = "maitre"
KEY_ID_CHARS: Final = 8

_HMAC_SHA256: Final = HMACAlgorithm(HMACAlgorithm.SHA256)


@dataclass(frozen=True, slots=True)
class Issued:
    """A token. Times in Unix seconds."""

    text: str = field(repr=False)
    refresh_after: int
    """Half of its life is over."""
    expires: int


class _SigningKey:
    __slots__ = ("id", "secret")

    def __init__(self, member: str, audience: str) -> None:
        self.secret = hmac.digest(member.encode(), f"maitre token 1:{audience}".encode(), "sha256")
        self.id = sha256(self.secret).hexdigest()[:KEY_ID_CHARS]

    def __repr__(self) -> str:
        return f"<SigningKey {self.id}>"


class OwnTokens:
    """Of one endpoint. Implements `Verifier`."""

    def __init__(self, primary: str, secondary: str, endpoint: tuple[str, str]) -> None:
        """`endpoint`: namespace and name."""
        self._audience = "/".join(endpoint)
        self._keys = tuple(_SigningKey(member, self._audience) for member in (primary, secondary))

    def issue(self, unix_now: float, expires_in_s: int, jti: str) -> Issued:
        """`jti` is another one for each token."""
        now, signing = int(unix_now), self._keys[0]
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": self._audience,
            "iat": now,
            "nbf": now,
            "exp": now + expires_in_s,
            "jti": jti,
        }
        text = jwt.encode(claims, signing.secret, ALGORITHM, headers={"kid": signing.id})
        return Issued(text, now + expires_in_s // 2, now + expires_in_s)

    def verify(self, text: bytes, unix_now: float) -> float | Refusal:
        token = take_apart(text)
        if isinstance(token, Refusal):
            return token
        if token.algorithm != ALGORITHM:
            return Refusal.ALGORITHM
        keys = [key for key in self._keys if key.id == token.key_id]
        if not keys:
            return Refusal.UNKNOWN_KEY
        if not any(_HMAC_SHA256.verify(token.signed, key.secret, token.signature) for key in keys):
            return Refusal.SIGNATURE
        return self._judge(token, unix_now)

    def _judge(self, token: Compact, unix_now: float) -> float | Refusal:
        claims = claims_of(token)
        if isinstance(claims, Refusal):
            return claims
        if not claims.keys() >= {"iss", "aud", "iat", "nbf", "exp", "jti"}:
            return Refusal.CLAIMS
        if claims["iss"] != ISSUER:
            return Refusal.ISSUER
        if claims["aud"] != self._audience:
            return Refusal.AUDIENCE
        return good_until(claims, unix_now)

    def __repr__(self) -> str:
        return f"<OwnTokens {self._audience}>"
