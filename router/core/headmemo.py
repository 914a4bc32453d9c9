"""Heads that were understood before: clients and models say the same again and again.

A kept-alive client sends one head for every request of the same length, a model one per second and length of answer.
What was understood of the same bytes a moment ago need not be worked out anew: a head's attributes follow from its
bytes alone, and nobody changes them.

A head is remembered when it is seen for the second time: one that never comes again costs a hash of its bytes, and its
objects go where the next ones are made. Heads are remembered under the SHA-256 of their bytes, so no credential stays
in memory, and only so many of so many bytes: when the room is used up everything is forgotten, which a busy worker
hardly notices and a hostile client gains nothing by. A head that is refused is not remembered. What it saves:
docs/decisions/0004-heads-are-remembered.md.

One per worker for requests (`router.proxy.plane`), one per replica for responses (`router.proxy.upstream`).
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final, Generic, TypeVar

H = TypeVar("H")

MAX_BYTES: Final = 4096
"""Of a head that is remembered; with the usual 1,024 heads this bounds a worker's memo at a few MB."""


class HeadMemo(Generic[H]):
    def __init__(self, understand: Callable[[bytes, int], H], most: int) -> None:
        """`understand(data, end)` parses the head in `data[:end]`, or raises; at most `most` heads are remembered."""
        self._understand = understand
        self._most = most
        self._heads: dict[bytes, H] = {}
        self._seen: set[int] = set()  # hashes of heads that came once; two that share one are parsed once too often

    def understand(self, data: bytes, end: int) -> H:
        """The head in `data[:end]`; raises what the parser raises."""
        raw = data[:end]
        mark = hash(raw)
        if mark not in self._seen:
            if len(self._seen) >= self._most:
                self._seen.clear()
            self._seen.add(mark)
            return self._understand(data, end)
        key = sha256(raw).digest()
        head = self._heads.get(key)
        return head if head is not None else self._remember(key, data, end)

    def _remember(self, key: bytes, data: bytes, end: int) -> H:
        head = self._understand(data, end)
        if end <= MAX_BYTES:
            if len(self._heads) >= self._most:
                self._heads.clear()
            self._heads[key] = head
        return head

    def __len__(self) -> int:
        return len(self._heads)
