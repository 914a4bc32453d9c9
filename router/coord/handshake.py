"""How two routers prove to each other that they hold the same key, and how what they say then cannot be tampered with.

    member       -> coordinator   opening: protocol and version, the member's name, 32 random bytes
    coordinator  -> member        the same of the coordinator, and its proof
    member       -> coordinator   the member's proof

A proof is HMAC-SHA256 by the shared key over the role of who proves, the version, both names and both challenges. So it
cannot be reflected, replayed, or be used under another name or version. From then on each frame carries a seal: the
same over its place in the stream and its body, by a key that is derived for this connection and this direction. A frame
that was altered, left out, doubled, moved or put in ends the connection. Nothing is hidden: see the threat note in
docs/coordination.md.

Pure: random bytes are arguments. The key never is in a message, an error or a `repr`. Called by `router.coord.link`,
which is the place for TLS instead, if it is ever wanted: a connection whose peer is known already needs no handshake.
"""

from __future__ import annotations

import hmac
from typing import Final, Literal

from router.errors import MaitreError

PROTOCOL: Final = b"maitre coordination"
VERSION: Final = 1
"""One byte. Whoever changes a message or the handshake raises it; routers of two versions do not coordinate."""

CHALLENGE_BYTES: Final = 32
KEY_BYTES: Final = 32
"""The least that a key must have: proofs can be guessed at offline, so it must be random, not chosen."""

MAX_NAME_BYTES: Final = 330
"""A pod's name has at most 253 characters, its uid 36 and the process's own part as many; and there are two signs."""

SEAL_BYTES: Final = 32

Role = Literal["member", "coordinator"]


class HandshakeFailed(MaitreError):
    """The peer speaks another protocol or version, or has not the key; the message says which."""


class Key:
    """The shared key. It is never shown."""

    def __init__(self, secret: bytes) -> None:
        """Raises ValueError if it is too short to be safe."""
        if len(secret) < KEY_BYTES:
            raise ValueError(f"the coordination key has {len(secret)} bytes; it needs at least {KEY_BYTES} random ones")
        self._secret = secret

    def __repr__(self) -> str:
        return "<Key>"

    def digest(self, label: str, text: bytes) -> bytes:
        return hmac.digest(self._secret, label.encode() + b"\0" + text, "sha256")


class Seal:
    """Of one direction of one connection: both ends count its frames."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._count = 0

    def __repr__(self) -> str:
        return f"<Seal count={self._count}>"

    def seal(self, body: bytes) -> bytes:
        """The content of the next frame."""
        return self._next(body) + body

    def open(self, content: bytes) -> bytes:
        """The body of the next frame. Raises HandshakeFailed."""
        body = content[SEAL_BYTES:]
        if not hmac.compare_digest(content[:SEAL_BYTES], self._next(body)):
            raise HandshakeFailed("a frame whose seal is broken")
        return body

    def _next(self, body: bytes) -> bytes:
        place = self._count.to_bytes(8, "big")
        self._count += 1
        return hmac.digest(self._key, place + body, "sha256")


class Handshake:
    """One side of one connection. `opening` is sent at once by the member; `take` says what to send next.

    When `done`, the peer has proven that it has the key: `peer` is its name, and `seals` are those of this connection.
    """

    def __init__(self, role: Role, name: str, key: Key, challenge: bytes) -> None:
        if len(challenge) != CHALLENGE_BYTES:
            raise ValueError(f"a challenge has {CHALLENGE_BYTES} bytes")
        self.role: Final = role
        self._key = key
        self._own = bytes([VERSION]) + challenge + name.encode()
        self._theirs = b""
        self.peer = ""
        self.done = False

    def __repr__(self) -> str:
        return f"<Handshake {self.role} peer={self.peer!r} done={self.done}>"

    @property
    def opening(self) -> bytes:
        return PROTOCOL + self._own

    def take(self, content: bytes) -> bytes:
        """What to send after a frame of the peer; nothing, if empty. Raises HandshakeFailed."""
        if self.role == "coordinator":
            return self._answer(content) if not self._theirs else self._finish(content)
        proof_at = len(content) - SEAL_BYTES
        self._hear(content[: max(proof_at, 0)])
        self._finish(content[proof_at:])
        return self._proof("member")

    def seals(self) -> tuple[Seal, Seal]:
        """What seals the frames that are sent, and what opens those that are received; both from the first frame on."""
        own, theirs = self.role, _other(self.role)
        return Seal(self._digest(f"frames of the {own}")), Seal(self._digest(f"frames of the {theirs}"))

    def _answer(self, content: bytes) -> bytes:
        self._hear(content)
        return self.opening + self._proof("coordinator")

    def _hear(self, opening: bytes) -> None:
        """The peer's opening: its version first, so that another one is told apart from nonsense."""
        if not opening.startswith(PROTOCOL):
            raise HandshakeFailed("the peer does not speak maitre's coordination protocol")
        theirs = opening[len(PROTOCOL) :]
        if theirs[:1] != self._own[:1]:
            spoken = theirs[0] if theirs else "unknown"
            raise HandshakeFailed(f"the peer speaks version {spoken} of the protocol; this router speaks {VERSION}")
        name = theirs[1 + CHALLENGE_BYTES :]
        if not 0 < len(name) <= MAX_NAME_BYTES:
            raise HandshakeFailed("the peer's opening is cut, or its name is too long")
        try:
            self.peer = name.decode()
        except UnicodeDecodeError as error:
            raise HandshakeFailed("the peer's name is not UTF-8") from error
        self._theirs = theirs

    def _finish(self, proof: bytes) -> bytes:
        if not hmac.compare_digest(proof, self._proof(_other(self.role))):
            raise HandshakeFailed("the peer has not proven that it has the coordination key")
        self.done = True
        return b""

    def _proof(self, role: Role) -> bytes:
        return self._digest(f"proof of the {role}")

    def _digest(self, label: str) -> bytes:
        pair = (self._own, self._theirs) if self.role == "member" else (self._theirs, self._own)
        return self._key.digest(label, b"".join([PROTOCOL, *(len(part).to_bytes(4, "big") + part for part in pair)]))


def _other(role: Role) -> Role:
    return "coordinator" if role == "member" else "member"
