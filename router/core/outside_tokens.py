"""Tokens of an outside issuer: signed with one of its keys, for this audience, with what the endpoint requires.

The algorithms are those that the endpoint's configuration names, all of them asymmetric; a token's header picks among
them and nothing else, and the key must be one for that algorithm. A key that is not known is asked for by `missing`,
and the token refused: the client's next try finds it.

Pure. Made by `router.serving.admittance`. Why like this: docs/decisions/0012-tokens.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from router.core.key_set import KeySet
from router.core.tokens import Refusal, claims_of, good_until, take_apart
from router.model.spec import OutsideIssuer


class OutsideTokens:
    """For one endpoint. Implements `Verifier`."""

    def __init__(self, terms: OutsideIssuer, keys: KeySet | None, missing: Callable[[], None]) -> None:
        """`keys` None: nothing is known of the issuer yet."""
        self._terms = terms
        self._keys = keys
        self._missing = missing

    def verify(self, text: bytes, unix_now: float) -> float | Refusal:
        token = take_apart(text)
        if isinstance(token, Refusal):
            return token
        if token.algorithm not in self._terms.algorithms:
            return Refusal.ALGORITHM
        named = () if self._keys is None else self._keys.named(token.key_id)
        if not named:
            self._missing()
            return Refusal.UNKNOWN_KEY
        suitable = [key for key in named if key.suits(token.algorithm)]
        if not suitable:
            return Refusal.ALGORITHM
        if not suitable[0].verifies(token.algorithm, token.signed, token.signature):  # of namesakes the first counts
            return Refusal.SIGNATURE
        claims = claims_of(token)
        return claims if isinstance(claims, Refusal) else self._judge(claims, unix_now)

    def _judge(self, claims: Mapping[str, Any], unix_now: float) -> float | Refusal:
        terms = self._terms
        if claims.get("iss") != terms.issuer:
            return Refusal.ISSUER
        if terms.audience not in _texts(claims.get("aud")):
            return Refusal.AUDIENCE
        if not all(value in _texts(claims.get(name)) for name, value in terms.required_claims.items()):
            return Refusal.CLAIMS
        if not _scopes(claims) >= set(terms.required_scopes):
            return Refusal.SCOPE
        return good_until(claims, unix_now)

    def __repr__(self) -> str:
        return f"<OutsideTokens {self._terms.issuer} keys={self._keys!r}>"


def _texts(value: object) -> list[object]:
    """A claim of one or several values. Only texts count: `true` is not "true"."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]


def _scopes(claims: Mapping[str, Any]) -> set[str]:
    """What the token allows: `scope` as one text (RFC 8693 section 4.2), `scp` as a text or as a list."""
    scopes: set[str] = set()
    for name in ("scope", "scp"):
        for text in _texts(claims.get(name)):
            scopes.update(str(text).split(" "))
    return scopes
