"""Frames on a stream: a length of four bytes, most significant first, then one pickled message. Pure.

A peer may send up to LONGEST bytes in one frame; a length above it can only be garbage, and ends the channel.
Used by `channel`, which says why pickle is right here.
"""

from __future__ import annotations

import pickle
import struct
from typing import Final

LENGTH: Final = struct.Struct("!I")
LONGEST: Final = 64 * 1024 * 1024
"""Bytes of one message. The configuration of 10,000 endpoints takes some megabytes."""


class MalformedFrame(ValueError):
    """What came is no frame of ours; the reason says why not. Nothing after it can be understood."""


def framed(message: object) -> bytes:
    """The frame of one message. What pickle raises of a message that cannot be sent, it raises here."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(body)) + body


class Frames:
    """Cuts what comes, however it was divided on its way, into messages."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, data: bytes) -> None:
        """More bytes came; `next` has the messages that are complete with them."""
        self._begun += data

    def next(self) -> tuple[object] | None:
        """The next complete message, or None: more bytes are needed. Raises MalformedFrame."""
        if len(self._begun) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._begun)
        if length > LONGEST:
            raise MalformedFrame(f"a frame of {length} bytes was announced, {LONGEST} are the most")
        end = LENGTH.size + length
        if len(self._begun) < end:
            return None
        with memoryview(self._begun) as whole, whole[LENGTH.size : end] as body:
            message = _unpickled(body)
        del self._begun[:end]
        return (message,)


def _unpickled(body: memoryview) -> object:
    try:
        return pickle.loads(body)  # noqa: S301  see `channel`
    except Exception as error:
        raise MalformedFrame(f"a message cannot be unpickled: {error!r}") from error
