"""What two pages of metrics say, and what they say of a router that started anew."""

from router.cli.load import loads, read_page

GAUGE = 'maitre_replicas_total{endpoint="digits.team",version="blue"} 1\n'


def requests(count):
    return read_page(f'{GAUGE}maitre_requests_total{{endpoint="digits.team",version="blue",outcome="ok"}} {count}\n')


def test_no_requests_no_latency_and_never_scaled():
    (load,) = loads(read_page(GAUGE), read_page(GAUGE), 2.0)
    assert (load.endpoint, load.rps, load.p50_ms, load.desired) == ("digits.team", 0.0, None, None)


def test_rates_are_per_second_and_outcomes_add_up():
    more = requests("5").requests
    assert loads(requests("1"), requests("5"), 2.0)[0].rps == 2.0
    assert more == {("digits.team", "blue"): 5.0}


def test_a_counter_that_fell_began_anew():
    assert loads(requests("100"), requests("4"), 2.0)[0].rps == 2.0


def test_a_version_that_is_gone_is_not_shown():
    assert loads(requests("1"), read_page(""), 1.0) == []
