"""One version in one worker: its part of the queue, its replicas, and the numbers by which leases are told apart."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.leases import Bound, Lease
from router.serving.lane import limits_of
from router.serving.messages import Configure, Emptied, Place, QueuePart, Served, Source, Withdraw
from tests.serving.crew_stage import BLUE, Side, endpoint


@pytest.fixture
def side():
    side = Side()
    side.tell(Configure(1, (Served("digits", Source(endpoint(["blue"]), None, Path()), {"blue": BLUE}),)))
    side.taken()
    yield side
    side.side.close()


def place(side, replica="a"):
    side.tell(Place(BLUE, replica, "127.0.0.1", 5001, None))


def bounds(side):
    side.loop.run()
    return side.taken(Bound)


@given(st.integers(0, 2000), st.integers(1, 64))
def test_parts_of_a_queue_are_about_equal_and_sum_to_the_setting(length, workers):
    (version,) = endpoint(["blue"], maxQueueLength=length).spec.versions
    parts = [limits_of(version, QueuePart(nth, workers)).queue_length for nth in range(workers)]
    assert sum(parts) == length
    assert max(parts) - min(parts) <= 1


def test_settings_are_taken_over_in_place(side):
    admission = side.admission()
    more = endpoint(["blue"], maxQueueLength=10, maxQueueWaitMs=7, scoringTimeoutMs=1500)
    side.tell(QueuePart(0, 4))
    side.tell(Configure(2, (Served("digits", Source(more, None, Path()), {"blue": BLUE}),)))
    assert side.admission() is admission
    assert (admission.limits.queue_length, admission.limits.queue_wait_s) == (3, 0.007)
    assert side.lane().route.scoring_timeout_s == 1.5


def test_a_replica_takes_no_request_before_slots_of_it_are_leased(side):
    place(side)
    assert side.begin().slot is None
    side.tell(Lease(BLUE, "a", 1, 1))
    assert side.admission().in_flight == 1


def test_a_replica_that_is_told_twice_is_one(side):
    place(side)
    side.tell(Lease(BLUE, "a", 1, 1))
    place(side)
    assert side.admission().total == 1
    assert side.admission().bound("a") == 1


def test_a_withdrawn_replica_has_emptied_when_its_last_request_ends(side):
    place(side)
    side.tell(Lease(BLUE, "a", 1, 1))
    request = side.begin()
    side.tell(Withdraw(BLUE, "a", 3))
    assert side.taken(Emptied) == []
    assert bounds(side)[-1] == Bound(BLUE, "a", 1, 1)
    side.end(request)
    assert side.taken(Emptied) == [Emptied(BLUE, "a", 3)]
    assert bounds(side) == [Bound(BLUE, "a", 1, 0)]
    side.tell(Withdraw(BLUE, "a", 4))
    assert side.taken(Emptied) == [Emptied(BLUE, "a", 4)], "what is not here runs nothing"


def test_a_bound_bears_the_number_of_the_lease_through_a_withdrawal(side):
    place(side)
    side.tell(Lease(BLUE, "a", 5, 1))
    request = side.begin()
    side.tell(Withdraw(BLUE, "a", 1))
    side.tell(Lease(BLUE, "a", 6, 0))
    place(side)
    assert bounds(side)[-1] == Bound(BLUE, "a", 6, 1)
    side.end(request)
    assert bounds(side) == [Bound(BLUE, "a", 6, 0)]


def test_a_replica_that_comes_and_goes_in_one_turn_keeps_its_number(side):
    place(side)
    side.tell(Lease(BLUE, "a", 5, 1))
    side.tell(Withdraw(BLUE, "a", 1))
    side.tell(Lease(BLUE, "a", 6, 0))
    place(side)
    assert bounds(side) == [Bound(BLUE, "a", 6, 0)]


def test_whoever_takes_over_is_told_of_all_leases_that_were_seen_and_of_nothing_that_has_gone(side):
    for number, replica in enumerate("abc"):
        place(side, replica)
        side.tell(Lease(BLUE, replica, 5 + number, 1))
    side.tell(Lease(BLUE, "b", 9, 0))
    side.tell(Withdraw(BLUE, "c", 1))
    side.tell(Lease(BLUE, "c", 10, 0))
    side.loop.run()
    assert side.side.bounds() == (Bound(BLUE, "a", 5, 1), Bound(BLUE, "b", 9, 0))


def test_a_lease_of_a_replica_that_has_gone_is_answered_and_nothing_of_it_is_kept(side):
    for number in range(1, 100):
        side.tell(Lease(BLUE, str(number), number, 1))
    assert len(bounds(side)) == 99
    assert side.side.bounds() == ()


def test_a_closed_lane_lets_its_requests_end(side):
    place(side)
    side.tell(Lease(BLUE, "a", 1, 1))
    lane, request = side.lane(), side.begin()
    lane.close()
    assert request.slot is not None
    side.end(request)
    assert (lane.demand().in_flight, lane.load().away) == (0, 0)
