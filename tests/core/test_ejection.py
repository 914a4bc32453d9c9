"""How long a replica that cannot be reached is left alone."""

import pytest

from router.core.ejection import BASE_S, MAX_S, Ejections


def test_every_failure_in_a_row_doubles_the_time_away_up_to_a_limit():
    ejections = Ejections()
    times = [ejections.failed("x", 100.0) - 100.0 for _ in range(11)]
    assert times == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0])
    assert (BASE_S, MAX_S) == (0.1, 30.0)


def test_a_replica_that_fails_for_ever_is_tried_for_ever():
    ejections = Ejections()
    for _ in range(2000):  # 2.0 ** 1999 would overflow
        until = ejections.failed("x", 0.0)
    assert until == MAX_S


@pytest.mark.parametrize("forgive", [Ejections.connected, Ejections.forget])
def test_a_connection_that_stands_forgives_all_and_so_does_leaving(forgive):
    ejections = Ejections()
    ejections.failed("x", 0.0)
    ejections.failed("x", 0.0)
    ejections.failed("y", 0.0)
    forgive(ejections, "x")
    forgive(ejections, "x")
    assert ejections.failed("x", 0.0) == BASE_S
    assert ejections.failed("y", 0.0) == 2 * BASE_S


def test_a_connection_where_nothing_failed_is_nothing():
    ejections = Ejections()
    ejections.connected("x")
    assert ejections.failed("x", 0.0) == BASE_S


def test_the_end_of_an_earlier_ejection_ends_no_later_one():
    ejections = Ejections()
    first, second = ejections.failed("x", 0.0), ejections.failed("x", 0.0)
    assert first < second
    assert [ejections.over("x", now) for now in (first, second - 0.001, second)] == [False, False, True]
    assert ejections.over("never failed", 0.0)
