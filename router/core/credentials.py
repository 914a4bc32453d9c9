"""Who may score: keys compared in constant time over digests.

Only digests are held, never a key. The presented credential is digested first, so neither its length nor its content
decides how long a comparison takes, and both keys are always compared. Both are valid at once, so that one can be
replaced while the other works.

Pure; called once per request by `router.core.routes`.
"""

from __future__ import annotations

import hashlib
import re
from hmac import compare_digest
from typing import Final

_BEARER: Final = re.compile(rb"(?i:bearer)[ \t]+([\x21-\x7e]+)[ \t]*")


class KeyRing:
    """The digests of an endpoint's two keys."""

    __slots__ = ("_primary", "_secondary")

    def __init__(self, primary: str, secondary: str) -> None:
        self._primary = hashlib.sha256(primary.encode()).digest()
        self._secondary = hashlib.sha256(secondary.encode()).digest()

    def admits(self, authorization: bytes | None) -> bool:
        """Whether the value of an Authorization header carries one of the keys."""
        if authorization is None:
            return False
        match = _BEARER.fullmatch(authorization)
        if match is None:
            return False
        digest = hashlib.sha256(match[1]).digest()
        # no short cut: which of the two keys matched must not show in the time
        return compare_digest(digest, self._primary) | compare_digest(digest, self._secondary)

    def __repr__(self) -> str:
        return "<KeyRing of two keys>"


class NoCredentials:
    """`auth.mode: none`: everybody may."""

    __slots__ = ()

    def admits(self, _authorization: bytes | None) -> bool:
        return True


class Nobody:
    """Nobody may: there is nothing yet that a credential could be compared with."""

    __slots__ = ()

    def admits(self, _authorization: bytes | None) -> bool:
        return False
