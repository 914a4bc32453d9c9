"""What is to be said to one peer at the end of this turn of the loop: of what replaces itself, the newest only.

A lease, recall, bound or demand says all about its subject, so an older one that has not left yet need not. Pure.
"""

from __future__ import annotations

from collections.abc import Hashable

from router.coord.frames import Message
from router.core.leases import Bound, Demand, Lease, Recall


class Outbox:
    def __init__(self) -> None:
        self._messages: dict[Hashable, Message] = {}
        self._count = 0

    def __repr__(self) -> str:
        return f"<Outbox {len(self._messages)}>"

    def put(self, message: Message) -> bool:
        """Whether it is the first since the box was emptied. What replaces another one takes the later place."""
        first = not self._messages
        subject = self._subject(message)
        self._messages.pop(subject, None)
        self._messages[subject] = message
        return first

    def empty(self) -> list[Message]:
        """All of them, in order."""
        taken = list(self._messages.values())
        self._messages.clear()
        return taken

    def _subject(self, message: Message) -> Hashable:
        if isinstance(message, Lease | Bound):
            return type(message), message.group, message.replica
        if isinstance(message, Recall | Demand):
            return type(message), message.group
        self._count += 1
        return self._count
