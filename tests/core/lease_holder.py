"""A holder of leases that keeps the rules of `router.core.leases`, with requests that take slots and wait for them.

The truth about who uses what is here: `held`. Deliberately plain, and nothing of it is shared with the code under test.
"""

from dataclasses import dataclass, field

from router.core.leases import Bound, Demand, Group, Lease, Recall


@dataclass
class Seat:
    """A replica as the holder knows it."""

    number: int = 0
    limit: int = 0
    held: int = 0

    @property
    def bound(self) -> int:
        return max(self.limit, self.held)


@dataclass
class Part:
    """A version as the holder knows it."""

    seats: dict[str, Seat] = field(default_factory=dict)
    queued: int = 0
    recall: int = 0
    hungry: int = 0
    yields: int = 0

    @property
    def in_flight(self) -> int:
        return sum(seat.held for seat in self.seats.values())


class Holder:
    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: dict[Group, Part] = {}
        self.said: list[Bound | Demand] = []
        """What it has to tell its lessor; taken by the network."""
        self.unreachable: set[str] = set()
        """Replicas that it cannot connect to."""

    def part(self, group: Group) -> Part:
        return self.parts.setdefault(group, Part())

    # -- requests

    def arrive(self, group: Group) -> str | None:
        """A request begins. Returns the replica on which it is, None if it waits."""
        part = self.part(group)
        replica = None if part.queued else self._take(part)
        if replica is None:
            part.queued += 1
            if part.queued == 1:
                self.report(group)
        return replica

    def finish(self, group: Group, replica: str) -> str | None:
        """A request ends; returns the replica that the next one of the queue got."""
        part = self.part(group)
        seat = part.seats[replica]
        before, seat.held = seat.bound, seat.held - 1
        if seat.bound < before:
            self._say(group, replica)
        if part.yields or not part.queued:
            self._hand_back(group, part)
        return self._serve(group, part)[0] if part.queued and self._free(part) else None

    def leave(self, group: Group) -> None:
        """A waiting request is withdrawn."""
        part = self.part(group)
        part.queued -= 1
        if not part.queued:
            self.report(group)

    def _free(self, part: Part) -> list[str]:
        free = [id for id, seat in part.seats.items() if seat.held < seat.limit and id not in self.unreachable]
        return sorted(free, key=lambda id: part.seats[id].held)

    def _take(self, part: Part) -> str | None:
        free = self._free(part)
        if not free:
            return None
        part.seats[free[0]].held += 1
        return free[0]

    def _serve(self, group: Group, part: Part) -> list[str]:
        served = []
        while part.queued and (replica := self._take(part)) is not None:
            part.queued -= 1
            served.append(replica)
        if served and not part.queued:
            self.report(group)
        return served

    def sees(self, replica: str) -> list[tuple[Group, str]]:
        """It can connect to it again. Returns where requests of the queues got a slot."""
        self.unreachable.discard(replica)
        served = [(group, id) for group, part in self.parts.items() for id in self._serve(group, part)]
        for group, part in self.parts.items():
            self._hand_back(group, part)
        return served

    # -- messages

    def receive(self, message: Lease | Recall) -> list[str]:
        """Returns the replicas that requests of the queue got."""
        part = self.part(message.group)
        if isinstance(message, Recall):
            if message.number > part.recall:
                part.recall, part.hungry, part.yields = message.number, message.hungry, message.yields
                self._hand_back(message.group, part)
            return []
        seat = part.seats.setdefault(message.replica, Seat())
        if message.number <= seat.number:
            return []
        seat.number, seat.limit = message.number, message.limit
        served = self._serve(message.group, part)
        self._say(message.group, message.replica)
        self._hand_back(message.group, part)
        if part.queued:
            self.report(message.group)  # after the bound: what it has now does not do
        return served

    def _hand_back(self, group: Group, part: Part) -> None:
        """What is recalled and lies idle, but for what is out of reach; while requests wait, only what is to yield."""
        while part.yields or (part.hungry and not part.queued):
            idle = self._free(part)
            if not idle:
                return
            part.seats[idle[0]].limit -= 1
            part.hungry, part.yields = max(0, part.hungry - 1), max(0, part.yields - 1)
            self._say(group, idle[0])

    def lower(self, group: Group, replica: str) -> None:
        """It gives a slot back of its own accord."""
        seat = self.part(group).seats[replica]
        before, seat.limit = seat.bound, max(0, seat.limit - 1)
        if seat.bound < before:
            self._say(group, replica)

    def _say(self, group: Group, replica: str) -> None:
        seat = self.part(group).seats[replica]
        self.said.append(Bound(group, replica, seat.number, seat.bound))

    def report(self, group: Group) -> None:
        part = self.part(group)
        self.said.append(Demand(group, part.queued, part.in_flight))

    def report_all(self) -> None:
        """All that is the case, as with a heartbeat: what was said before may be lost."""
        for group, part in self.parts.items():
            for replica in part.seats:
                self._say(group, replica)
            self.report(group)

    # -- connections

    def joins(self) -> list[Bound]:
        """Tells all that it has, also where that is nothing any more, and forgets the recalls."""
        bounds = []
        for group, part in self.parts.items():
            part.recall = part.hungry = part.yields = 0
            bounds += [Bound(group, id, seat.number, seat.bound) for id, seat in part.seats.items()]
        self.said.clear()
        return bounds

    def term_ends(self) -> None:
        """Its leases have run out; requests go on."""
        for part in self.parts.values():
            for seat in part.seats.values():
                seat.limit = 0

    def held(self, group: Group, replica: str) -> int:
        part = self.parts.get(group)
        return part.seats[replica].held if part and replica in part.seats else 0

    def idle(self, group: Group) -> int:
        part = self.part(group)
        return sum(max(0, part.seats[id].limit - part.seats[id].held) for id in self._free(part))

    def __repr__(self) -> str:
        return f"<Holder {self.name} {self.parts} {self.unreachable or ''}>"
