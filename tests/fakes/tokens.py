"""Tokens put together by hand, so that a test can say anything of them."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

NOW = 1_800_000_000.0
"""Unix seconds."""


def part(content: Any) -> bytes:
    return encoded(json.dumps(content).encode())


def encoded(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def signed_hs256(header: Any, claims: Any, secret: bytes) -> bytes:
    text = part(header) + b"." + part(claims)
    return text + b"." + encoded(hmac.digest(secret, text, "sha256"))


def own_secret(member: str, audience: str) -> bytes:
    """What docs/decisions/0012-tokens.md says that the router signs with."""
    return hmac.digest(member.encode(), f"maitre token 1:{audience}".encode(), "sha256")


def own_key_id(secret: bytes) -> str:
    return sha256(secret).hexdigest()[:8]


def signed(private: Any, claims: Any, algorithm: str = "RS256", **header: Any) -> bytes:
    """By an outside issuer, whatever the header says."""
    text = part({"alg": algorithm, "typ": "JWT", **header}) + b"." + part(claims)
    return text + b"." + encoded(get_default_algorithms()[algorithm].sign(text, private))


def public_jwk(private: Any, key_id: str | None, **more: Any) -> dict[str, Any]:
    reader = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "Ed": OKPAlgorithm}
    (algorithm,) = (each for name, each in reader.items() if type(private).__name__.startswith(("_" + name, name)))
    jwk = algorithm.to_jwk(private.public_key(), as_dict=True)
    return {**jwk, **({} if key_id is None else {"kid": key_id}), **more}


def key_document(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()
