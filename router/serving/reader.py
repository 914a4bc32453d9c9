"""What comes, for one reader who may be slow: a bounded queue that ends instead of growing.

Whoever has something puts it, and never waits. A reader for whom there is no more room is dropped: it gets what is in
the queue, and then the end, so that it misses nothing without knowing. One reader, one writer, one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Reader(Generic[_Item]):
    """`items` come first, whatever `room` there is for more. `closed` is called once, when nothing more is wanted.
    `weigh`: how much room an item takes."""

    def __init__(
        self,
        room: int,
        closed: Callable[[Reader[_Item]], None],
        items: Iterable[_Item] = (),
        weigh: Callable[[_Item], int] = lambda _: 1,
    ) -> None:
        self._items = deque(items)
        self._weigh = weigh
        self._weight = sum(map(weigh, self._items))
        self._most = self._weight + room
        self.too_slow = False
        """It was dropped: something was put for which there was no room."""
        self._closed: Callable[[Reader[_Item]], None] | None = closed
        self._something = asyncio.Event()
        self._over = asyncio.Event()

    def put(self, item: _Item) -> None:
        if self._over.is_set():
            return
        weight = self._weigh(item)
        if self._weight + weight > self._most:
            self.too_slow = True
            self.close()
            return
        self._items.append(item)
        self._weight += weight
        self._something.set()

    def close(self) -> None:
        """Nothing more comes. Can be called again."""
        self._over.set()
        self._something.set()
        if self._closed is not None:
            closed, self._closed = self._closed, None
            closed(self)

    async def next(self) -> _Item | None:
        """Waits for it; None at the end. A call that is cancelled takes nothing."""
        while not self._items:
            if self._over.is_set():
                return None
            self._something.clear()
            await self._something.wait()
        item = self._items.popleft()
        self._weight -= self._weigh(item)
        return item

    async def ended(self) -> None:
        """Returns when nothing more comes, read or not."""
        await self._over.wait()

    def __repr__(self) -> str:
        state = "over" if self._over.is_set() else "open"
        return f"<Reader waiting={len(self._items)} weight={self._weight}/{self._most} {state}>"
