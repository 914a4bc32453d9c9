"""What two pages of metrics say, and what they say of a router that started anew."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from router.cli.load import loads, read_page
from router.errors import Outcome
from router.telemetry.counters import VersionMetrics
from router.telemetry.families import Families, Readings, VersionReading
from router.telemetry.source import Clients, VersionLoad

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


def test_the_page_that_the_router_renders_is_understood():
    metrics = VersionMetrics()
    busy = VersionLoad(busy=2, total=3, slots=6, in_flight=5, queued=4, desired=7, traffic_percentile=80.0)

    def page():
        version = VersionReading("digits", "blue", busy, 0, 0, metrics.snapshot())
        readings = Readings("1.2.3", 0, Clients(open=1, refused=0, displaced=0), None, (), (version,))
        return read_page(generate_latest(Families(readings, CollectorRegistry())).decode())

    metrics.finished(Outcome.OK, 200, 9.0, 9.0, 0.0, 0.0)
    earlier = page()
    for _ in range(99):
        metrics.finished(Outcome.OK, 200, 0.004, 0.004, 0.0, 0.0)
    metrics.finished(Outcome.QUEUE_TIMEOUT, 503, 0.4, -1.0, 0.0, 0.0)
    (load,) = loads(earlier, page(), 10.0)
    assert load.rps == 10.0
    assert load.p50_ms == pytest.approx(3.8, abs=0.1)  # linear within 2.5 to 5 ms
    assert load.p99_ms == 5.0
    assert load[2] == 80.0
    assert load[6:] == (2, 3, 7, 5, 4)
