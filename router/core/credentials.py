"""Who may score: keys compared in constant time over digests.

Only digests are held, never a key. The presented credential is digested when its head is understood, so neither its
length nor its content decides how long a comparison takes, and both keys are always compared. Both are valid at once,
so that one can be replaced while the other works. Tokens are `token_ring`'s business.

All of them answer two questions, of which `router.proxy.exchange` asks the first once per request: `admits`, whether
the credential of this digest is good; and `verifies`, where it is not, whether its text shows that it is. Pure; the
digests are made by `router.core.heads`.
"""

from __future__ import annotations

import hashlib
import re
from hmac import compare_digest
from typing import Final

_BEARER: Final = re.compile(rb"(?i:bearer)[ \t]+([\x21-\x7e]+)[ \t]*")
_AUTHORIZATION: Final = re.compile(rb"\r\n(?i:authorization):[ \t]*([^\r]*)")


def text_digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def bearer_digest(authorization: bytes | None) -> bytes | None:
    """Of the bearer credential in the value of an Authorization header; None when there is none."""
    match = _BEARER.fullmatch(authorization) if authorization is not None else None
    return text_digest(match[1]) if match is not None else None


def bearer_text(received: bytes) -> bytes:
    """The bearer credential itself, of the head that `received` begins with; empty where there is none.

    A head that was understood holds only the digest, so that no credential stays in memory with it.
    """
    line = _AUTHORIZATION.search(received, 0, received.find(b"\r\n\r\n"))
    match = _BEARER.fullmatch(line[1]) if line is not None else None
    return match[1] if match is not None else b""


class KeyRing:
    """The digests of an endpoint's two keys."""

    __slots__ = ("_primary", "_secondary")

    wants: Final = "key"

    def __init__(self, primary: str, secondary: str) -> None:
        self._primary = text_digest(primary.encode())
        self._secondary = text_digest(secondary.encode())

    def admits(self, credential: bytes | None, _now: float) -> bool:
        """Whether `credential`, a `bearer_digest`, is that of one of the keys."""
        if credential is None:
            return False
        # no short cut: which of the two keys matched must not show in the time
        return compare_digest(credential, self._primary) | compare_digest(credential, self._secondary)

    def verifies(self, _credential: bytes, _text: bytes, _now: float, _unix_now: float) -> bool:
        return False

    def __repr__(self) -> str:
        return "<KeyRing of two keys>"


class NoCredentials:
    """`auth.mode: none`: everybody may."""

    __slots__ = ()

    wants: Final = "key"

    def admits(self, _credential: bytes | None, _now: float) -> bool:
        return True

    def verifies(self, _credential: bytes, _text: bytes, _now: float, _unix_now: float) -> bool:
        return True


class Nobody:
    """Nobody may: there is nothing yet that a credential could be compared with."""

    __slots__ = ()

    wants: Final = "key"

    def admits(self, _credential: bytes | None, _now: float) -> bool:
        return False

    def verifies(self, _credential: bytes, _text: bytes, _now: float, _unix_now: float) -> bool:
        return False
