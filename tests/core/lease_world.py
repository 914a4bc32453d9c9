"""A lessor, its holders, and a network between them that loses, doubles and reorders what it likes.

Whatever is done to it, `check` holds: no replica's slots are promised twice. The truth is what the holders have and
what is on its way to them, not what the table believes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from router.core.lease_outbox import Effect
from router.core.lease_table import LeaseTable
from router.core.leases import Bound, Demand, Group, Lease, Recall
from tests.core.lease_holder import Holder

TERM_S = 10.0
"""So long a holder goes on with its leases when its connection is lost."""
LONGEST_S = 5.0
"""No request runs longer."""
STEP_S = 0.005


@dataclass(frozen=True)
class Letter:
    holder: str
    connection: int
    message: Lease | Recall | Bound | Demand

    @property
    def to_holder(self) -> bool:
        return isinstance(self.message, Lease | Recall)


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.table = LeaseTable(lowered=self._lowered)
        self.lowered: set[tuple[Group, str]] = set()
        """Replicas whose bounds the lessor said that they fell."""
        self.bounds: dict[tuple[Group, str], int] = {}
        """As they were when last checked."""
        self.slots: dict[tuple[Group, str], int] = {}
        """As the lessor was told."""
        self.allowed: dict[tuple[Group, str], int] = {}
        """Slots that may be promised: what there is, or was and is not known to be free."""
        self.holders: dict[str, Holder] = {}
        self.connections: dict[str, int] = {}
        """Of the holders that are connected."""
        self.term_ends: dict[str, float] = {}
        """Of those that are not."""
        self.requests: list[tuple[float, str, Group, str]] = []
        """When each that holds a slot began, at which holder, on which replica."""
        self.letters: list[Letter] = []
        self.sent = 0
        """Messages of the lessor."""
        self.dealings = 0
        """Numbers connections."""
        self.awaited: set[str] = set()
        self.known_at = 0.0

    # -- the lessor

    def tell(self, effects: list[Effect]) -> None:
        for name, message in effects:
            assert name in self.connections, f"{message} to {name}, which is not connected"
            self.letters.append(Letter(name, self.connections[name], message))
        self.sent += len(effects)

    def resize(self, group: Group, replica: str, slots: int) -> None:
        act = self.table.resize if (group, replica) in self.slots else self.table.add_replica
        self.slots[group, replica] = slots
        self.tell(act(group, replica, slots, self.now))

    def remove(self, group: Group, replica: str) -> None:
        self.slots.pop((group, replica), None)
        self.tell(self.table.remove_replica(group, replica, self.now))

    def give_up(self, group: Group, hungry: int, yields: int) -> None:
        self.tell(self.table.give_up(group, hungry, yields, self.now))

    def _lowered(self, group: Group, replica: str) -> None:
        self.lowered.add((group, replica))

    def tick(self) -> None:
        self.tell(self.table.tick(self.now))

    def lessor_crashes(self, leeway: float) -> None:
        """A fresh one knows the replicas and who was there, and nothing else. Every connection is lost."""
        self.table = LeaseTable(lowered=self._lowered)
        self.bounds.clear()
        for name in self.connections:
            self.term_ends[name] = self.now + TERM_S
        self.connections.clear()
        self.letters.clear()
        self.awaited, self.known_at = set(self.holders), self.now + TERM_S + LONGEST_S + leeway
        self.table.unknown_until(self.known_at, self.awaited)
        for (group, replica), slots in self.slots.items():
            self.tell(self.table.add_replica(group, replica, slots, self.now))

    # -- holders

    def join(self, name: str) -> None:
        """A new holder, or one that was cut off."""
        holder = self.holders.setdefault(name, Holder(name))
        self.letters = [letter for letter in self.letters if letter.holder != name or not letter.to_holder]
        bounds = holder.joins()
        self.term_ends.pop(name, None)
        self.awaited.discard(name)
        self.dealings += 1
        self.connections[name] = self.dealings
        self.tell(self.table.adopt(name, bounds, self.now))
        self.tell(self.table.join(name, self.now))
        holder.report_all()
        self.listen(name)

    def cut_off(self, name: str, leeway: float) -> None:
        """Its connection is lost; it goes on until its term ends. The lessor counts from a later moment."""
        del self.connections[name]
        self.letters = [letter for letter in self.letters if letter.holder != name or not letter.to_holder]
        self.term_ends[name] = self.now + TERM_S
        back_at = self.now + TERM_S + LONGEST_S + leeway
        self.tell(self.table.silent(name, self.now, lambda _: back_at))

    def crash(self, name: str) -> None:
        """Its process is gone and its requests with it; what it sent may still arrive."""
        del self.holders[name]
        self.awaited.discard(name)
        self.connections.pop(name, None)
        self.term_ends.pop(name, None)
        self.letters = [letter for letter in self.letters if letter.holder != name or not letter.to_holder]
        self.requests = [request for request in self.requests if request[1] != name]
        self.tell(self.table.dead(name, self.now))

    def listen(self, name: str) -> None:
        """What a holder says goes on its way, or nowhere."""
        holder = self.holders[name]
        if name in self.connections:
            self.letters += [Letter(name, self.connections[name], message) for message in holder.said]
        holder.said.clear()

    # -- requests

    def arrive(self, name: str, group: Group) -> None:
        self._begun(name, group, self.holders[name].arrive(group))
        self.listen(name)

    def finish(self, request: tuple[float, str, Group, str]) -> None:
        self.requests.remove(request)
        _, name, group, replica = request
        self._begun(name, group, self.holders[name].finish(group, replica))
        self.listen(name)

    def reach(self, name: str, replica: str) -> None:
        """A holder loses sight of a replica, or finds it again."""
        holder = self.holders[name]
        if replica not in holder.unreachable:
            holder.unreachable.add(replica)
            return
        for group, id in holder.sees(replica):
            self._begun(name, group, id)
        self.listen(name)

    def _begun(self, name: str, group: Group, replica: str | None) -> None:
        if replica is not None:
            self.requests.append((self.now, name, group, replica))

    # -- the network

    def deliver(self, letter: Letter) -> None:
        """It stays on its way, so it may arrive again; `drop` ends that."""
        name, message = letter.holder, letter.message
        if isinstance(message, Bound):
            self.tell(self.table.bound(name, message, self.now))
        elif isinstance(message, Demand):
            if self.connections.get(name) == letter.connection:
                self.tell(self.table.demand(name, message, self.now))
        elif self.connections.get(name) == letter.connection:
            for replica in self.holders[name].receive(message):
                self._begun(name, message.group, replica)
            self.listen(name)

    def drop(self, letter: Letter) -> None:
        self.letters.remove(letter)

    # -- time

    def pass_time(self, seconds: float) -> None:
        """Terms end and requests that ran their longest end on the way."""
        until = self.now + seconds
        while True:
            ends = [(at, 0, name) for name, at in self.term_ends.items() if at <= until]
            ends += [
                (request[0] + LONGEST_S, 1, request) for request in self.requests if request[0] + LONGEST_S <= until
            ]
            if not ends:
                break
            at, _, what = min(ends, key=lambda end: end[:2])
            self.now = max(self.now, at)
            if isinstance(what, tuple):
                self.finish(what)
            else:
                del self.term_ends[what]
                self.holders[what].term_ends()
        self.now = until
        self.check()

    # -- what holds

    def promised(self, group: Group, replica: str) -> int:
        """The slots that holders can be using, or can come to use by what is on its way."""
        return sum(self._can_use(name, group, replica) for name in self.holders)

    def _can_use(self, name: str, group: Group, replica: str) -> int:
        part = self.holders[name].parts.get(group)
        seat = part.seats.get(replica) if part else None
        coming = [
            letter.message.limit
            for letter in self.letters
            if letter.holder == name
            and isinstance(letter.message, Lease)
            and (letter.message.group, letter.message.replica) == (group, replica)
            and letter.connection == self.connections.get(name)
            and letter.message.number > (seat.number if seat else 0)
        ]
        return max([seat.bound if seat else 0, *coming])

    def check(self) -> None:
        """Nothing is promised beyond the slots; what was promised when there were more does not grow."""
        for place in self.slots:  # some may have been given up
            self.slots[place] = self.table.slots(*place)
        bounds = {place: self.table.bound_of(*place) for place in {*self.slots, *self.bounds}}
        for place, bound in bounds.items():
            assert bound >= self.bounds.get(place, 0) or place in self.lowered, f"nobody was told that {place} fell"
        self.bounds = bounds
        self.lowered.clear()
        places = {*self.slots, *self.allowed}
        places |= {(group, id) for h in self.holders.values() for group, part in h.parts.items() for id in part.seats}
        for place in places:
            slots, promised = self.slots.get(place, 0), self.promised(*place)
            allowed = max(slots, self.allowed.get(place, 0))
            assert promised <= allowed, f"{place}: {promised} promised of {slots}"
            self.allowed[place] = max(slots, min(allowed, max(promised, self.table.in_use(*place))))
            for name in self.connections:
                believed, true = self.table.ceiling(name, *place), self._can_use(name, *place)
                assert true <= believed, f"{name} can use {true} of {place}, the table believes {believed}"

    # -- calm

    def calm(self) -> None:
        """All is delivered, in order and once; what was lost is said again. Afterwards nobody starves in vain."""
        self._deliver_all()
        self.pass_time(1.0)
        for name in self.connections:
            self.holders[name].report_all()
            self.listen(name)
        self.tick()
        self._deliver_all()
        self.soon_nobody_starves_in_vain()

    def soon_nobody_starves_in_vain(self) -> None:
        self._wait(0.05 - STEP_S, until=self.nobody_starves_in_vain)
        assert self.nobody_starves_in_vain(), self

    def _deliver_all(self) -> None:
        for _ in range(1000):
            if not self.letters:
                return
            letter = self.letters[0]
            self.letters.remove(letter)
            self.deliver(letter)
            self.check()
        raise AssertionError(f"they talk for ever: {self.letters}")

    def _wait(self, seconds: float, until: Callable[[], bool]) -> None:
        """Messages take STEP_S; nothing else happens."""
        end = self.now + seconds
        while self.now < end and not until():
            due = self.table.due()
            if not self.letters and due is not None and due > self.now:
                self.now = min(due, end)
            else:
                self.now += STEP_S
            arrived, self.letters = self.letters, []
            for letter in arrived:
                self.deliver(letter)
            self.tick()
            self.check()

    def nobody_starves_in_vain(self) -> bool:
        return not any(
            self.holders[name].part(group).queued and self._spare(name, group)
            for name in self.connections
            for group in {group for group, _ in self.slots}
        )

    def _spare(self, starving: str, group: Group) -> int:
        """Slots that lie idle at others who could hand them back, or that nobody has."""
        if self.unknowing():
            return 0
        idle = sum(self.holders[name].idle(group) for name in self.connections if name != starving)
        away = [name for name in self.holders if name not in self.connections]
        free = [
            slots - self.promised(*place) - sum(self.table.ceiling(name, *place) for name in away)
            for place, slots in self.slots.items()
            if place[0] == group
        ]
        return idle + sum(max(0, slots) for slots in free)

    def unknowing(self) -> bool:
        """A fresh lessor, which does not know yet who has what."""
        return bool(self.awaited) and self.now < self.known_at

    def __repr__(self) -> str:
        return f"<World {self.now} {self.slots} {self.table} {self.holders} {self.letters} {self.requests}>"
