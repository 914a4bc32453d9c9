"""Who may score with a token: what was found good is known by its digest, so that a request costs one look-up.

A token is verified when it comes for the first time. Then its digest is remembered until the token is no longer good,
and for REMEMBERED_S at most: what is remembered is compared with monotonic time, and a clock that is set, or a machine
that slept, matters no longer than that. Only digests are kept, at most so many. What is refused is not remembered, so
nobody can fill the memory without good tokens.

A ring belongs to the keys that it verifies with: other keys, another ring, with nothing remembered. So what is revoked
is refused with the first request that sees the new configuration. A look-up by SHA-256 digest takes no longer for a
guess that is nearly right: whoever can choose digests byte by byte has broken the hash.

Pure. Made by `router.serving.admittance`; `router.proxy.exchange` asks it once per request, a second time for what is
new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from router.core.tokens import Verifier

MOST: Final = 10_000
"""Digests, per endpoint and worker: about 1.5 MB."""
REMEMBERED_S: Final = 300.0


class TokenRing:
    __slots__ = ("_known", "_most", "_verifier")

    wants: Final = "token"

    def __init__(self, verifier: Verifier, most: int = MOST) -> None:
        self._verifier = verifier
        self._most = most
        self._known: dict[bytes, float] = {}
        """Until when (monotonic seconds) the token of this digest need not be verified again."""

    def admits(self, credential: bytes | None, now: float) -> bool:
        """Whether `credential`, a `bearer_digest`, is that of a token that was found good."""
        if credential is None:
            return False
        until = self._known.get(credential)
        return until is not None and now < until

    def verifies(self, credential: bytes, text: bytes, now: float, unix_now: float) -> bool:
        """Whether the token `text`, of which `credential` is the digest, is good; remembered if it is."""
        until = self._verifier.verify(text, unix_now)
        if not isinstance(until, float):
            return False
        if len(self._known) >= self._most:
            self._make_room(now)
        self._known[credential] = now + min(until - unix_now, REMEMBERED_S)
        return True

    def _make_room(self, now: float) -> None:
        """Forgets what is over; where nothing is, all of it, which costs each token one more verification."""
        known = {credential: until for credential, until in self._known.items() if now < until}
        self._known = known if len(known) < self._most else {}

    @property
    def remembered(self) -> int:
        """Digests."""
        return len(self._known)

    def __repr__(self) -> str:
        return f"<TokenRing {self._verifier!r} remembered={len(self._known)}>"
