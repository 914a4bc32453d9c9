"""This router as a member: what it may use of each replica, by leases, or by how it stands without a coordinator.

    Pod ◄─ lend, recall ── Member ◄── Lease, Recall, Renewed ── link
     └──── fell, wants ──►        ──── Bound, Demand, Heartbeat ──►

`limit` of a replica is set here and nowhere else: by leases while it is a member, by `router.core.standing` when it is
cut off. What the pod can be using is the limit, or what it has in use where that is more; the coordinator hears of it
when it falls. Links are brought by `router.coord.seeking`; the newest counts. One instance per process. Runs on the
event loop; all that it does is synchronous.

What it is told by one coordinator means nothing on the next link: it begins by saying all that it may use.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any, Final, Protocol

from router.coord.frames import (
    Goodbye,
    Heartbeat,
    Hello,
    Loads,
    Members,
    Message,
    NotLeading,
    Renewed,
    Welcome,
)
from router.coord.link import Link
from router.coord.terms import CUT_OFF_S, HEARTBEAT_S, LEASE_S, MARGIN_S, SILENT_S
from router.core.leases import Bound, Demand, Group, Lease, Recall
from router.core.sharing import shares
from router.core.standing import Membership, Standing, Turn

LOADS_S: Final = 0.1
"""Loads are sent at most so often."""

ROWS: Final = 500
"""Of loads in one message."""

Place = tuple[Group, str]

log = logging.getLogger("maitre.coordination")


class Pod(Protocol):
    """What this router's own workers have, and how they are told."""

    def lend(self, group: Group, replica: str, limit: int) -> None:
        """The workers may use so many slots of it, together. Of a replica that is not known yet: see `Member.limit`."""

    def recall(self, group: Group, hungry: int, yields: int) -> None:
        """Stands until the next one of this version: `router.core.leases.Recall`."""

    def in_use(self, group: Group, replica: str) -> int:
        """How many slots of it the workers can be using; 0 of a replica that is not known."""

    def replicas(self) -> Iterable[tuple[Group, str, int]]:
        """Each replica that is known, and its slots."""


