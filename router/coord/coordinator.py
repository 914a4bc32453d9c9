"""The coordinator: leases the slots of all replicas to the routers of the cluster, its own among them, while it leads.

    begin ─► Roll, LeaseTable ──Lease, Recall──► links ─► members
                   ▲ ◄──── Bound, Demand, Heartbeat ──────┘

- A router is leased nothing before its name stands in the Lease (`recorded`), where the next leader will find it.
- It comes with all bounds that it has, by its own word, and its first heartbeat; they replace what was known of it.
- Cut off, it keeps what it has: all of it until its term and its longest request have ended, then its share, until it
  is back, known to be dead, or forgotten. The others are asked for its share unless it is back within MEET_S.
- A fresh coordinator gives nothing before all that its predecessor had listed have come, or must have ended.

Leads or not, it answers; not leading, only who does. One instance per process, made by the composition root, which
tells it when this process leads and what replicas there are. Runs on the event loop; all that it does is synchronous.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import Any, Final, Protocol

from router.coord.frames import (
    Goodbye,
    Heartbeat,
    Hello,
    Loads,
    Message,
    NotLeading,
    Renewed,
    Welcome,
)
from router.coord.identity import pod_of
from router.coord.link import Link
from router.coord.roll import Roll
from router.coord.terms import LEASE_S, MARGIN_S, MEET_S, SILENT_S
from router.core.lease_outbox import Effect
from router.core.lease_table import LeaseTable
from router.core.leases import Bound, Demand, Group, Lease, Recall
from router.core.sharing import preference

LOOK_S: Final = 0.25
"""How often it looks for who is silent, listed by now, or to be forgotten."""

Place = tuple[Group, str]

log = logging.getLogger("maitre.coordination")


class Office(Protocol):
    """What comes with leading; `router.coord.leader.Leader` has it."""

    @property
    def leading(self) -> bool:
        """Now, by the clock."""

    @property
    def address(self) -> str:
        """Where the one who leads coordinates, as far as is known; empty: nobody known."""

    @property
    def recorded(self) -> Collection[str]:
        """The routers that the Lease lists."""

    def announce(self, routers: Collection[str]) -> None:
        """Have the Lease list these instead, within a second or so."""


class _Peer:
    """A link, and what its other end has said so far."""

    def __init__(self, link: Link, now: float) -> None:
        self.link = link
        self.alone = False
        self.is_new = False
        """It was not on the roll, so it uses nothing before it has joined."""
        self.heard_at = now
        self.asked_at: float | None = None
        """When it was asked for its report; None: it has not said hello."""
        self.first: Heartbeat | None = None
        """Its report is complete."""
        self.joined = False
        self.joined_with = 0
        """The number that its report has for the table; every lease on this link has a greater one."""
        self.report: dict[Place, int] = {}
        self.demands: dict[Group, Demand] = {}

    def __repr__(self) -> str:
        return f"<Peer {self.link.peer} joined={self.joined}>"


class Coordinator:
    """Implements `LinkOwner` for the links on which members are."""

    def __init__(
        self,
        name: str,
        office: Office,
        *,
        longest_s: Callable[[Group], float],
        loaded: Callable[[str, Sequence[Any]], None],
        now: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`longest_s`: how long a request of this version may hold a slot. `loaded(router, rows)`: what one reports."""
        self.name = name
        self._office = office
        self._longest_s = longest_s
        self._loaded = loaded
        self._now = now
        self._loop = loop
        self._slots: dict[Place, int] = {}
        self._peers: dict[Link, _Peer] = {}
        self._members: dict[str, _Peer] = {}
        """Those that said hello, by name; the newest connection of each."""
        self._table: LeaseTable | None = None
        self._roll = Roll(name, (), now())
        self._shares_from: dict[str, dict[Group, float]] = {}
        """When a router that is cut off uses no more than its share."""
        self._reserved: set[str] = set()
        """Routers that are away and whose share is seen to."""
        self._alarm: asyncio.TimerHandle | None = None
        self._look_alarm: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Coordinator {self.name} {self._roll!r} {self._table!r}>"

    @property
    def routers(self) -> Collection[str]:
        """All that may be using slots; of use only while this router leads."""
        return self._roll.routers

    @property
    def away(self) -> Collection[str]:
        """The other routers that may be using slots, and are not here; nobody, while this router does not lead."""
        return [name for name in self._roll.away if name != self.name] if self._table is not None else []

    # -- leading ------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """This process leads from now on. Whoever the Lease lists may have slots."""
        now = self._now()
        known = {*self._office.recorded, self.name}
        table = self._table = LeaseTable(preference)
        self._roll = Roll(self.name, known, now)
        self._shares_from.clear()
        self._reserved.clear()
        longest = max((self._longest_s(group) for group, _ in self._slots), default=0.0)
        table.unknown_until(now + LEASE_S + longest + MARGIN_S, known)
        for (group, replica), slots in self._slots.items():
            table.add_replica(group, replica, slots, now)
        self._office.announce(self._roll.routers)
        self._look()

    def end(self) -> None:
        """It leads no more: nothing more is given, and all are told."""
        self._table = None
        for alarm in (self._alarm, self._look_alarm):
            if alarm is not None:
                alarm.cancel()
        for peer in list(self._peers.values()):
            if peer.asked_at is not None:
                peer.link.send(Goodbye())
            peer.link.close("this router leads no more")
        self._members.clear()

    def died(self, name: str) -> None:
        """This router is known to use nothing any more."""
        if self._table is None or not self._roll.drop(name):
            return
        log.info("a router is gone", extra={"fields": {"router": name}})
        self._shares_from.pop(name, None)
        self._reserved.discard(name)
        if (peer := self._members.pop(name, None)) is not None:
            peer.link.close("it is known to be gone")
        self._perform(self._table.dead(name, self._now()))
        self._roll_changed()

    # -- replicas -----------------------------------------------------------------------------------------------------

    def resize(self, group: Group, replica: str, slots: int) -> None:
        """A replica with so many slots, new or known."""
        new = (group, replica) not in self._slots
        self._slots[group, replica] = slots
        if self._table is None:
            return
        effects = list(self._table.resize(group, replica, 0, self._now())) if new else []
        for name in self._reserved:  # first, so that nobody else gets it
            effects += self._reserve(name, {(group, replica): slots})
        effects += self._table.resize(group, replica, slots, self._now())
        self._perform(effects)

    def remove_replica(self, group: Group, replica: str) -> None:
        self._slots.pop((group, replica), None)
        if self._table is not None:
            self._perform(self._table.remove_replica(group, replica, self._now()))

    # -- links (`LinkOwner`) ------------------------------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        self._peers[link] = _Peer(link, self._now())

    def received(self, link: Link, message: Message) -> None:
        peer = self._peers.get(link)
        if peer is None:
            return
        if self._table is None or not self._office.leading:
            link.send(NotLeading(self._office.address))
            link.close("this router does not lead")
        elif isinstance(message, Hello) != (peer.asked_at is None):
            link.close("a hello comes first, and once")
        elif isinstance(message, Hello):
            self._welcome(peer, message)
        elif peer.joined:
            self._heard(self._table, peer, message)
        else:
            self._reported(peer, message)

    def closed(self, link: Link, reason: str) -> None:
        peer = self._peers.pop(link, None)
        if peer is None or self._members.get(link.peer) is not peer:
            return
        del self._members[link.peer]
        if peer.joined:
            self._cut_off(peer, reason)
        elif peer.is_new:
            self.died(link.peer)

    # -- a member comes -----------------------------------------------------------------------------------------------

    def _welcome(self, peer: _Peer, hello: Hello) -> None:
        name, now = peer.link.peer, self._now()
        before = self._members.get(name)
        self._members[name] = peer
        if before is not None and before is not peer:
            if before.joined:
                self._cut_off(before, "it came again")
            before.link.close("it came again")
        added = self._roll.add(name, now)
        peer.is_new = added or (before is not None and before.is_new and not before.joined)
        peer.alone = hello.alone
        peer.asked_at = now
        peer.link.send(Welcome(LEASE_S))
        if added:
            self._roll_changed()
        else:
            self._tell_members(peer)

    def _reported(self, peer: _Peer, message: Message) -> None:
        """Its bounds, and then the first heartbeat. A report that comes late may be out of date."""
        if self._now() - (peer.asked_at or 0.0) > SILENT_S:
            peer.link.close("its report came too late")
        elif isinstance(message, Bound):
            peer.report[message.group, message.replica] = message.bound
        elif isinstance(message, Demand):
            peer.demands[message.group] = message
        elif isinstance(message, Heartbeat) and peer.first is None:
            peer.first = message
            self._admit(peer)
        elif isinstance(message, Loads):
            self._loaded(peer.link.peer, message.rows)

    def _admit(self, peer: _Peer) -> None:
        """Once the Lease lists it."""
        table, name, now = self._table, peer.link.peer, self._now()
        if table is None or peer.first is None or name not in self._office.recorded:
            return
        peer.joined = True
        peer.heard_at = now
        stale = {place: 0 for place in self._slots if table.ceiling(name, *place)}
        peer.joined_with = table.number + 1
        effects = self._set_ceilings(table, name, stale | peer.report)
        effects += table.join(name, now)
        for demand in peer.demands.values():
            effects += table.demand(name, demand, now)
        self._roll.come(name)
        self._shares_from.pop(name, None)
        self._reserved.discard(name)
        self._renew(peer, peer.first)
        self._perform(effects)
        if peer.alone:
            for other in self._roll.routers:
                if other != name and pod_of(other) == pod_of(name):
                    self.died(other)
        log.info("a router has joined", extra={"fields": {"router": name, "replicas_used": len(peer.report)}})

    def _heard(self, table: LeaseTable, peer: _Peer, message: Message) -> None:
        name, now = peer.link.peer, self._now()
        match message:
            case Heartbeat():
                peer.heard_at = now
                self._renew(peer, message)
            case Bound():
                number = max(message.number, peer.joined_with)
                self._perform(table.bound(name, message._replace(number=number), now))
            case Demand():
                self._perform(table.demand(name, message, now))
            case Loads(rows):
                self._loaded(name, rows)
            case Goodbye():
                self.died(name)
            case _:
                peer.link.close("it said what only a coordinator says")

    def _renew(self, peer: _Peer, heartbeat: Heartbeat) -> None:
        self._roll.confirmed(peer.link.peer, heartbeat.members)
        peer.link.send(Renewed(heartbeat.number))

    # -- a member is away ---------------------------------------------------------------------------------------------

    def _cut_off(self, peer: _Peer, reason: str) -> None:
        if self._table is None:
            return
        name, now = peer.link.peer, self._now()
        log.warning("a router is cut off", extra={"fields": {"router": name, "reason": reason}})
        self._roll.cut_off(name, now)
        groups = {group for group, _ in self._slots}
        self._shares_from[name] = {
            group: peer.heard_at + LEASE_S + self._longest_s(group) + MARGIN_S for group in groups
        }
        self._perform(self._table.silent(name, now, lambda _: inf))

    def _see_to_the_away(self, now: float) -> None:
        """Who is away for a moment only finds everything as it was."""
        for name in self._roll.gone(now):
            self.died(name)
        for name in self._roll.away:
            if name not in self._reserved and self._roll.away_for(name, now) >= MEET_S:
                self._reserved.add(name)
                self._perform(self._reserve(name, self._slots))
        for name, groups in self._shares_from.items():
            for group in [group for group, at in groups.items() if at <= now]:
                del groups[group]
                self._perform(self._confine(name, group))

    def _reserve(self, name: str, slots: dict[Place, int]) -> list[Effect]:
        """See that a router that is away can have its share; what it has beyond that is left to it."""
        table = self._table
        if table is None:
            return []
        parts = {place: self._roll.share(name, place[1], count) for place, count in slots.items()}
        wanting = {place: part for place, part in parts.items() if part > table.ceiling(name, *place)}
        return self._set_ceilings(table, name, wanting)

    def _confine(self, name: str, group: Group) -> list[Effect]:
        """Its term and its longest request have ended: it uses its share, and no more."""
        table = self._table
        if table is None:
            return []
        shares = {
            place: self._roll.share(name, place[1], slots)
            for place, slots in self._slots.items()
            if place[0] == group and table.ceiling(name, *place)
        }
        return self._set_ceilings(table, name, shares)

    # -- within -------------------------------------------------------------------------------------------------------

    def _set_ceilings(self, table: LeaseTable, name: str, ceilings: dict[Place, int]) -> list[Effect]:
        """What it uses at most is known, whatever it was leased: no lease that it has not seen reaches it any more."""
        number, now = table.number + 1, self._now()
        bounds = [Bound(group, replica, number, most) for (group, replica), most in ceilings.items()]
        effects = list(table.adopt(name, bounds, now))
        for bound in bounds:
            effects += table.bound(name, bound, now)
        return effects

    def _perform(self, effects: Sequence[Effect]) -> None:
        for name, message in effects:
            self._tell(name, message)
        due = self._table.due() if self._table is not None else None
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        if due is not None and due != inf:
            self._alarm = self._loop.call_later(max(0.0, due - self._now()), self._on_alarm)

    def _tell(self, name: str, message: Lease | Recall) -> None:
        peer = self._members.get(name)
        if peer is not None and peer.joined and self._office.leading:
            peer.link.send(message)

    def _on_alarm(self) -> None:
        if self._table is not None:
            self._perform(self._table.tick(self._now()))

    def _look(self) -> None:
        if self._table is None:
            return
        now = self._now()
        for peer in list(self._peers.values()):
            if not peer.joined:
                self._admit(peer)
            if now - peer.heard_at > SILENT_S:
                peer.link.close(f"it was silent for {SILENT_S:g} s")
        self._see_to_the_away(now)
        self._look_alarm = self._loop.call_later(LOOK_S, self._look)

    def _roll_changed(self) -> None:
        self._office.announce(self._roll.routers)
        for peer in self._members.values():
            self._tell_members(peer)

    def _tell_members(self, peer: _Peer) -> None:
        members = self._roll.members()
        if peer.link.peer in self._roll:
            self._roll.told(peer.link.peer, members)
        peer.link.send(members)
