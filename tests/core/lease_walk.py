"""What may happen to a `World`, one thing after the other; a number says to whom.

Shared by the property (test_leases_walk.py) and the longer run (lease_fuzz.py).
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.core.lease_world import World

T = TypeVar("T")

BLUE, GREEN = ("digits", "blue"), ("digits", "green")
PLACES = [(BLUE, "x"), (BLUE, "y"), (GREEN, "z")]
NAMES = ["a", "b", "c"]


def pick(of: Sequence[T], number: int) -> T | None:
    return of[number % len(of)] if of else None


def join(world: World, number: int) -> None:
    name = pick([name for name in NAMES if name not in world.connections], number)
    if name is not None:
        world.join(name)


def cut_off(world: World, number: int) -> None:
    name = pick(sorted(world.connections), number)
    if name is not None:
        world.cut_off(name, leeway=number % 3)


def crash(world: World, number: int) -> None:
    name = pick(sorted(world.holders), number)
    if name is not None:
        world.crash(name)


def lessor_crashes(world: World, number: int) -> None:
    world.lessor_crashes(leeway=number % 3)


def resize(world: World, number: int) -> None:
    world.resize(*PLACES[number % 3], number // 3 % 5)


def remove(world: World, number: int) -> None:
    world.remove(*PLACES[number % 3])


def give_up(world: World, number: int) -> None:
    """The lessor's own lessor wants slots for others, or no more."""
    before = {place: world.table.slots(*place) for place in world.slots}
    hungry, yields = number % 3, number // 3 % 2
    world.give_up(GREEN if number % 4 == 3 else BLUE, hungry, yields)
    given = sum(before[place] - world.table.slots(*place) for place in world.slots)
    assert given <= max(hungry, yields)


def arrive(world: World, number: int) -> None:
    name = pick(sorted(world.holders), number)
    if name is not None:
        world.arrive(name, GREEN if number % 4 == 3 else BLUE)


def several_arrive(world: World, number: int) -> None:
    for _ in range(1 + number % 5):
        arrive(world, number)


def withdraw(world: World, number: int) -> None:
    waiting = [(name, group) for name in sorted(world.holders) for group in (BLUE, GREEN)]
    chosen = pick([(n, group) for n, group in waiting if world.holders[n].part(group).queued], number)
    if chosen is not None:
        name, group = chosen
        world.holders[name].leave(group)
        world.listen(name)


def finish(world: World, number: int) -> None:
    request = pick(world.requests, number)
    if request is not None:
        world.finish(request)


def lower(world: World, number: int) -> None:
    """A holder gives a slot back that nobody asked for."""
    name = pick(sorted(world.holders), number)
    group, replica = PLACES[number % 3]
    if name is not None and replica in world.holders[name].part(group).seats:
        world.holders[name].lower(group, replica)
        world.listen(name)


def lose_sight(world: World, number: int) -> None:
    """A holder cannot connect to a replica any more, or can again."""
    name = pick(sorted(world.holders), number)
    if name is not None:
        world.reach(name, PLACES[number % 3][1])


def report(world: World, number: int) -> None:
    name = pick(sorted(world.connections), number)
    if name is not None:
        world.holders[name].report_all()
        world.listen(name)


def deliver(world: World, number: int) -> None:
    letter = pick(world.letters, number)
    if letter is not None:
        world.deliver(letter)
        if number % 5:
            world.drop(letter)


def deliver_in_order(world: World, number: int) -> None:
    for _ in range(1 + number % 8):
        if world.letters:
            letter = world.letters[0]
            world.drop(letter)
            world.deliver(letter)


def drop(world: World, number: int) -> None:
    letter = pick(world.letters, number)
    if letter is not None:
        world.drop(letter)


def time_passes(world: World, number: int) -> None:
    world.pass_time((0.001, 0.05, 0.2, 1.0, 6.0)[number % 5])


def tick(world: World, number: int) -> None:
    world.tick()


def time_comes(world: World, number: int) -> None:
    """What the table waits for."""
    due = world.table.due()
    if due is not None:
        world.pass_time(max(0.0, due - world.now))
        world.tick()
        later = world.table.due()
        assert later is None or later > world.now, f"due again at {later}, it is {world.now}"


def calm(world: World, number: int) -> None:
    world.calm()


ACTIONS: list[tuple[Callable[[World, int], None], int]] = [
    (join, 3),
    (cut_off, 1),
    (crash, 1),
    (lessor_crashes, 1),
    (resize, 3),
    (remove, 1),
    (give_up, 1),
    (arrive, 8),
    (several_arrive, 4),
    (withdraw, 2),
    (finish, 10),
    (lower, 1),
    (lose_sight, 1),
    (report, 3),
    (deliver, 12),
    (deliver_in_order, 12),
    (drop, 3),
    (time_passes, 6),
    (tick, 4),
    (time_comes, 4),
    (calm, 2),
]
"""With how often each happens beside the others."""


def end(world: World) -> None:
    """Every slot comes back: all holders go, one way or the other, and another one gets everything."""
    for number, name in enumerate(sorted(world.holders)):
        if number % 2:
            world.crash(name)
        elif name in world.connections:
            world.cut_off(name, leeway=0.0)
    world.pass_time(60.0)
    world.tick()
    world.check()
    assert not any(world.table.in_use(*place) for place in world.slots), world
    world.holders = {}
    world.join("heir")
    world.calm()
    assert all(world.promised(*place) == slots for place, slots in world.slots.items()), world
