"""What one holder has of one replica, as its lessor knows it from the leases it sent and the bounds that came back.

`ceiling` is never below what the holder can be using, whatever was lost, doubled or overtaken on the way: a lease
counts from when it is sent, a lower limit only once a bound says that it was seen. `LeaseGroup` is its only writer.
"""

from __future__ import annotations


class Leasehold:
    """Begins empty, or with what a holder had when this lessor did not know it yet."""

    __slots__ = ("_bound", "_confirmed", "_unseen", "ceiling", "limit", "number")

    def __init__(self, number: int = 0, bound: int = 0) -> None:
        self.number = number
        """Of the newest lease."""
        self.limit = bound
        """Of the newest lease, or less where the holder has lowered it since."""
        self.ceiling = bound
        self._confirmed = number
        self._bound = bound
        self._unseen: list[tuple[int, int]] = []
        """Leases sent after `_confirmed`: number and limit, but only those that no later one exceeds."""

    @property
    def confirmed(self) -> bool:
        """The holder has seen the newest lease."""
        return self._confirmed >= self.number

    def lease(self, number: int, limit: int) -> None:
        """A lease is sent. `number` is greater than all before."""
        while self._unseen and self._unseen[-1][1] <= limit:
            self._unseen.pop()
        self._unseen.append((number, limit))
        self.number = number
        self.limit = limit
        self.ceiling = max(self.ceiling, limit)

    def bounded(self, number: int, bound: int) -> None:
        """The holder has seen lease `number` and uses no more than `bound`. What is older than known tells nothing."""
        if not self._confirmed <= number <= self.number:
            return
        self._bound = min(bound, self._bound) if number == self._confirmed else bound
        self._confirmed = number
        while self._unseen and self._unseen[0][0] <= number:
            del self._unseen[0]
        # the greatest of what it may see yet comes first; no word of a holder raises what was known
        self.ceiling = min(self.ceiling, max(self._bound, self._unseen[0][1] if self._unseen else 0))
        if self.confirmed:
            self.limit = min(self.limit, bound)

    def claimed(self, number: int, bound: int) -> None:
        """As `bounded`, but by a lease that another lessor sent: then it raises what was known, too."""
        if number <= self.number:
            self.bounded(number, bound)
            return
        self.number = self._confirmed = number
        self.limit = self._bound = bound
        self._unseen.clear()
        self.ceiling = max(self.ceiling, bound)

    def __repr__(self) -> str:
        seen = "" if self.confirmed else " unseen"
        return f"<Leasehold #{self.number} limit={self.limit} ceiling={self.ceiling}{seen}>"
