"""How a router stands with the coordinator, and so what it may use: a pure state machine of five named states.

    UNJOINED  nothing: it has not been a member yet
    LEASED    what it is leased: the coordinator answers
    HOLDING   what it was leased, and nothing more: no connection, but its term lasts
    KEEPING   of what it holds, its share and no more: its term has ended
    SHARING   its whole share: what others were leased of it must have ended

A term begins when a heartbeat that was answered was *sent*. TRANSITIONS is all there is; what it does not name changes
nothing. The shell (`router.coord.member`) tells what happens and asks `due` when to look at the clock again. A router's
share is `router.core.sharing.shares` over the routers that it knows of; docs/coordination.md has the diagram.

Only a lease, and the step to SHARING, ever raise what a router may use. So what it has reported stays true until it is
answered: a report takes SHARING back to KEEPING and begins the wait anew, because the coordinator that read it, and
whose answer was lost, need not reserve the share any more.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from math import inf
from typing import Final, NamedTuple


class Standing(Enum):
    UNJOINED = "unjoined"
    LEASED = "leased"
    HOLDING = "holding"
    KEEPING = "keeping"
    SHARING = "sharing"


class Happening(Enum):
    """What may change how a router stands; the value is what the diagram says."""

    RENEWED = "a heartbeat was answered"
    LOST = "the connection is lost"
    TERM_ENDED = "the term has ended"
    OTHERS_ENDED = "what others held has ended"
    REPORTED = "its bounds were reported, the answer is awaited"


TRANSITIONS: Final[dict[tuple[Standing, Happening], Standing]] = {
    (Standing.UNJOINED, Happening.RENEWED): Standing.LEASED,
    (Standing.LEASED, Happening.LOST): Standing.HOLDING,
    (Standing.LEASED, Happening.TERM_ENDED): Standing.KEEPING,
    (Standing.HOLDING, Happening.RENEWED): Standing.LEASED,
    (Standing.HOLDING, Happening.TERM_ENDED): Standing.KEEPING,
    (Standing.KEEPING, Happening.RENEWED): Standing.LEASED,
    (Standing.KEEPING, Happening.OTHERS_ENDED): Standing.SHARING,
    (Standing.SHARING, Happening.REPORTED): Standing.KEEPING,
}


class Turn(NamedTuple):
    """One change of standing."""

    before: Standing
    after: Standing
    at: float


class Membership:
    """One router's standing. Times are seconds of one clock of its own, which goes on while the machine is suspended.

    `turned` hears of each change, after it was made; it must not raise. `others_end_s` is how long after the end of its
    own term others may still use what they were leased of its share; asked when a term begins or a report is sent.
    """

    def __init__(self, term_s: float, others_end_s: Callable[[], float], turned: Callable[[Turn], None]) -> None:
        self.standing = Standing.UNJOINED
        self.term_ends = -inf
        """When it may use no more than its share, unless a heartbeat is answered before."""
        self._shares_at = inf
        self._term_s = term_s
        self._others_end_s = others_end_s
        self._turned = turned

    def __repr__(self) -> str:
        return f"<Membership {self.standing.value} term_ends={self.term_ends:g}>"

    def reported(self, sent_at: float) -> None:
        """All bounds were sent to a coordinator: until it has answered, nothing of them may rise."""
        self._happened(Happening.REPORTED, sent_at)
        self._wait_for_others(sent_at)

    def renewed(self, sent_at: float, now: float) -> None:
        """The heartbeat sent then was answered. One older than what is known changes nothing, nor does one too old."""
        self.tick(now)
        if sent_at + self._term_s <= max(self.term_ends, now):
            return
        self.term_ends = sent_at + self._term_s
        self._wait_for_others(sent_at)
        self._happened(Happening.RENEWED, now)

    def lost(self, now: float) -> None:
        """The connection to the coordinator is no more."""
        self._happened(Happening.LOST, now)
        self.tick(now)

    def tick(self, now: float) -> None:
        if self.term_ends <= now:
            self._happened(Happening.TERM_ENDED, now)
        if self._shares_at <= now:
            self._happened(Happening.OTHERS_ENDED, now)

    def due(self) -> float:
        """When `tick` has something to do; inf: never, unless something happens."""
        if self.standing in (Standing.LEASED, Standing.HOLDING):
            return self.term_ends
        return self._shares_at if self.standing is Standing.KEEPING else inf

    def _wait_for_others(self, since: float) -> None:
        self._shares_at = since + self._term_s + self._others_end_s()

    def _happened(self, what: Happening, now: float) -> None:
        before = self.standing
        after = TRANSITIONS.get((before, what), before)
        if after is not before:
            self.standing = after
            self._turned(Turn(before, after, now))


def diagram() -> str:
    """TRANSITIONS as a state diagram of mermaid."""
    names = {standing: standing.value.capitalize() for standing in Standing}
    arrows = [f"  {names[a]} --> {names[b]}: {what.value}" for (a, what), b in TRANSITIONS.items()]
    return "\n".join(["stateDiagram-v2", f"  [*] --> {names[Standing.UNJOINED]}", *arrows])
