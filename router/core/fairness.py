"""Who of those that want slots is owed some: an account per holder and version, in slot-seconds.

A holder's fair part is in proportion to its demand, so that waits become equal (Little's law). What it has less than
that is owed to it as time goes by, what it has more is taken off; so three slots go round among four holders. Small
deviations do not count, so that many slots stay where they are while demands wobble. Slots that lie idle are no debt:
those are handed back for the asking.

Pure arithmetic; `LeaseGroup` keeps the accounts.
"""

from __future__ import annotations

QUANTUM_S = 0.05
"""Slot-seconds owed from which another holder is made to yield a slot. Two equals on one slot change every 200 ms."""
MOST_S = 1.0
"""No account goes beyond this, either way: what was long ago does not starve anybody now."""
BAND = 0.1
"""Deviations of up to this part of fair part or use, whichever is more, do not count; a debt fades meanwhile."""
FADE = 1.0
"""Slot-seconds per second by which it fades."""


class Account:
    """Of one holder. `fair` and `used` hold from one `judge` to the next; `accrue` adds up what passed between them."""

    __slots__ = ("fair", "owed", "used")

    def __init__(self) -> None:
        self.owed = 0.0
        self.fair = 0.0
        self.used = 0

    def judge(self, fair: float, used: int) -> None:
        self.fair = fair
        self.used = used

    @property
    def rate(self) -> float:
        """Slots: what is added to `owed` per second."""
        lack = self.fair - self.used
        return lack if abs(lack) > BAND * max(self.fair, self.used) else 0.0

    def accrue(self, seconds: float) -> None:
        if rate := self.rate:
            self.owed = min(MOST_S, max(-MOST_S, self.owed + rate * seconds))
        elif self.owed > 0:
            self.owed = max(0.0, self.owed - FADE * seconds)
        else:
            self.owed = min(0.0, self.owed + FADE * seconds)

    def forget(self) -> None:
        self.owed = 0.0
        self.judge(0.0, 0)

    @property
    def deserves(self) -> bool:
        """Another one is to yield a slot to it."""
        return self.rate > 0 and self.owed >= QUANTUM_S

    @property
    def deserves_in(self) -> float | None:
        """Seconds, if nothing changes."""
        return (QUANTUM_S - self.owed) / self.rate if self.rate > 0 and not self.deserves else None

    def claim(self, used: int) -> float:
        """What would soon be owed to it, had it `used` slots: the slots that there are go to the greatest claim."""
        return self.owed + (self.fair - used) * QUANTUM_S

    def __repr__(self) -> str:
        return f"<Account fair={self.fair:.2f} used={self.used} owed={self.owed:.3f}>"
