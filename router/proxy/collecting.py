"""What is kept of one live request, as it passes, for the mirrors that are to get a copy of it.

Nothing before it is forwarded: what is refused, or finds no replica, is not mirrored. Then its bytes, as its replica
gets them, up to a limit; and when the last one has passed, they become a copy for each mirror. A live request that ends
before that leaves none.

Invariant: as long as there are `_mirrors` to serve, `_held` bytes are taken for each of them; with the last byte that
debt passes to the copies, and without it, it is paid back.

Made by `router.proxy.copies`, fed by the one exchange whose request it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from router.core.heads import RequestHead
from router.core.routes import MirrorRoute
from router.errors import CopyDropped
from router.proxy import rewriting

if TYPE_CHECKING:
    from router.proxy.copies import Copies


class Collecting:
    __slots__ = ("_body", "_copies", "_head", "_held", "_mirrors", "_rest", "_rewritten")

    def __init__(self, copies: Copies, mirrors: Sequence[MirrorRoute], head: RequestHead, rest: bytes) -> None:
        """`rest` is what follows the endpoint in the path: each mirror has a scoring path of its own."""
        self._copies = copies
        self._mirrors = mirrors
        self._head = head
        self._rest = rest
        self._rewritten = b""
        self._body = bytearray()
        self._held = 0

    def forwarded(self, rewritten: bytes, body: bytes, done: bool) -> None:
        """The live request went to a replica, with this head and with what had come of its body."""
        if self._rewritten:
            return  # it is tried again; what came of its body since the first time has `passed`
        self._rewritten = rewritten
        if self._head.length > self._copies.limits.request_bytes:
            self._drop(CopyDropped.TOO_LARGE)  # nothing need be held until that shows
        elif self._take(len(rewritten)):
            self.passed(body, done)

    def passed(self, data: bytes, done: bool) -> None:
        """More of its body came, `done` when that was the last of it; not kept before it is forwarded."""
        if self._rewritten and self._mirrors and self._take(len(data)):
            self._body += data
            if done:
                self._make_copies()

    def ended(self) -> None:
        """The live request is over. What had not passed by now never will."""
        self._copies.give_back(self._held * len(self._mirrors))
        self._mirrors = ()

    def _make_copies(self) -> None:
        for mirror in self._mirrors:
            message_head = rewriting.copied_head(self._rewritten, mirror.version.path_for(self._rest))
            self._copies.begin(mirror, self._head, message_head, self._body, self._held)
        self._mirrors = ()
        self._body = bytearray()  # theirs now; the live request may still take long

    def _take(self, more: int) -> bool:
        """Whether `more` bytes can be held as well; otherwise there will be no copy."""
        if self._held + more > self._copies.limits.request_bytes:
            self._drop(CopyDropped.TOO_LARGE)
        elif not self._copies.take(more * len(self._mirrors)):
            self._drop(CopyDropped.OVER_BUDGET)
        else:
            self._held += more
        return bool(self._mirrors)

    def _drop(self, reason: CopyDropped) -> None:
        for mirror in self._mirrors:
            mirror.recorder.dropped(reason)
        self._body = bytearray()
        self.ended()

    def __repr__(self) -> str:
        return f"<Collecting {self._held} bytes for {[mirror.version.name for mirror in self._mirrors]}>"
