"""All interleavings of two holders of two replicas with one slot each, breadth first, as deep as the time allows.

States that differ only in how their numbers are called are one. Where all that was said has arrived, and in order,
nobody may starve while a slot is free or idle.
"""

import pickle
import re
from collections.abc import Callable, Iterator

import pytest

from router.core.lease_group import LeaseGroup
from router.core.lease_party import Party
from router.core.leasehold import Leasehold
from tests.core.lease_holder import Holder
from tests.core.lease_walk import BLUE
from tests.core.lease_world import Letter, World

Step = Callable[[World], None]
NUMBER = re.compile(r"#(\d+)")


class SmallWorld(World):
    orderly = True

    def __init__(self) -> None:
        super().__init__()
        for name in "ab":
            self.join(name)
        for replica in "xy":
            self.resize(BLUE, replica, 1)
        self._deliver_all()


def requests(world: World) -> Iterator[tuple[str, Step]]:
    for name in sorted(world.holders):
        if world.holders[name].part(BLUE).queued < 2:
            yield f"arrive {name}", lambda world, name=name: world.arrive(name, BLUE)
    for number, (_, name, _, replica) in enumerate(world.requests):
        yield f"finish {name} {replica}", lambda world, number=number: world.finish(world.requests[number])


def messages(world: World) -> Iterator[tuple[str, Step]]:
    for number, letter in enumerate(world.letters):
        yield f"deliver {letter}", lambda world, number=number: _deliver(world, number)


def mischief(world: World) -> Iterator[tuple[str, Step]]:
    """Messages that get lost or come twice."""
    for number, letter in enumerate(world.letters):
        yield f"double {letter}", lambda world, number=number: world.deliver(world.letters[number])
        yield f"lose {letter}", lambda world, number=number: _lose(world, number)


def crashes(world: World) -> Iterator[tuple[str, Step]]:
    for name in sorted(world.holders):
        yield f"crash {name}", lambda world, name=name: world.crash(name)
        if name in world.connections:
            yield f"cut off {name}", lambda world, name=name: world.cut_off(name, 0.0)
    for name in "ab":
        if name not in world.connections:
            yield f"join {name}", lambda world, name=name: world.join(name)
    if world.now < 1:
        yield "the lessor crashes", lambda world: world.lessor_crashes(0.0)
    for slots in (0, 1, 2):
        if world.slots[BLUE, "x"] != slots:
            yield f"resize {slots}", lambda world, slots=slots: world.resize(BLUE, "x", slots)


def _deliver(world: World, number: int) -> None:
    letter = world.letters.pop(number)
    earlier = world.letters[:number]
    world.orderly &= all((each.holder, each.to_holder) != (letter.holder, letter.to_holder) for each in earlier)
    world.deliver(letter)


def _lose(world: World, number: int) -> None:
    world.orderly = False
    world.letters.pop(number)


def state(world: SmallWorld) -> str:
    """Everything that matters from now on, numbers by their rank."""
    table = world.table
    lessor = [(sorted(table._awaited), sorted(table._joined)), *map(_group, table._groups.values())]
    holders = [_holder(name, holder) for name, holder in sorted(world.holders.items())]
    around = [world.orderly, sorted(world.term_ends), sorted(world.slots.items()), sorted(world.allowed.items())]
    text = repr([lessor, holders, sorted(_letter(world, letter) for letter in world.letters), around])
    ranks = {number: rank for rank, number in enumerate(sorted({int(number) for number in NUMBER.findall(text)}))}
    return NUMBER.sub(lambda found: f"#{ranks[int(found[1])]}", text)


def _group(group: LeaseGroup) -> object:
    parties = [
        (
            {slot: getattr(party, slot) for slot in Party.__slots__ if slot not in ("account", "holdings")},
            party.account.owed,
            [(id, _leasehold(holding)) for id, holding in party.holdings.items()],
        )
        for party in group._parties.values()
    ]
    return group.frozen, group._hungry, group._yields, group._replicas, parties


def _leasehold(holding: Leasehold) -> object:
    unseen = [(f"#{number}", limit) for number, limit in holding._unseen]
    return f"#{holding.number} #{holding._confirmed}", holding.limit, holding.ceiling, holding._bound, unseen


def _holder(name: str, holder: Holder) -> object:
    parts = [(part.queued, f"#{part.recall}", part.hungry, part.yields) for part in holder.parts.values()]
    seats = [
        (id, f"#{seat.number}", seat.limit, seat.held)
        for part in holder.parts.values()
        for id, seat in sorted(part.seats.items())
    ]
    return name, parts, seats


def _letter(world: World, letter: Letter) -> str:
    valid = letter.connection == world.connections.get(letter.holder)
    content = {key: value for key, value in letter.message._asdict().items() if key != "number"}
    number = getattr(letter.message, "number", 0)
    return f"{letter.holder} {valid} {type(letter.message).__name__} #{number} {content}"


def explore(depth: int, *possible: Callable[[World], Iterator[tuple[str, Step]]]) -> int:
    """How many states there are within so many steps. Raises what was found wrong, with the way there."""
    first = SmallWorld()
    seen = {hash(state(first))}
    frontier: list[tuple[bytes, tuple[str, ...]]] = [(pickle.dumps(first), ())]
    for _ in range(depth):
        nearest, frontier = frontier, []
        for frozen, way in nearest:
            for steps in possible:
                for what, step in steps(pickle.loads(frozen)):
                    world = pickle.loads(frozen)
                    step(world)
                    _judge(world, (*way, what))
                    key = hash(state(world))
                    if key not in seen:
                        seen.add(key)
                        frontier.append((pickle.dumps(world), (*way, what)))
    return len(seen)


def _judge(world: SmallWorld, way: tuple[str, ...]) -> None:
    try:
        world.check()
        if world.orderly and not world.letters and not world.nobody_starves_in_vain():
            pickle.loads(pickle.dumps(world)).soon_nobody_starves_in_vain()
    except AssertionError as failure:
        failure.add_note("\n".join(way))
        raise


def test_messages_in_any_order():
    assert explore(9, requests, messages) > 2000


def test_messages_lost_and_doubled():
    assert explore(7, requests, messages, mischief) > 2000


def test_crashes_and_resizes():
    assert explore(4, requests, messages, crashes) > 1000


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("depth", "steps"),
    [(12, (requests, messages)), (8, (requests, messages, mischief)), (6, (requests, messages, mischief, crashes))],
    ids=["any order", "lost and doubled", "crashes"],
)
def test_deeper(depth, steps):
    assert explore(depth, *steps) > 10_000
