"""Who leads among router pods: one candidate's part of the election by a Lease, as a pure state machine.

`Election` is asked for the next `step`, and told what came of it: `found` after a Read, `accepted` or `conflicted`
after a Write. A step of which nothing is told got no answer. The record that the candidates share is a Lease of
coordination.k8s.io/v1; names and rules are those of client-go's `tools/leaderelection` where they fit.

What it promises: at no time do two candidates lead, if the API server compares versions and no clock runs more than
10 % too fast or too slow (3 s / 0.9 < 4 s / 1.1). Nothing else about clocks is assumed: they need not agree, and no
timestamp of the Lease is looked at (a `Record` has none). It rests on these rules:

- A write names the version that it replaces. Of several for one version the API server accepts one.
- A leader's term begins before its last accepted write was *sent* and lasts RENEW_DEADLINE_S. A write without an answer
  counts as not made for leading, and as possibly made for everything else: what is there is read first, then.
- A follower writes over another one's record only when that has not changed for a whole DURATION_S of its own clock,
  counted from when the *answer* was there that first showed it. So the holder's term began earlier, and is over.
- Where there is no Lease, somebody may have deleted it under a leader. So it is made in the name of an UNKNOWN holder,
  who is then waited out like any other.
- A free record (no holder) is taken at once. Whoever frees it must have ended what only a leader may do; a foreign hand
  that frees it under a leader is not defended against.

Times are seconds of one clock of the candidate's own, `u` is uniform in [0, 1). Called by `router.coord.leader` only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Final

DURATION_S: Final = 4
"""How long followers wait for a silent holder (client-go's LeaseDuration; 15 s in Kubernetes' own components). With the
follower's pause before it, a killed leader is replaced within 4.75 s and two calls: 5 s are promised. Whole seconds,
because the Lease's field is an integer."""

RENEW_DEADLINE_S: Final = 3.0
"""How long a leader goes on without an accepted write (client-go's RenewDeadline; 10 s of 15 in Kubernetes' own
components). The second that is missing to DURATION_S pays for clocks of different rates, and for what the leader sent
in the last moment and arrives a little later."""

RENEW_S: Final = 1.0
"""From one renewal to the next: two more attempts fit before the deadline if one is lost."""

RETRY_S: Final = 0.5
RETRY_JITTER: Final = 0.5
"""A follower's pause, and that after a failure: 0.5 to 0.75 s, so that candidates do not march in step (client-go's
RetryPeriod and JitterFactor). It adds to the takeover, so it is shorter than the leader's."""

FREE: Final = ""
"""The holder of a record that nobody holds."""

UNKNOWN: Final = "unknown"
"""The holder in whose name a Lease is made: one that may have led by a Lease that was deleted."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the candidates tell one another (client-go's LeaderElectionRecord, without its timestamps)."""

    holder: str
    duration_s: int = DURATION_S
    transitions: int = 0
    """How many times another one became the holder."""
    address: str = ""
    """Where the holder coordinates slots; empty: there is no holder, or it has not said."""
    routers: tuple[str, ...] = ()
    """Who may be using slots. It outlives the holder: the next one begins with it."""


@dataclass(frozen=True, slots=True)
class Version:
    """One state of one Lease: what a write names to replace exactly that. The uid tells a Lease that was made anew."""

    uid: str
    revision: str


@dataclass(frozen=True, slots=True)
class Read:
    """Read the Lease."""


@dataclass(frozen=True, slots=True)
class Write:
    """Put `record` in the place of the version `under`; None: make the Lease, there is none."""

    record: Record
    under: Version | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done before that time."""

    until: float


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do for one who resigned."""


Step = Read | Write | Wait | Done


