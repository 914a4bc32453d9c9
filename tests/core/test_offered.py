"""What counts as load: every client once, however often it asks."""

from router.core.offered import RETRY_MEMORY_S, OfferedLoad


def test_arrivals_are_counted_whether_they_are_served_or_refused():
    load = OfferedLoad()
    load.arrived("a", 0.0)
    load.arrived("b", 0.0)
    load.refused("b", 0.1)
    assert (load.arrivals, load.repeats, load.retrying(0.1)) == (2, 0, 1)


def test_a_client_that_is_refused_again_and_again_is_one_waiting_request():
    load = OfferedLoad()
    for n in range(10):
        load.arrived("a", n)
        load.refused("a", n + 0.5)
    assert (load.arrivals, load.repeats, load.retrying(10.0)) == (1, 9, 1)


def test_a_client_that_comes_back_waits_no_more():
    load = OfferedLoad()
    load.arrived("a", 0.0)
    load.refused("a", 0.0)
    load.arrived("a", 1.0)
    assert load.retrying(1.0) == 0


def test_who_is_served_and_asks_again_has_arrived_twice():
    load = OfferedLoad()
    load.arrived("a", 0.0)
    load.arrived("a", 0.1)
    assert (load.arrivals, load.repeats) == (2, 0)


def test_who_comes_back_late_is_a_new_arrival():
    load = OfferedLoad()
    load.refused("early", 0.0)
    load.refused("late", 0.0)
    load.arrived("early", RETRY_MEMORY_S)
    load.arrived("late", RETRY_MEMORY_S + 0.001)
    assert (load.arrivals, load.repeats) == (1, 1)


def test_who_gave_up_is_forgotten_after_a_while():
    load = OfferedLoad()
    load.refused("a", 0.0)
    load.refused("b", 1.0)
    load.refused("a", 1.5)  # again: it counts from now
    assert load.retrying(RETRY_MEMORY_S) == 2
    assert load.retrying(1.0 + RETRY_MEMORY_S) == 2
    assert load.retrying(1.001 + RETRY_MEMORY_S) == 1
    assert load.retrying(1.501 + RETRY_MEMORY_S) == 0


def test_clients_that_gave_up_do_not_pile_up_where_nobody_asks():
    load = OfferedLoad()
    for n in range(1000):
        load.refused(f"client {n}", n * RETRY_MEMORY_S)
    assert len(load._refused_at) <= 2  # each is a connection that would stay in memory


def test_who_closes_its_connection_waits_no_more():
    load = OfferedLoad()
    load.refused("a", 0.0)
    load.gone("a")
    load.gone("never refused")
    assert load.retrying(0.0) == 0


def test_service_times_add_up_and_everything_is_activity():
    load = OfferedLoad()
    assert load.activity == 0
    load.arrived("a", 0.0)
    load.served(0.25)
    load.served(0.5)
    load.refused("a", 1.0)
    load.arrived("a", 1.0)
    assert (load.completions, load.service_s, load.activity) == (2, 0.75, 4)
