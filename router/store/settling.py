"""Who has what only one may have, when more is wanted than there is: whoever has it already.

Pure. Files and resources settle by the same rules: what did not change stays in force; an edit that wants what another
one has is refused whole, and its last good content stays in force with all that it has; edits of what is in force come
before what is new, in the given order. Edits that come together may exchange what they have. A wish costs the same
however much is in force. Called by the stores.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
C = TypeVar("C")


class Settling(Generic[K, C]):
    """What is in force. No two of these claim the same."""

    def __init__(self, *, claims: Callable[[C], Iterable[str]], order: Callable[[C], Any]) -> None:
        """`claims` names each thing once; `order` is a sort key of who comes first where nobody has it yet."""
        self._claims = claims
        self._order = order
        self._in_force: dict[K, C] = {}
        self._holders: dict[str, K] = {}

    @property
    def in_force(self) -> Mapping[K, C]:
        return self._in_force

    def remove(self, key: K) -> None:
        """It is gone, and has nothing any more."""
        if (thing := self._in_force.pop(key, None)) is not None:
            for what in self._claims(thing):
                del self._holders[what]

    def settle(self, wishes: Mapping[K, C]) -> dict[K, tuple[K, ...]]:
        """`wishes` are all that is to be in force and is not: what was refused is wished for again each time.

        Returns whose wish is refused, and who has what it wants.
        """
        keys = sorted(wishes, key=lambda key: self._order(wishes[key]))
        before = {key: self._in_force[key] for key in keys if key in self._in_force}
        waiting: list[K] = []
        refused = self._exchange(before, wishes)
        while refused != waiting:  # who was accepted gave something up, for which another one may be waiting
            waiting, refused = refused, [key for key in refused if not self._offer(key, wishes[key])]
        refused += [key for key in keys if key not in before and not self._offer(key, wishes[key])]
        return {key: self._rivals(key, wishes[key]) for key in refused}

    def _exchange(self, before: Mapping[K, C], wishes: Mapping[K, C]) -> list[K]:
        """Takes edits as if all would succeed. Those that do not come back to what they had before."""
        for key in before:
            self.remove(key)
        back: set[K] = set()
        for key in before:
            if key not in back and not self._offer(key, wishes[key]):
                back |= self._take_back(key, before)
        return [key for key in before if key in back]

    def _take_back(self, key: K, before: Mapping[K, C]) -> set[K]:
        """Gives `key` what it had. Edits that were given it meanwhile come back, too; returns all who did."""
        back, coming = {key}, [key]
        while coming:
            key = coming.pop()
            for rival in self._rivals(key, before[key]):
                self.remove(rival)
                back.add(rival)
                coming.append(rival)
            self._take(key, before[key])
        return back

    def _rivals(self, key: K, thing: C) -> tuple[K, ...]:
        """Who has what this claims, each once."""
        holders = (self._holders.get(what, key) for what in self._claims(thing))
        return tuple(dict.fromkeys(holder for holder in holders if holder != key))

    def _offer(self, key: K, thing: C) -> bool:
        """Takes it, instead of what `key` had, if nobody else has what it claims."""
        if self._rivals(key, thing):
            return False
        self.remove(key)
        self._take(key, thing)
        return True

    def _take(self, key: K, thing: C) -> None:
        self._in_force[key] = thing
        self._holders.update(dict.fromkeys(self._claims(thing), key))

    def __repr__(self) -> str:
        return f"<Settling in_force={len(self._in_force)}>"
