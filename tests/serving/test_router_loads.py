"""What workers ship becomes the load of the router: over the last seconds, as a request meets it."""

import pytest

from autoscaler.frontend import STALE_S
from router.serving.router_loads import WINDOW_S, RouterLoads
from router.telemetry.turns import Pulse


def loads(workers=1, fixed=None, cores=4.0):
    return RouterLoads(lambda: workers, fixed, lambda: cores)


def ship(loads, worker, until, *, cpu=0.5, wait_s=0.001, since=0, offset=Pulse(0.0, 0, 0.0)):  # noqa: B008
    """A pulse a second, of ten turns each."""
    for now in range(since, until + 1):
        loads.shipped(worker, Pulse(offset.cpu_s + cpu * now, 10 * now, 10 * now * wait_s), float(now))


def test_nothing_is_known_before_a_worker_has_told_something_twice():
    own = loads()
    assert own.own(0.0) is None
    ship(own, "a", 0)
    assert own.own(0.0) is None
    ship(own, "a", 1, since=1)
    load = own.own(1.0)
    assert (load.at, load.workers, load.cpu) == (1.0, 1, 0.5)
    assert load.routing_ms == pytest.approx(2.0)  # a request waits for two turns


def test_only_the_last_seconds_count():
    own = loads()
    ship(own, "a", 100, cpu=1.0)
    busy = Pulse(100.0, 1000, 1.0)
    for second in range(1, int(WINDOW_S) + 1):
        own.shipped("a", Pulse(busy.cpu_s, busy.turns + 10 * second, busy.waited_s), 100.0 + second)
    load = own.own(105.0)
    assert (load.cpu, load.routing_ms) == (0.0, 0.0)


def test_a_worker_that_does_more_counts_for_more():
    own = loads(workers=2)
    ship(own, "a", 10, cpu=0.9, wait_s=0.010)
    ship(own, "b", 10, cpu=0.1, wait_s=0.0)
    load = own.own(10.0)
    assert load.cpu == pytest.approx(1.0)
    assert load.routing_ms == pytest.approx(18.0)


def test_a_silent_worker_makes_it_old_until_it_is_known_to_have_ended():
    own = loads(workers=2)
    ship(own, "a", 10)
    ship(own, "b", 3)
    assert own.own(10.0).at == 3.0
    own.ended("b")
    assert own.own(10.0).at == 10.0


def test_a_worker_under_an_old_name_begins_anew():
    own = loads()
    ship(own, "a", 10)
    own.shipped("a", Pulse(0.1, 1, 0.0), 11.0)
    assert own.own(11.0) is None
    own.shipped("a", Pulse(0.3, 11, 0.0), 12.0)
    assert own.own(12.0).cpu == pytest.approx(0.2)


@pytest.mark.parametrize(("cores", "fixed", "most"), [(4.0, None, 4), (2.9, None, 2), (0.5, None, 1), (2.0, 6, 6)])
def test_the_most_workers_are_the_whole_cores_or_the_fixed_number(cores, fixed, most):
    own = loads(fixed=fixed, cores=cores)
    ship(own, "a", 1)
    load = own.own(1.0)
    assert (load.most_workers, load.cores) == (most, cores)


def test_what_others_tell_is_of_when_it_was_heard():
    own, theirs = loads(), loads(cores=2.5)
    assert theirs.said(0.0) is None
    ship(theirs, "a", 5, wait_s=0.002)
    wire = list(theirs.said(5.0))
    own.heard("pod-1", wire, 7000.0)
    own.heard("pod-1", wire, 7001.0)
    own.heard("pod-2", wire, 7001.0)
    assert own.others(7002.0) == (theirs.own(5.0)._replace(at=7001.0),) * 2
    own.lost("pod-1")
    assert len(own.others(7002.0)) == 1


def test_what_is_said_is_another_each_time_and_nothing_that_is_old():
    own = loads()
    ship(own, "a", 5, cpu=0.0, wait_s=0.0)
    first = own.said(5.0)
    ship(own, "a", 6, since=6, cpu=0.0, wait_s=0.0)
    assert own.said(6.0) != first  # else it would not be told, and seem to be old
    assert own.said(6.0 + STALE_S) is not None
    assert own.said(6.1 + STALE_S) is None
