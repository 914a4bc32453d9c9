"""A worker's half of the conversation: what it answers, and when it says what by itself; the clock stands still."""

from pathlib import Path

import pytest

from router.core.leases import Bound, Demand, Lease, Recall
from router.serving.data_side import KEEP_S, ROSE_S, SHIP_TICKS, STARVING_S, TICK_S
from router.serving.messages import (
    Configure,
    Counted,
    Emptied,
    Expect,
    Forget,
    InForce,
    Loads,
    Place,
    QueuePart,
    Rose,
    Served,
    Ship,
    Shipped,
    Source,
    Withdraw,
)
from tests.serving.crew_stage import BLUE, GREEN, Side, endpoint

UNKNOWN = ("digits", "gone")


@pytest.fixture
def side():
    side = Side()
    groups = {"blue": BLUE, "green": GREEN}
    side.tell(Configure(7, (Served("digits", Source(endpoint(groups), None, Path()), groups),)))
    side.taken()
    yield side
    side.side.close()


def leased(side, limit=1, *, replica="a", number=1):
    side.tell(Place(BLUE, replica, "127.0.0.1", 5001, None))
    side.tell(Lease(BLUE, replica, number, limit))
    side.loop.run()
    return side.taken(Bound)


def test_a_configuration_is_answered_when_it_is_in_force(side):
    side.tell(Configure(8, (), (endpoint(["blue"]).key,)))
    assert side.taken() == [InForce(8)]
    assert len(side.tables[-1]) == 0
    assert BLUE in side.side.front.lanes, "until it is forgotten"
    side.tell(Forget(BLUE))
    side.tell(Forget(BLUE))
    assert set(side.side.front.lanes) == {GREEN}


def test_who_does_not_know_a_version_uses_nothing_of_it(side):
    for message in (
        Lease(UNKNOWN, "a", 5, 3),
        Withdraw(UNKNOWN, "a", 2),
        Place(UNKNOWN, "a", "127.0.0.1", 5001, None),
        Recall(UNKNOWN, 6, 1, 1),
        Expect(UNKNOWN, True),
    ):
        side.tell(message)
    side.loop.run(1.0)
    assert side.taken() == [Bound(UNKNOWN, "a", 5, 0), Emptied(UNKNOWN, "a", 2)]


def test_nobody_else_is_obeyed(side):
    with pytest.raises(TypeError, match="Bound"):
        side.tell(Bound(BLUE, "a", 1, 1))


def test_every_lease_is_answered_at_the_end_of_the_turn(side):
    assert leased(side, 3) == [Bound(BLUE, "a", 1, 3)]
    side.tell(Lease(BLUE, "a", 2, 1))
    side.tell(Lease(BLUE, "a", 3, 2))
    side.tell(Lease(BLUE, "a", 1, 9))
    assert side.taken() == []
    side.loop.run()
    assert side.taken() == [Bound(BLUE, "a", 3, 2)]


def test_one_that_waits_says_so_at_once_and_then_no_more_often_than_it_must(side):
    leased(side)
    running = side.begin()
    side.begin()
    side.loop.run()
    assert side.taken(Demand) == [Demand(BLUE, 1, 1)]
    side.begin()
    side.loop.run()
    assert side.taken(Demand) == [], "about as many as were known"
    side.begin()
    side.loop.run()
    assert side.taken(Demand) == [], "not so soon"
    side.loop.run(STARVING_S)
    assert side.taken(Demand) == [Demand(BLUE, 3, 1)]
    assert running.slot is not None


def test_demand_is_said_anew_after_a_lease_that_does_not_do(side):
    leased(side)
    for _ in range(3):
        side.begin()
    side.loop.run(STARVING_S)
    side.taken()
    side.tell(Lease(BLUE, "a", 2, 2))
    side.loop.run()
    assert side.taken(Demand, Bound) == [Bound(BLUE, "a", 2, 2), Demand(BLUE, 1, 2)]


def test_who_got_a_slot_within_the_turn_says_nothing(side):
    leased(side)
    running = side.begin()
    waiting = side.begin()
    side.end(running)
    assert waiting.slot is not None
    side.loop.run()
    assert side.taken(Demand) == []


