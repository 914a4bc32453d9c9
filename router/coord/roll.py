"""The routers that a coordinator reckons with: who is here, who is cut off, and what each of them knows of the others.

A router stays on the roll while it may be using slots. What one that is cut off takes for its share rests on the
routers that it knows of, so it is told them by number, and says which number it has: of all that it may go by, the one
that gives it most counts (with fewer routers a share is never smaller, see `router.core.sharing`).

Pure. `router.coord.coordinator` is its only writer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from router.coord.frames import Members
from router.core.sharing import shares

FORGET_S: Final = 600.0
"""So long after it was cut off a router is taken to be gone for good."""


class Entry:
    """One router."""

    __slots__ = ("away_since", "views")

    def __init__(self, away_since: float | None) -> None:
        self.away_since = away_since
        """None: it is here."""
        self.views: list[Members] = []
        """What it may go by, oldest first; none: it was never told anything."""


class Roll:
    def __init__(self, own: str, known: Iterable[str], now: float) -> None:
        """`known`: those that a predecessor reckoned with. They are away until they come."""
        self._entries = {name: Entry(now) for name in {own, *known}}
        self._number = 0
        for entry in self._entries.values():
            entry.views.append(self.members())  # as the predecessor told them, as far as is known
        self._number = 1

    def __repr__(self) -> str:
        return f"<Roll #{self._number} {sorted(self._entries)} away={sorted(self.away)}>"

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    @property
    def routers(self) -> tuple[str, ...]:
        return tuple(sorted(self._entries))

    @property
    def away(self) -> tuple[str, ...]:
        return tuple(name for name, entry in self._entries.items() if entry.away_since is not None)

    def add(self, name: str, now: float) -> bool:
        """Whether it was not on the roll."""
        if name in self._entries:
            return False
        self._entries[name] = Entry(now)
        self._number += 1
        return True

    def drop(self, name: str) -> bool:
        """Whether it was on the roll. It uses nothing, or is taken not to."""
        if self._entries.pop(name, None) is None:
            return False
        self._number += 1
        return True

    def come(self, name: str) -> None:
        self._entries[name].away_since = None

    def cut_off(self, name: str, now: float) -> None:
        self._entries[name].away_since = now

    def members(self) -> Members:
        return Members(self._number, self.routers)

    def told(self, name: str, members: Members) -> None:
        self._entries[name].views.append(members)

    def confirmed(self, name: str, number: int) -> None:
        """It goes by this one, or a later one."""
        entry = self._entries.get(name)
        if entry is not None:
            entry.views = [view for view in entry.views if view.number >= number]

    def share(self, name: str, replica: str, slots: int) -> int:
        """What a router that is cut off may take for its share."""
        views = self._entries[name].views or [self.members()]
        return max(shares(replica, slots, view.routers).get(name, 0) for view in views)

    def away_for(self, name: str, now: float) -> float:
        """Seconds; 0: it is here."""
        since = self._entries[name].away_since
        return 0.0 if since is None else now - since

    def gone(self, now: float) -> list[str]:
        """Those that have been away for so long that they are to be dropped."""
        return [name for name in self.away if self.away_for(name, now) >= FORGET_S]
