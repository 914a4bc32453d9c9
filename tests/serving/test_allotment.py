"""One version over all workers: replicas that come, leave, empty and return; loads summed over workers and routers."""

import asyncio

import pytest

from router.serving.allotment import Allotment, Offered
from router.serving.messages import Emptied, Expect, Load, Place, Withdraw
from tests.serving.crew_stage import BLUE


class Distributor:
    def __init__(self, *names):
        self.names, self.told, self.refreshed = frozenset(names), [], 0

    def place(self, place, slots):
        self.told.append((place, slots))

    def resize(self, group, replica, slots):
        self.told.append((replica, slots))

    def withdraw(self, withdraw):
        self.told.append(withdraw)

    def tell(self, message):
        self.told.append(message)

    def refresh(self, group):
        self.refreshed += 1

    unheard = 0

    def heard_at(self, now):
        return now


@pytest.fixture
def crew():
    return Distributor("a", "b")


@pytest.fixture
def blue(crew):
    return Allotment(BLUE, BLUE, 2, crew)


def add(allotment, *replicas):
    for replica in replicas:
        allotment.add(replica, "127.0.0.1", 5001, None)


async def is_emptied(allotment, replica):
    """Whether somebody who waits for it goes on."""
    waiting = asyncio.get_running_loop().create_task(allotment.emptied(replica))
    for _ in range(3):
        await asyncio.sleep(0)
    done = waiting.done()
    waiting.cancel()
    return done


def test_replicas_are_told_with_their_slots_and_numbers_of_withdrawals_grow(blue, crew):
    add(blue, "x")
    blue.retire("x")
    blue.retire("x")
    add(blue, "x")
    blue.retire("x")
    place = Place(BLUE, "x", "127.0.0.1", 5001, None)
    assert crew.told == [(place, 2), Withdraw(BLUE, "x", 1), (place, 2), Withdraw(BLUE, "x", 2)]


def test_another_number_of_slots_is_told_once_and_of_what_is_ready(blue, crew):
    add(blue, "x", "y")
    blue.retire("y")
    del crew.told[:]
    blue.resize(2)
    blue.resize(3)
    assert crew.told == [("x", 3)]
    assert list(blue.replicas()) == [(BLUE, "x", 3)]


async def test_a_withdrawn_replica_is_empty_when_every_worker_said_so_or_has_gone(blue):
    add(blue, "x")
    blue.retire("x")
    assert not await is_emptied(blue, "x")
    blue.emptied_by("a", Emptied(BLUE, "x", 1))
    blue.emptied_by("a", Emptied(BLUE, "x", 1))
    assert not await is_emptied(blue, "x")
    blue.left("b")
    assert await is_emptied(blue, "x")


async def test_who_comes_after_the_withdrawal_is_not_waited_for(blue, crew):
    add(blue, "x")
    blue.retire("x")
    crew.names |= {"c"}
    for worker in "ab":
        blue.emptied_by(worker, Emptied(BLUE, "x", 1))
    assert await is_emptied(blue, "x")


async def test_with_no_worker_it_is_empty_at_once(crew):
    crew.names = frozenset()
    blue = Allotment(BLUE, BLUE, 1, crew)
    add(blue, "x")
    blue.retire("x")
    assert await is_emptied(blue, "x")
    assert not blue._leaving


async def test_an_answer_to_an_earlier_withdrawal_says_nothing_of_this_one(blue):
    for _ in range(2):
        add(blue, "x")
        blue.retire("x")
    for worker in "ab":
        blue.emptied_by(worker, Emptied(BLUE, "x", 1))
    assert not await is_emptied(blue, "x")
    for worker in "ab":
        blue.emptied_by(worker, Emptied(BLUE, "x", 2))
    assert await is_emptied(blue, "x")


async def test_who_waits_for_it_to_empty_goes_on_when_it_comes_back(blue):
    add(blue, "x")
    blue.retire("x")
    waiting = asyncio.get_running_loop().create_task(blue.emptied("x"))
    await asyncio.sleep(0)
    add(blue, "x")
    async with asyncio.timeout(5):
        await waiting


async def test_nobody_waits_for_what_is_unknown(blue):
    assert await is_emptied(blue, "x")


def test_whether_replicas_are_coming_is_told_when_it_changes(blue, crew):
    blue.expect(False)
    blue.expect(True)
    blue.start_on_demand(True)
    blue.expect(False)
    blue.start_on_demand(False)
    assert crew.told == [Expect(BLUE, True), Expect(BLUE, False)]


def test_who_comes_late_is_told_of_what_is_ready_and_expected(blue):
    add(blue, "x", "y")
    blue.retire("x")
    blue.start_on_demand(True)
    assert list(blue.introduction()) == [Place(BLUE, "y", "127.0.0.1", 5001, None), Expect(BLUE, True)]


def load(**numbers):
    return Load(BLUE, **numbers)


def test_loads_are_summed_and_what_was_offered_never_falls(blue):
    add(blue, "x", "y", "z")
    blue.loaded("a", load(queued=1, in_flight=2, tunnels=1, retrying=3, arrivals=10, held={"x": 2}))
    blue.loaded("b", load(queued=1, in_flight=2, arrivals=5, completions=4, service_s=2.0, held={"x": 1, "y": 1}))
    assert (blue.queued, blue.in_flight, blue.tunnels, blue.retrying) == (2, 4, 1, 3)
    assert (blue.busy, blue.total, blue.held("x")) == (2, 3, 3)
    blue.left("a")
    assert (blue.queued, blue.in_flight, blue.busy) == (1, 2, 2)
    assert blue.offered == Offered(15, 0, 4, 2.0)
    assert blue.here().arrivals == 15


def test_a_replica_that_is_withdrawn_is_not_busy_and_one_that_is_left_alone_does_not_count(blue):
    add(blue, "x", "y", "z")
    blue.retire("z")
    blue.loaded("a", load(in_flight=1, held={"z": 1}))
    assert (blue.busy, blue.total) == (0, 2)
    blue.loaded("b", load(away=1))
    assert (blue.busy, blue.total) == (0, 1)


def test_other_routers_count_until_they_have_ended_and_what_they_were_offered_after_it(blue):
    add(blue, "x", "y")
    blue.loaded("a", load(queued=1, arrivals=1, held={"x": 1}))
    blue.others_loaded("pod-2", load(queued=2, in_flight=1, retrying=1, arrivals=7, held={"x": 1, "y": 1}))
    assert blue.queued_elsewhere("pod-2") == 3
    everywhere = blue.everywhere()
    assert (everywhere.queued, everywhere.in_flight, everywhere.arrivals) == (3, 1, 8)
    assert set(everywhere.held) == {"x", "y"}
    assert (blue.here().queued, blue.here().arrivals) == (1, 1), "its own"
    blue.other_left("pod-2")
    blue.other_left("pod-2")
    assert (blue.everywhere().queued, blue.everywhere().arrivals, blue.queued_elsewhere("pod-2")) == (1, 8, 0)


def test_numbers_that_can_be_had_at_once_are_asked_for(blue, crew):
    blue.refresh()
    blue.held("x")
    assert crew.refreshed == 2


def test_terms_of_tls_that_workers_could_not_make_are_refused(blue):
    with pytest.raises(TypeError):
        blue.add("x", "127.0.0.1", 5001, object())
