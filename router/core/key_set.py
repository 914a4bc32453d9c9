"""The public keys of an issuer, from its JSON Web Key Set (RFC 7517): which of them may have signed a token.

A key verifies only with algorithms of its own type, curve and, where it says one, name; so nobody can have a public key
taken for the secret of an HMAC. Symmetric and private keys, those for encryption, of weak or unknown kinds are left
out, as RFC 7517 section 5 wants it. Pure; bounded. Made of a document by `router.serving.admittance` and, to judge it,
by `router.store.key_fetcher`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import jwt
import orjson
from jwt.algorithms import get_default_algorithms

from router.errors import KeySetRefused

MAX_BYTES: Final = 262_144
"""Of a document. That of Entra ID has about 20,000."""
MAX_KEYS: Final = 100
RSA_BITS: Final = (2048, 8192)
"""Weaker ones can be broken; larger ones only cost time."""

_KINDS: Final[Mapping[str, tuple[str, str | None]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", None),
}
"""What type and curve of key an algorithm takes (RFC 7518 section 3.1, RFC 8037)."""
_ALGORITHMS: Final = {name: each for name, each in get_default_algorithms().items() if name in _KINDS}
_READER: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
"""For each type of key an algorithm that reads it."""


class IssuerKey(NamedTuple):
    """One public key."""

    id: str | None
    kind: str
    curve: str | None
    algorithm: str | None
    """The only one it is for, if it says so."""
    public: Any

    def suits(self, algorithm: str) -> bool:
        kind, curve = _KINDS[algorithm]
        return self.kind == kind and curve in (None, self.curve) and self.algorithm in (None, algorithm)

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        return _ALGORITHMS[algorithm].verify(signed, self.public, signature)


class KeySet:
    def __init__(self, keys: Sequence[IssuerKey]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def from_document(cls, document: bytes) -> KeySet:
        """Raises KeySetRefused: it is no key set, or has no key that can be used."""
        if len(document) > MAX_BYTES:
            raise KeySetRefused(f"the key set is larger than {MAX_BYTES} bytes")
        try:
            content = orjson.loads(document)
        except orjson.JSONDecodeError:
            raise KeySetRefused("the key set is not JSON") from None
        entries = content.get("keys") if isinstance(content, dict) else None
        if not isinstance(entries, list) or len(entries) > MAX_KEYS:
            raise KeySetRefused(f"the key set must be an object with a list `keys` of at most {MAX_KEYS}")
        keys = list(_usable(entries))
        if not keys:
            raise KeySetRefused("the key set has no public RSA, EC or OKP key for signatures")
        return cls(keys)

    def named(self, key_id: str | None) -> Sequence[IssuerKey]:
        """Those of this name. Where the token names none, the only key there is (RFC 7515 section 4.1.4)."""
        if key_id is None:
            return self._keys if len(self._keys) == 1 else ()
        return [key for key in self._keys if key.id == key_id]

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<KeySet {[key.id for key in self._keys]}>"


def _usable(entries: Sequence[object]) -> Iterator[IssuerKey]:
    for entry in entries:
        if isinstance(entry, dict) and (key := _key(entry)) is not None:
            yield key


def _key(entry: dict[str, Any]) -> IssuerKey | None:
    key_id, kind, algorithm = entry.get("kid"), entry.get("kty"), entry.get("alg")
    if not isinstance(kind, str) or kind not in _READER or not isinstance(key_id, str | None) or "d" in entry:
        return None
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    if algorithm is not None and algorithm not in _KINDS:
        return None
    try:
        public: Any = _ALGORITHMS[_READER[kind]].from_jwk(entry)
    except (jwt.PyJWTError, ValueError, TypeError):  # a kind of key that we do not know, or none at all
        return None
    if kind == "RSA" and not RSA_BITS[0] <= public.key_size <= RSA_BITS[1]:
        return None
    curve = entry.get("crv")
    return IssuerKey(key_id, kind, curve if isinstance(curve, str) else None, algorithm, public)