class Member:
    """Implements `LinkOwner` for the link to the coordinator."""

    def __init__(
        self,
        name: str,
        pod: Pod,
        *,
        alone: bool,
        longest_s: Callable[[], float],
        now: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`alone`: no earlier process of this pod runs any more. `longest_s`: how long a request may hold a slot."""
        self.name = name
        self.turns: Counter[Standing] = Counter()
        """How often each standing was come to."""
        self._pod = pod
        self._alone = alone
        self._now = now
        self._loop = loop
        self._membership = Membership(LEASE_S, lambda: longest_s() + CUT_OFF_S + MARGIN_S, self._turned)
        self._members = Members(0, (name,))
        self._limits: dict[Place, int] = {}
        self._demands: dict[Group, Demand] = {}
        self._loads: dict[Group, Sequence[Any]] = {}
        self._loads_changed: dict[Group, None] = {}
        self._loads_sent_at = -inf
        self._loads_alarm: asyncio.TimerHandle | None = None
        self._shares: dict[tuple[str, int], int] = {}
        """By replica and slots, for the routers that are known now."""
        self._alarm: asyncio.TimerHandle | None = None
        # of the link
        self._link: Link | None = None
        self._members_seen = 0
        """The number of the newest `Members`."""
        self._seen: dict[Place, int] = {}
        """The number of the newest lease."""
        self._recalled: dict[Group, int] = {}
        self._sent_at: dict[int, float] = {}
        """When the heartbeats were sent that are not answered; none before the report."""
        self._heartbeats = 0
        self._answered_at = inf
        """When the newest heartbeat was sent that was answered, or the first one of this link."""

    def __repr__(self) -> str:
        return f"<Member {self.name} {self._membership!r} knows {len(self._members.routers)} routers>"

    def start(self) -> None:
        self._look()

    def stop(self) -> None:
        for alarm in (self._alarm, self._loads_alarm):
            if alarm is not None:
                alarm.cancel()

    # -- for the pod --------------------------------------------------------------------------------------------------

    @property
    def standing(self) -> Standing:
        return self._membership.standing

    @property
    def term_ends(self) -> float:
        """When this router may use no more than its share, by `now`; moves on with every answer of a coordinator."""
        return self._membership.term_ends

    @property
    def routers(self) -> tuple[str, ...]:
        """Those that this one knows of, itself among them."""
        return self._members.routers

    def limit(self, group: Group, replica: str) -> int:
        """What this router may use of a replica; to be asked when one becomes known."""
        return self._limits.get((group, replica), 0)

    def gave_up(self, group: Group, replica: str, limit: int) -> None:
        """This router uses no more than so many slots from now on, because it was asked to (`Pod.recall`)."""
        place = group, replica
        if limit < self._limits.get(place, 0):
            self._limits[place] = limit
            self._say_bound(place)

    def fell(self, group: Group, replica: str) -> None:
        """`Pod.in_use` has fallen."""
        self._say_bound((group, replica))

    def wants(self, demand: Demand) -> None:
        self._demands[demand.group] = demand
        if self._is_member:
            self._send(demand)

    def loaded(self, group: Group, numbers: Sequence[Any]) -> None:
        """What a version is burdened with here, for the leader; what is empty says that there is no such version."""
        if self._loads.get(group, ()) != numbers:
            self._loads[group] = numbers
            self._loads_changed[group] = None
            self._plan_loads()

    def goodbye(self) -> None:
        """Nothing is in use here any more, nor will be."""
        if self._link is not None:
            self._link.send(Goodbye())
            self._link.close("this router stops")

    # -- the link (`LinkOwner`) ---------------------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        before, self._link = self._link, link
        if before is not None:
            before.close("another connection")
            self._lost("another connection")
        self._members_seen = 0
        self._seen.clear()
        self._answered_at = inf
        link.send(Hello(self._alone))

    def received(self, link: Link, message: Message) -> None:
        if link is not self._link:
            return
        self._membership.tick(self._now())  # this process may have been stopped since
        match message:
            case Lease():
                self._leased(message)
            case Recall():
                self._recall(message)
            case Renewed(number):
                self._renewed(number)
            case Members():
                self._members, self._members_seen = message, message.number
                self._shares.clear()
            case Welcome():
                self._report()
            case NotLeading() | Goodbye():
                link.close("it does not lead")
            case _:
                link.close("it said what only a member says")

    def closed(self, link: Link, reason: str) -> None:
        if link is not self._link:
            return
        self._link = None
        self._lost(reason)

    def _lost(self, reason: str) -> None:
        self._sent_at.clear()
        for group in self._recalled:
            self._pod.recall(group, 0, 0)
        self._recalled.clear()
        if self.standing is not Standing.UNJOINED:
            log.warning("no connection to the coordinator", extra={"fields": {"reason": reason}})
        self._membership.lost(self._now())

    # -- what is said -------------------------------------------------------------------------------------------------

    @property
    def _is_member(self) -> bool:
        """It has reported, so what changes is to be said."""
        return self._link is not None and self._answered_at != inf

    def _send(self, message: Message) -> None:
        if self._link is not None:
            self._link.send(message)

    def _report(self) -> None:
        self._answered_at = self._now()
        self._membership.reported(self._answered_at)
        in_use = [(group, replica) for group, replica, _ in self._pod.replicas() if self._pod.in_use(group, replica)]
        for place in {**self._limits, **dict.fromkeys(in_use)}:
            self._say_bound(place)
        for demand in self._demands.values():
            self._send(demand)
        self._beat()
        self._loads_changed = dict.fromkeys(self._loads)
        self._plan_loads()

    def _beat(self) -> None:
        self._heartbeats += 1
        self._sent_at[self._heartbeats] = self._now()
        self._send(Heartbeat(self._heartbeats, self._members_seen))

    def _say_bound(self, place: Place) -> None:
        bound = max(self._limits.get(place, 0), self._pod.in_use(*place))
        if self._is_member:
            self._send(Bound(*place, self._seen.get(place, 0), bound))
        if not bound:
            self._limits.pop(place, None)

    def _plan_loads(self) -> None:
        if self._loads_alarm is None and self._is_member:
            wait = max(0.0, self._loads_sent_at + LOADS_S - self._now())
            self._loads_alarm = self._loop.call_later(wait, self._send_loads)

    def _send_loads(self) -> None:
        self._loads_alarm = None
        if not self._is_member:
            return
        self._loads_sent_at = self._now()
        rows = [[*group, *self._loads[group]] for group in self._loads_changed]
        for start in range(0, len(rows), ROWS):
            self._send(Loads(rows[start : start + ROWS]))
        self._loads_changed.clear()
        self._loads = {group: numbers for group, numbers in self._loads.items() if numbers}

    # -- what is heard ------------------------------------------------------------------------------------------------

    def _leased(self, lease: Lease) -> None:
        place = lease.group, lease.replica
        if self.standing is Standing.LEASED and lease.number > self._seen.get(place, 0):
            self._seen[place] = lease.number
            self._set(place, lease.limit)
            self._say_bound(place)

    def _recall(self, recall: Recall) -> None:
        if recall.number > self._recalled.get(recall.group, 0):
            self._recalled[recall.group] = recall.number
            self._pod.recall(recall.group, recall.hungry, recall.yields)

    def _renewed(self, number: int) -> None:
        sent_at = self._sent_at.pop(number, None)
        if sent_at is None:
            return
        for older in [older for older in self._sent_at if older < number]:
            del self._sent_at[older]
        self._answered_at = sent_at
        self._membership.renewed(sent_at, self._now())

    # -- how it stands ------------------------------------------------------------------------------------------------

    def _turned(self, turn: Turn) -> None:
        self.turns[turn.after] += 1
        fields = {"before": turn.before.value, "standing": turn.after.value, "routers": len(self._members.routers)}
        level = logging.INFO if turn.after is Standing.LEASED else logging.WARNING
        log.log(level, "this router stands otherwise with the coordinator", extra={"fields": fields})
        self._look_at_shares()

    def _look_at_shares(self) -> None:
        """KEEPING and SHARING hold of replicas that become known, too."""
        if self.standing is Standing.SHARING:
            for group, replica, slots in self._pod.replicas():
                self._set((group, replica), self._share(replica, slots))
        elif self.standing is Standing.KEEPING:
            known = {(group, replica): slots for group, replica, slots in self._pod.replicas()}
            for place, limit in list(self._limits.items()):
                self._set(place, min(limit, self._share(place[1], known.get(place, 0))))

    def _share(self, replica: str, slots: int) -> int:
        part = self._shares.get((replica, slots))
        if part is None:
            part = shares(replica, slots, {*self._members.routers, self.name})[self.name]
            self._shares[replica, slots] = part
        return part

    def _set(self, place: Place, limit: int) -> None:
        if limit == self._limits.get(place, 0):
            return
        self._limits[place] = limit
        self._pod.lend(*place, limit)

    def _look(self) -> None:
        """Once a second, and when the standing may change."""
        now = self._now()
        self._membership.tick(now)
        self._look_at_shares()
        if self._is_member and self._link is not None:
            if now - self._answered_at > SILENT_S:
                self._link.close(f"it was silent for {SILENT_S:g} s")
            else:
                self._beat()
        wait = min(HEARTBEAT_S, self._membership.due() - now)
        self._alarm = self._loop.call_later(max(0.0, wait), self._look)
