"""Who has what only one may have, when edits want more of it than there is: whoever has it already.

Pure. Files and resources settle by the same rules: what did not change stays in force; an edit that wants what another
one has is refused whole, and its last good content stays in force with all that it has; edits of what is in force come
before what is new, in the given order. Two edits that come together may exchange what they have. Called by the stores.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Settled(Generic[K, C]):
    in_force: dict[K, C]
    """No two of these claim the same."""
    refused: dict[K, tuple[K, ...]]
    """Whose wish was refused, and who has what it wants."""


def settle(
    wanted: Mapping[K, C],
    in_force: Mapping[K, C],
    *,
    claims: Callable[[C], Iterable[str]],
    order: Callable[[C], Any],
) -> Settled[K, C]:
    """`in_force` is of an earlier result. What is not wanted any more has nothing any more."""
    kept = {key: thing for key, thing in in_force.items() if key in wanted}
    changed = [key for key, thing in wanted.items() if kept.get(key) is not thing]
    if not changed:
        return Settled(kept, {})
    changed.sort(key=lambda key: order(wanted[key]))
    edited, new = [key for key in changed if key in kept], [key for key in changed if key not in kept]

    table = _Table(kept, claims)
    waiting = table.exchange({key: wanted[key] for key in edited})
    while still := [key for key in waiting if not table.offer(key, wanted[key])]:
        if still == waiting:
            break
        waiting = still  # what has been accepted gave something up, which may be what another one waits for
    waiting = [*still, *(key for key in new if not table.offer(key, wanted[key]))]
    return Settled(table.things, {key: table.rivals(key, wanted[key]) for key in waiting})


class _Table(Generic[K, C]):
    """Who has what. `kept` is what each may always come back to."""

    def __init__(self, kept: Mapping[K, C], claims: Callable[[C], Iterable[str]]) -> None:
        self._kept = kept
        self._claims = claims
        self.things = dict(kept)
        self._holders = {what: key for key, thing in kept.items() for what in claims(thing)}

    def rivals(self, key: K, thing: C) -> tuple[K, ...]:
        """Who has what this claims, each once."""
        holders = (self._holders.get(what, key) for what in self._claims(thing))
        return tuple(dict.fromkeys(holder for holder in holders if holder != key))

    def offer(self, key: K, thing: C) -> bool:
        """Takes it if nobody has what it claims, instead of what `key` had."""
        if self.rivals(key, thing):
            return False
        self._release(key)
        self._take(key, thing)
        return True

    def exchange(self, edits: Mapping[K, C]) -> list[K]:
        """Takes the edits as if all of them would succeed; those that do not come back to what they had."""
        for key in edits:
            self._release(key)
        refused: set[K] = set()
        for key, thing in edits.items():
            if key not in refused and not self.offer(key, thing):
                refused |= self._take_back(key)
        return [key for key in edits if key in refused]

    def _take_back(self, key: K) -> set[K]:
        """Gives `key` what it had, which others may have been given meanwhile; returns all who had to come back."""
        back, coming = {key}, [key]
        while coming:
            key = coming.pop()
            thing = self._kept[key]
            for rival in self.rivals(key, thing):
                self._release(rival)
                back.add(rival)
                coming.append(rival)
            self._take(key, thing)
        return back

    def _take(self, key: K, thing: C) -> None:
        self.things[key] = thing
        self._holders.update(dict.fromkeys(self._claims(thing), key))

    def _release(self, key: K) -> None:
        if (thing := self.things.pop(key, None)) is not None:
            for what in self._claims(thing):
                del self._holders[what]