@dataclass(frozen=True, slots=True)
class _Seen:
    """What stood in the Lease when last heard of it (None: there was none), and since when it is known to."""

    record: Record | None
    version: Version | None
    since: float

    def held_by_another(self, identity: str) -> bool:
        """Whether it has to be waited out before it may be replaced."""
        return self.record is not None and self.record.holder not in (FREE, identity)

    @property
    def silent_at(self) -> float:
        """When a holder that shows no change until then leads no more: by the longer of its duration and ours."""
        return self.since + max(DURATION_S, self.record.duration_s if self.record else 0)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A write under way, and the time before it was sent."""

    write: Write
    at: float


class Election:
    """One candidate. `identity` must be of this process alone: one that was started again is another candidate.

    `address` is where others find this one while it leads, to share out slots; empty: it does not coordinate.
    """

    def __init__(self, identity: str, address: str = "") -> None:
        self.identity = identity
        self.address = address
        self.announced: tuple[str, ...] | None = None
        """The routers that the leader wants listed; None: it has not said. Forgotten with its term."""
        self.routers: tuple[str, ...] = ()
        """Those that the Lease listed when last heard of it."""
        self._seen: _Seen | None = None
        self._certain = False
        """Whether nothing of ours may have changed the Lease since it was seen."""
        self._sent: _Sent | None = None
        self._due = -inf
        """When the next regular step may be made."""
        self._term_ends = -inf
        self._resigned = False

    def __repr__(self) -> str:
        holder = repr(self.holder) if self._certain else "?"
        return f"<Election {self.identity} holder={holder} term_ends={self._term_ends:g}>"

    def leads(self, now: float) -> bool:
        """Whether this candidate is the one leader at `now`."""
        return now < self._term_ends

    @property
    def term_ends(self) -> float:
        """When `leads` turns False unless a write is accepted before; -inf without a term."""
        return self._term_ends

    @property
    def holder(self) -> str:
        """Who held the Lease when last heard of it."""
        return self._seen.record.holder if self._seen and self._seen.record else FREE

    @property
    def leader_address(self) -> str:
        """Where the holder coordinates, as far as the Lease said when last heard of it."""
        return self._seen.record.address if self._seen and self._seen.record else ""

    @property
    def transitions(self) -> int:
        """The Lease's own count of changes of its holder, when last heard of it."""
        return self._seen.record.transitions if self._seen and self._seen.record else 0

    def step(self, now: float, u: float) -> Step:
        """What to do at `now`, read before it is done. Ends the wait for the answer to the step before."""
        self._sent = None
        if self._resigned:
            return self._step_back(now)
        write_at = self._write_at()
        if write_at <= now:
            self._due = now + _pause_s(u)
            if not self.leads(now):
                self.announced = None
            return self._send(self._claim(), now)
        if self._due <= now:
            self._due = now + _pause_s(u)
            return Read()
        return Wait(min(write_at, self._due))

    def found(self, record: Record | None, version: Version | None, now: float) -> None:
        """A Read showed this (None: no Lease). `now` must be read after the answer was there."""
        if self._seen is None or self._seen.version != version:
            self._seen = _Seen(record, version, since=now)
        self._certain = True
        if record is not None:
            self.routers = record.routers
        if record is None or record.holder != self.identity:
            self._term_ends = -inf
        if not self._seen.held_by_another(self.identity):
            self._due = now

    def accepted(self, version: Version) -> None:
        """The Write was made, and this is its version."""
        if self._sent is None:
            return
        write, at = self._sent.write, self._sent.at
        self._sent = None
        if write.under is None:
            self._due = at  # to be read at once: the unknown holder is timed from when it stood for sure
            return
        self._seen = _Seen(write.record, version, since=at)
        self.routers = write.record.routers
        self._certain = True
        # A write that changed nothing has no new version. Followers did not see it, so it renews nothing.
        if not self._resigned and version != write.under:
            self._due = at + RENEW_S
            self._term_ends = at + RENEW_DEADLINE_S

    def conflicted(self) -> None:
        """The Write was not made: the Lease was not as expected. What was known is forgotten, timing starts anew."""
        self._sent = None
        self._seen = None

    def resign(self) -> None:
        """Lead no more, for good. From now on steps only free the Lease, if it is ours, until Done."""
        self._term_ends = -inf
        self._resigned = True

    def _step_back(self, now: float) -> Step:
        if not self._certain:
            return Read()
        if self._seen is None or self._seen.record is None or self._seen.record.holder != self.identity:
            return Done()
        routers = self._seen.record.routers if self.announced is None else self.announced
        return self._send(replace(self._seen.record, holder=FREE, address="", routers=routers), now)

    def _write_at(self) -> float:
        """When a write may be made on what is known; inf if that is not certain."""
        if self._seen is None or not self._certain:
            return inf
        return self._seen.silent_at if self._seen.held_by_another(self.identity) else self._due

    def _claim(self) -> Record:
        """The record that makes us holder, or keeps us so; but first, one for somebody to be holder of."""
        if self._seen is None or self._seen.record is None:
            return Record(UNKNOWN, routers=self.routers)
        transitions = self.transitions + (self.holder != self.identity)
        return Record(self.identity, transitions=transitions, address=self.address, routers=self._listed())

    def _listed(self) -> tuple[str, ...]:
        """Until it has announced anything: who was listed, and itself, if it coordinates at all."""
        if self.announced is not None:
            return self.announced
        return tuple(sorted({*self.routers, self.identity})) if self.address else self.routers

    def _send(self, record: Record, now: float) -> Write:
        write = Write(record, self._seen.version if self._seen else None)
        self._sent = _Sent(write, now)
        self._certain = False
        return write


def _pause_s(u: float) -> float:
    return RETRY_S * (1 + RETRY_JITTER * u)