def test_where_requests_have_waited_idle_slots_are_kept_for_a_moment(side):
    leased(side)
    running, waiting = side.begin(), side.begin()
    side.loop.run()
    side.taken()
    side.tell(Recall(BLUE, 9, 1, 0))
    side.end(running)
    side.end(waiting)
    side.loop.run(KEEP_S * 0.9)
    assert side.taken(Bound) == []
    side.loop.run(KEEP_S * 0.2)
    assert side.taken(Bound) == [Bound(BLUE, "a", 1, 0)]


def test_the_moment_begins_anew_with_each_that_waits(side):
    leased(side)
    running, first = side.begin(), side.begin()
    side.loop.run(KEEP_S * 0.9)
    second = side.begin()
    side.tell(Recall(BLUE, 9, 1, 0))
    for request in (running, first, second):
        side.end(request)
    side.loop.run(KEEP_S * 0.9)
    assert side.admission().bound("a") == 1
    side.loop.run(KEEP_S * 0.2)
    assert side.admission().bound("a") == 0


def test_an_older_recall_is_dropped(side):
    leased(side)
    side.tell(Recall(BLUE, 9, 0, 0))
    side.tell(Recall(BLUE, 8, 1, 0))
    side.loop.run()
    assert side.admission().bound("a") == 1
    side.side.forget_recalls()
    side.tell(Recall(BLUE, 2, 1, 0))
    side.loop.run()
    assert side.admission().bound("a") == 0, "of another lessor"


def test_a_rise_of_load_is_told_at_once_and_not_too_often(side):
    leased(side)
    side.begin()
    side.begin()
    side.begin()
    assert side.taken(Rose) == [Rose(BLUE)]
    side.loop.run(ROSE_S)
    side.begin()
    assert side.taken(Rose) == [Rose(BLUE)]


def test_loads_that_changed_go_together_ten_times_a_second_and_a_quiet_lane_sleeps(side):
    leased(side)
    requests = [side.begin(), side.begin(GREEN)]
    side.loop.run(TICK_S)
    (loads,) = side.taken(Loads)
    assert [(load.group, load.in_flight, load.arrivals) for load in loads.loads] == [(BLUE, 1, 1), (GREEN, 0, 1)]
    side.loop.run(TICK_S)
    assert side.taken(Loads) == []
    side.end(requests[0])
    side.loop.run(TICK_S)
    (loads,) = side.taken(Loads)
    assert [(load.group, load.in_flight) for load in loads.loads] == [(BLUE, 0)]
    side.loop.run(10.0)
    assert not side.loop.busy, "nothing is looked at any more"
    side.begin()
    side.loop.run(TICK_S)
    assert side.taken(Loads)[-1].loads[0].arrivals == 2


def test_counts_are_said_about_once_a_second_while_there_are_any(side):
    leased(side)
    request = side.begin()
    side.lane().metrics.finished("answered", 200, 0.1, 0.1, 0.0, 0.0)
    side.loop.run(TICK_S * (SHIP_TICKS + 0.5))
    (counted,) = side.taken(Counted)
    assert counted.versions[BLUE].requests == {("answered", 200): 1}
    side.end(request)
    side.lane().metrics.finished("answered", 200, 0.1, 0.1, 0.0, 0.0)
    side.loop.run(3.0)
    assert side.taken(Counted)[-1].versions[BLUE].requests == {("answered", 200): 2}
    side.loop.run(10.0)
    assert side.taken(Counted) == []


def test_what_ended_before_a_version_was_picked_is_said_too(side):
    for _ in range(2):
        side.side.front.unrouted.finished("not_found", 404, 0.1)
        side.loop.run(TICK_S * (SHIP_TICKS + 0.5))
    assert [counted.endpoints[""].requests for counted in side.taken(Counted)] == [
        {("not_found", 404): 1},
        {("not_found", 404): 2},
    ]


def test_who_is_asked_says_all_and_then_that_this_was_all(side):
    leased(side)
    side.begin()
    side.tell(Ship(4))
    assert [type(message) for message in side.taken()] == [Loads, Counted, Shipped]


def test_a_part_of_the_queue_is_for_versions_that_come_later_too(side):
    side.tell(QueuePart(1, 3))
    spec = Source(endpoint(["late"], maxQueueLength=8), None, Path())
    side.tell(Configure(8, (Served("digits", spec, {"late": UNKNOWN}),)))
    limits = side.admission(UNKNOWN).limits
    assert (limits.queue_length, limits.whole_queue_length) == (3, 8)
