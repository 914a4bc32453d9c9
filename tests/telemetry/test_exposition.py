"""The page of metrics: read back with the parsers of Prometheus and compared with what was planted."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from router.errors import CopyDropped, Outcome
from router.telemetry.counters import EndpointMetrics, MirrorMetrics, ScaleEvents, VersionMetrics
from router.telemetry.exposition import Exposition
from router.telemetry.source import Clients, VersionLoad

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
CLIENTS = Clients(open=3, refused=2, displaced=1)
IDLE = VersionLoad(busy=0, total=1, slots=1, in_flight=0, queued=0, desired=1, traffic_percentile=20.0)
BUSY = VersionLoad(busy=2, total=3, slots=6, in_flight=5, queued=4, desired=7, traffic_percentile=80.0, tunnels=1)


@dataclass
class Endpoint:
    label: str
    metrics: EndpointMetrics = field(default_factory=EndpointMetrics)


@dataclass
class Version:
    endpoint: str
    version: str
    now: VersionLoad = IDLE
    metrics: VersionMetrics = field(default_factory=VersionMetrics)
    scale_events: ScaleEvents = field(default_factory=ScaleEvents)
    mirror_metrics: MirrorMetrics = field(default_factory=MirrorMetrics)

    def load(self) -> VersionLoad:
        return self.now


class Router:
    """A `Source` with planted values."""

    def __init__(self, endpoints: Sequence[Endpoint] = (), versions: Sequence[Version] = (), problems: int = 0) -> None:
        self._endpoints, self._versions, self._problems = endpoints, versions, problems
        self.unrouted = EndpointMetrics()

    async def refresh(self) -> None:
        """All is here."""

    def endpoints(self) -> Sequence[Endpoint]:
        return self._endpoints

    def versions(self) -> Sequence[Version]:
        return self._versions

    def config_problems(self) -> int:
        return self._problems


def planted() -> Router:
    digits, blue = Endpoint("digits"), Version("digits", "blue", BUSY)
    router = Router([digits], [blue, Version("digits", "green", IDLE)])
    blue.metrics.finished(Outcome.OK, 200, 0.2, 0.15, 0.04, 0.0004)
    blue.metrics.finished(Outcome.OK, 404, 0.2, 0.15, 0.04, 0.0004)
    blue.metrics.finished(Outcome.QUEUE_FULL, 503, 0.001, -1.0, 0.0, 0.0)
    blue.metrics.finished(Outcome.CLIENT_GONE, 0, 0.3, -1.0, 0.3, 0.0)
    blue.scale_events.applied(1, 3)
    digits.metrics.finished(Outcome.UNAUTHORIZED, 401, 0.0003)
    router.unrouted.finished(Outcome.NOT_FOUND, 404, 0.0002)
    return router


async def page(router: Router, accept: str = "", expiry: float | None = None) -> str:
    exposition = Exposition(router, lambda: CLIENTS, "1.2.3", lambda: expiry)
    try:
        body, _content_type = await exposition.render(accept)
    finally:
        exposition.close()
    return body.decode()


async def samples(router: Router, accept: str = "") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = await page(router, accept)
    families = list((parse_openmetrics if accept == OPENMETRICS else parse_text)(text))
    assert len({family.name for family in families}) == len(families)
    return {(each.name, tuple(sorted(each.labels.items()))): each.value for f in families for each in f.samples}


def labelled(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, tuple(sorted(labels.items()))


BLUE = {"endpoint": "digits", "version": "blue"}
GREEN = {"endpoint": "digits", "version": "green"}


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_requests_are_told_by_endpoint_version_outcome_and_code(accept):
    found = {
        key: value for key, value in (await samples(planted(), accept)).items() if key[0] == "maitre_requests_total"
    }
    assert found == {
        labelled("maitre_requests_total", **BLUE, outcome="ok", code="200"): 1,
        labelled("maitre_requests_total", **BLUE, outcome="ok", code="404"): 1,
        labelled("maitre_requests_total", **BLUE, outcome="queue_full", code="503"): 1,
        labelled("maitre_requests_total", **BLUE, outcome="client_gone", code="0"): 1,
        labelled("maitre_requests_total", endpoint="digits", version="", outcome="unauthorized", code="401"): 1,
        labelled("maitre_requests_total", endpoint="", version="", outcome="not_found", code="404"): 1,
    }


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
@pytest.mark.parametrize(
    ("name", "count", "sum_s", "bound", "within"),
    [
        ("maitre_request_duration_seconds", 4, 0.701, "0.25", 3),
        ("maitre_upstream_duration_seconds", 2, 0.3, "0.1", 0),
        ("maitre_queue_wait_seconds", 2, 0.08, "0.05", 2),
        ("maitre_router_overhead_seconds", 2, 0.0008, "0.0004", 2),
    ],
)
async def test_durations_are_cumulative_histograms(accept, name, count, sum_s, bound, within):
    found = await samples(planted(), accept)
    assert found[labelled(f"{name}_count", **BLUE)] == count
    assert found[labelled(f"{name}_sum", **BLUE)] == pytest.approx(sum_s)
    assert found[labelled(f"{name}_bucket", **BLUE, le=bound)] == within
    assert found[labelled(f"{name}_bucket", **BLUE, le="+Inf")] == count


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_copies_have_metrics_of_their_own(accept):
    mirror = MirrorMetrics()
    shade = Version("digits", "shade", mirror_metrics=mirror)
    router = Router([Endpoint("digits")], [*planted().versions(), shade])
    assert not any(name.startswith("maitre_mirrored") for name, _ in await samples(router, accept))
    mirror.finished(Outcome.OK, 0.2)
    mirror.finished(Outcome.QUEUE_FULL, 0.0)
    for reason in CopyDropped:
        mirror.dropped(reason)
    found = await samples(router, accept)
    labels = {"endpoint": "digits", "version": "shade"}
    for outcome in ("ok", "queue_full", "too_large", "over_budget"):
        assert found[labelled("maitre_mirrored_requests_total", **labels, outcome=outcome)] == 1
    assert found[labelled("maitre_mirrored_duration_seconds_count", **labels)] == 2
    assert found[labelled("maitre_mirrored_duration_seconds_sum", **labels)] == 0.2
    assert found[labelled("maitre_scale_events_total", **labels, direction="up")] == 0
    assert not any(name.startswith("maitre_request") and ("version", "shade") in about and "outcome" in dict(about)
                   for name, about in found)  # fmt: skip


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_requests_without_a_version_have_a_duration_too(accept):
    found = await samples(planted(), accept)
    assert found[labelled("maitre_request_duration_seconds_count", endpoint="digits", version="")] == 1
    assert found[labelled("maitre_request_duration_seconds_sum", endpoint="", version="")] == 0.0002


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_gauges_say_how_busy_each_version_is(accept):
    found = await samples(planted(), accept)
    expected = {
        "maitre_replicas_busy": (2, 0),
        "maitre_replicas_total": (3, 1),
        "maitre_requests_in_flight": (5, 0),
        "maitre_requests_queued": (4, 0),
        "maitre_tunnels_open": (1, 0),
        "maitre_desired_replicas": (7, 1),
        "maitre_utilization_ratio": (1.5, 0),
        "maitre_traffic_percentile": (80, 20),
    }
    assert {name: (found[labelled(name, **BLUE)], found[labelled(name, **GREEN)]) for name in expected} == expected


async def test_versions_without_a_request_have_gauges_only():
    text = await page(Router([Endpoint("digits")], [Version("digits", "green")]))
    lines = [line for line in text.splitlines() if 'endpoint="' in line]
    assert len(lines) == 8
    assert not any("_total{" in line and "replicas" not in line for line in lines)
    assert not any("_bucket" in line for line in lines)


async def test_scale_events_tell_both_directions_once_there_is_something_to_tell():
    never_asked = Version("digits", "green")
    never_asked.scale_events.applied(2, 1)
    found = await samples(Router([], [*planted().versions(), never_asked, Version("digits", "idle")]))
    events = {key: value for key, value in found.items() if key[0] == "maitre_scale_events_total"}
    assert events == {
        labelled("maitre_scale_events_total", **BLUE, direction="up"): 1,
        labelled("maitre_scale_events_total", **BLUE, direction="down"): 0,
        labelled("maitre_scale_events_total", **GREEN, direction="up"): 0,
        labelled("maitre_scale_events_total", **GREEN, direction="down"): 1,
    }


async def test_a_version_that_is_never_scaled_desires_nothing():
    found = await samples(Router([], [Version("digits", "blue", IDLE._replace(desired=None))]))
    assert labelled("maitre_desired_replicas", **BLUE) not in found


@pytest.mark.parametrize(("problems", "valid"), [(0, 1), (3, 0)])
async def test_a_refused_configuration_shows(problems, valid):
    found = await samples(Router(problems=problems))
    assert found[labelled("maitre_config_valid")] == valid
    assert found[labelled("maitre_config_problems")] == problems


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_the_connections_of_clients(accept):
    found = await samples(Router(), accept)
    names = ("maitre_connections_open", "maitre_connections_refused_total", "maitre_connections_displaced_total")
    assert [found[labelled(name)] for name in names] == [3, 2, 1]


async def test_the_end_of_the_served_certificate():
    name = "maitre_tls_certificate_expiry_timestamp_seconds"
    assert f"{name} 1.8e+09" in await page(Router(), expiry=1.8e9)
    assert name not in await page(Router()), "where none is served"


async def test_the_build_and_the_process_are_told():
    found = await samples(Router())
    assert found[labelled("maitre_build_info", version="1.2.3")] == 1
    names = {name for name, _labels in found}
    assert {"process_cpu_seconds_total", "python_info", "python_gc_objects_collected_total"} <= names


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_every_outcome_can_be_rendered(accept):
    router = planted()
    for outcome in Outcome:
        router.unrouted.finished(outcome, 0, 0.0)
    found = await samples(router, accept)
    told = {dict(labels)["outcome"] for name, labels in found if name == "maitre_requests_total"}
    assert told == {outcome.value for outcome in Outcome}


@pytest.mark.parametrize(
    ("in_flight", "queued", "slots", "ratio"), [(0, 0, 0, 0.0), (0, 3, 0, 3.0), (2, 0, 4, 0.5), (4, 2, 4, 1.5)]
)
def test_utilization_is_always_finite(in_flight, queued, slots, ratio):
    assert IDLE._replace(in_flight=in_flight, queued=queued, slots=slots).utilization == ratio


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4"),
        ("text/html, */*", "text/plain; version=0.0.4"),
        (f"{OPENMETRICS};q=0.9, text/plain;q=0.1", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text; version=one", "text/plain; version=0.0.4"),
        ("text/plain; version=1.x.0", "text/plain; version=0.0.4"),
    ],
)
async def test_the_accept_header_picks_the_format(accept, content_type):
    exposition = Exposition(planted(), lambda: CLIENTS, "1.2.3")
    body, found = await exposition.render(accept)
    exposition.close()
    assert found.startswith(content_type)
    assert body.endswith(b"# EOF\n") is found.startswith("application/openmetrics")


async def test_scrapers_that_come_together_all_get_a_page():
    exposition = Exposition(planted(), lambda: CLIENTS, "1.2.3")
    pages = await asyncio.gather(*(exposition.render(OPENMETRICS) for _ in range(4)))
    exposition.close()
    assert all(b"maitre_requests_total" in body for body, _content_type in pages)


async def test_reading_many_versions_lets_the_loop_run():
    router = Router([], [Version(f"e{number}", "blue") for number in range(1000)])
    turns, reading = 0, True

    async def others() -> None:
        nonlocal turns
        while reading:
            turns += 1
            await asyncio.sleep(0)

    exposition = Exposition(router, lambda: CLIENTS, "1.2.3")
    async with asyncio.TaskGroup() as group:
        group.create_task(others())
        await exposition._read()
        reading = False
    exposition.close()
    assert turns >= 10


async def test_the_switch_interval_is_put_back():
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(0.003)
    try:
        await page(planted())
        assert sys.getswitchinterval() == pytest.approx(0.003)
    finally:
        sys.setswitchinterval(before_s)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, which comes with Prometheus")
async def test_promtool_finds_no_fault():
    shade = Version("digits", "shade", mirror_metrics=MirrorMetrics())
    shade.mirror_metrics.finished(Outcome.OK, 0.2)
    shade.mirror_metrics.dropped(CopyDropped.OVER_BUDGET)
    text = await page(Router([], [*planted().versions(), shade]), expiry=1.8e9)
    assert "maitre_mirrored_requests_total{" in text
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
