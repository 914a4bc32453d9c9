"""This router among the others of a cluster: its slots are leased to it by whoever leads, to whom it tells its load.

    Crew ─► known, bound_fell, wants, loaded ─► Coordination ─► Member ─► link ─► Coordinator of the router that leads
    Crew ◄─ lend, recall ◄───────────────────── Coordination ◄─ Member ◄──────────┘
    Allotment ◄─ others_loaded ◄─────────────── Coordination ◄─ own Coordinator, while this router leads

Implements the crew's `Upper` and the member's `Pod`. Made by `cluster`, which runs it and says who leads.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import socket
import stat
from collections.abc import Callable, Iterable, Sequence
from math import inf, isclose
from pathlib import Path
from typing import Any, Final

from router.coord.coordinator import Coordinator, Office
from router.coord.elapsed import elapsed_s
from router.coord.handshake import Key
from router.coord.member import Member
from router.coord.seeking import Seeking
from router.coord.server import CoordinationServer
from router.core.leases import Demand, Group
from router.core.standing import Standing
from router.errors import CoordinationKeyRefused
from router.serving.crew import Crew
from router.serving.messages import Load
from router.serving.router_loads import RouterLoads
from router.telemetry.source import CoordinationReading

TELL_S: Final = 0.1
"""Between two looks at the loads that have changed: 10 Hz."""
TELL_OWN_S: Final = 1.0
"""Between two times that the load of the router itself is told."""
ITSELF: Final[Group] = ("", "")
"""In place of a version, for the load of the router itself: no endpoint is called so."""
LOOK_S: Final = 0.25

log = logging.getLogger("maitre.coordination")


class Coordination:
    def __init__(
        self,
        name: str,
        crew: Crew,
        office: Office,
        key: Key,
        bound: socket.socket,
        loads: RouterLoads,
        *,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float],
    ) -> None:
        """`bound` is the coordination port. `now` is the clock of the workers; terms go by `elapsed_s`."""
        self._crew = crew
        self._office = office
        self._bound = bound
        self._loads = loads
        self._loop = loop
        self._now = now
        self._dirty: dict[Group, None] = {}
        self._term_ends = inf
        """As the workers were told."""
        self._others: set[str] = set()
        """Routers whose loads count here."""
        self.coordinator = Coordinator(
            name, office, longest_s=crew.longest_s, loaded=self._others_loaded, now=elapsed_s, loop=loop
        )
        self.member = Member(name, self, alone=True, longest_s=self._longest_s, now=elapsed_s, loop=loop)
        self._server = CoordinationServer(self.coordinator, key, random_bytes=secrets.token_bytes, loop=loop)
        self._seeking = Seeking(
            self.member,
            self.coordinator,
            office,
            key,
            random_bytes=secrets.token_bytes,
            draw=random.random,
            loop=loop,
        )
        crew.lease_from(self)

    async def run(self) -> None:
        """Until cancelled."""
        await self._server.start_on(self._bound)
        self.member.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._seeking.run(), name="coordinator")
                tasks.create_task(self._tell_loads(), name="loads of this router")
                tasks.create_task(self._tell_own_load(), name="load of this router itself")
                tasks.create_task(self._mind_others(), name="loads of the other routers")
        finally:
            self.member.stop()
            await self._server.close()

    def lead(self, leading: bool) -> None:
        """Whether this router leads from now on."""
        if leading:
            self.coordinator.begin()
        else:
            self.coordinator.end()
            self._forget_others(set(self._others))

    async def joined(self) -> None:
        """Returns when this router is a member for the first time."""
        while self.member.standing is Standing.UNJOINED:  # noqa: ASYNC110  once, at the start
            await asyncio.sleep(LOOK_S / 5)

    def goodbye(self) -> None:
        """Nothing is in use here any more: others may have it at once."""
        self.member.goodbye()

    def reading(self) -> CoordinationReading:
        return CoordinationReading(
            self.member.standing.value,
            {standing.value: self.member.turns[standing] for standing in Standing},
            len(self.member.routers),
        )

    # -- what the crew says (`Upper`) --------------------------------------------------------------------------------

    def known(self, group: Group, replica: str, slots: int) -> int:
        self.coordinator.resize(group, replica, slots)
        return self.member.limit(group, replica)

    def gone(self, group: Group, replica: str) -> None:
        self.coordinator.remove_replica(group, replica)

    def bound_fell(self, group: Group, replica: str, bound: int) -> None:
        if bound < self.member.limit(group, replica):
            self.member.gave_up(group, replica, bound)
        else:
            self.member.fell(group, replica)

    def wants(self, demand: Demand) -> None:
        self.member.wants(demand)

    def loaded(self, group: Group) -> None:
        self._dirty[group] = None

    @property
    def unheard(self) -> int:
        return len(self.coordinator.away)

    # -- what the member says (`Pod`) --------------------------------------------------------------------------------

    def lend(self, group: Group, replica: str, limit: int) -> None:
        allotment = self._crew.allotment(group)
        if allotment is not None and allotment.has(replica):
            self._crew.lend(group, replica, limit)

    def recall(self, group: Group, hungry: int, yields: int) -> None:
        if self._crew.allotment(group) is not None:
            self._crew.recall(group, hungry, yields)

    def in_use(self, group: Group, replica: str) -> int:
        return self._crew.in_use(group, replica)

    def replicas(self) -> Iterable[tuple[Group, str, int]]:
        return self._crew.replicas()

    # -- loads -------------------------------------------------------------------------------------------------------

    async def _tell_loads(self) -> None:
        while True:
            dirty, self._dirty = self._dirty, {}
            for group in dirty:
                allotment = self._crew.allotment(group)
                self.member.loaded(group, () if allotment is None else _numbers(allotment.here()))
            await asyncio.sleep(TELL_S)

    async def _tell_own_load(self) -> None:
        while True:
            numbers = self._loads.said(self._now())
            if numbers is not None:
                self.member.loaded(ITSELF, numbers)
            await asyncio.sleep(TELL_OWN_S)

    def _others_loaded(self, router: str, rows: Sequence[Any]) -> None:
        if router == self.member.name:
            return
        self._others.add(router)
        for endpoint, version, *numbers in rows:
            if (endpoint, version) == ITSELF:
                self._loads.heard(router, numbers, self._now())
                continue
            allotment = self._crew.allotment((endpoint, version))
            if allotment is not None:
                before = allotment.queued_elsewhere(router)
                allotment.others_loaded(router, _load((endpoint, version), numbers))
                if allotment.queued_elsewhere(router) > before:
                    self._crew.rose(allotment)

    async def _mind_others(self) -> None:
        """Who is cut off may serve on with its share: its last word counts until it is known or taken to be gone."""
        while True:
            self._tell_term()
            self._forget_others(self._others.difference(self.coordinator.routers))
            await asyncio.sleep(LOOK_S)

    def _tell_term(self) -> None:
        """While it holds leases of others, its workers may use them for as long as the term lasts, and no longer."""
        ends = inf
        if self.member.standing in (Standing.LEASED, Standing.HOLDING):
            ends = self._now() + self.member.term_ends - elapsed_s()
        if not isclose(ends, self._term_ends, abs_tol=LOOK_S):
            self._term_ends = ends
            self._crew.term_ends(ends)

    def _forget_others(self, routers: set[str]) -> None:
        self._others -= routers
        for router in routers:
            self._loads.lost(router)
        for allotment in self._crew.allotments if routers else ():
            for router in routers:
                allotment.other_left(router)

    def _longest_s(self) -> float:
        return max(map(self._crew.longest_s, self._crew.groups), default=0.0)


def _numbers(load: Load) -> Sequence[Any]:
    """What `_load` reads in the router that leads."""
    cumulative = load.arrivals, load.repeats, load.completions, round(load.service_s, 6)
    return [load.queued, load.in_flight, load.retrying, *cumulative, dict(load.held)]


def _load(group: Group, numbers: Sequence[Any]) -> Load:
    if not numbers:  # there is no such version there any more
        return Load(group)
    queued, in_flight, retrying, arrivals, repeats, completions, service_s, held = numbers
    return Load(group, queued, in_flight, 0, retrying, 0, arrivals, repeats, completions, service_s, held)


def read_key(path: Path) -> Key:
    """The key that all routers share. Raises CoordinationKeyRefused, without a word of its content."""
    try:
        secret, mode = path.read_bytes().strip(), path.stat().st_mode
    except OSError as error:
        raise CoordinationKeyRefused(f"{path}: cannot be read: {error.strerror}") from None
    try:
        key = Key(secret)
    except ValueError as error:
        raise CoordinationKeyRefused(f"{path}: {error}") from None
    if mode & stat.S_IROTH:  # as Secrets are mounted by default, where nobody else is; so it is not refused
        fields = {"file": str(path), "mode": f"{stat.S_IMODE(mode):04o}"}
        log.warning("every user of this machine can read the coordination key", extra={"fields": fields})
    return key
