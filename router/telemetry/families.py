"""The names, labels, units and meanings of maitre's metrics: section 7 of the contract as Prometheus metric families.

Pure: `Readings`, immutable values taken from the running router, in; families out. Counters and histograms of
versions and endpoints that have never seen a request (a copy of one, for mirrors) are left out (with 10,000 endpoints
most are idle); gauges are always there.
Labels are endpoint, version, outcome, code, part and direction, and nothing that a client chose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    UnknownMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from router.telemetry.counters import EndpointTotals, MirrorTotals, VersionTotals
from router.telemetry.histogram import HistogramSnapshot
from router.telemetry.source import (
    Clients,
    ClusterReading,
    CoordinationReading,
    CrewReading,
    FrontendReading,
    VersionLoad,
)

_VERSION: Final = ("endpoint", "version")


class EndpointReading(NamedTuple):
    """Requests that ended before a version was picked; none is made where there was no such request."""

    endpoint: str  # "" for requests that matched none
    totals: EndpointTotals


class VersionReading(NamedTuple):
    """One version: how busy it is, and what it has counted."""

    endpoint: str
    version: str
    load: VersionLoad
    scaled_up: int
    scaled_down: int
    totals: VersionTotals | None  # None: no request yet
    mirrored: MirrorTotals | None = None  # None: no copy yet


class Readings(NamedTuple):
    """All that one page of metrics says about the router."""

    build: str
    config_problems: int
    clients: Clients
    certificate_expiry: float | None  # Unix seconds; None where no certificate is served
    endpoints: tuple[EndpointReading, ...]
    versions: tuple[VersionReading, ...]
    cluster: ClusterReading | None = None
    crew: CrewReading | None = None
    frontend: FrontendReading | None = None


_GAUGES: Final[tuple[tuple[str, str, Callable[[VersionLoad], float | None]], ...]] = (
    ("maitre_replicas_busy", "Replicas with at least one slot held.", lambda load: load.busy),
    ("maitre_replicas_total", "Ready replicas.", lambda load: load.total),
    ("maitre_requests_in_flight", "Requests that hold a slot on a replica.", lambda load: load.in_flight),
    ("maitre_requests_queued", "Requests that wait for a slot.", lambda load: load.queued),
    ("maitre_tunnels_open", "Upgraded connections (WebSocket), each holding a slot.", lambda load: load.tunnels),
    (
        "maitre_desired_replicas",
        "Replicas that the autoscaler wants; absent for a version that is never scaled.",
        lambda load: load.desired,
    ),
    (
        "maitre_utilization_ratio",
        "Requests in flight and queued, divided by the slots of all ready replicas; above 1 when requests wait. "
        "Without a slot, the number of those requests itself.",
        lambda load: load.utilization,
    ),
    (
        "maitre_traffic_percentile",
        "Share of the endpoint's requests that the version is to get, in percent, 0 to 100; the default version's "
        "includes the share that no version claims.",
        lambda load: load.traffic_percentile,
    ),
    (
        "maitre_pods_unschedulable",
        "Pods of the version that no node has room for; while there are any its size is not raised.",
        lambda load: load.unschedulable,
    ),
    (
        "maitre_hpa_conflict",
        "1 while a HorizontalPodAutoscaler scales the version's workload, and maitre does not.",
        lambda load: load.held_by_hpa,
    ),
)

_VERSION_HISTOGRAMS: Final[tuple[tuple[str, str, Callable[[VersionTotals], HistogramSnapshot]], ...]] = (
    (
        "maitre_upstream_duration_seconds",
        "Seconds from a slot at hand to the end of the replica's response, for requests that got a slot.",
        lambda totals: totals.upstream,
    ),
    (
        "maitre_queue_wait_seconds",
        "Seconds that requests waited for a slot, for requests that got one.",
        lambda totals: totals.queue,
    ),
    (
        "maitre_router_overhead_seconds",
        "Seconds of a request spent neither waiting for a slot nor with the replica, for requests that got a slot.",
        lambda totals: totals.overhead,
    ),
)


class Families(Collector):
    """The readings as metric families, made one at a time as an encoder asks for them, then `others`' own."""

    def __init__(self, readings: Readings, others: Collector) -> None:
        self._readings = readings
        self._others = others

    def collect(self) -> Iterator[Metric]:
        readings = self._readings
        active = [(r.endpoint, r.version, r.totals) for r in readings.versions if r.totals is not None]
        ended_early = [(r.endpoint, "", r.totals) for r in readings.endpoints]
        everything: list[tuple[str, str, EndpointTotals | VersionTotals]] = [*active, *ended_early]
        yield _requests(everything)
        yield _histogram(
            "maitre_request_duration_seconds",
            "Seconds from the first byte of a request to its end, whatever its outcome.",
            ((endpoint, version, totals.duration) for endpoint, version, totals in everything),
        )
        for name, meaning, histogram in _VERSION_HISTOGRAMS:
            yield _histogram(
                name, meaning, ((endpoint, version, histogram(totals)) for endpoint, version, totals in active)
            )
        yield from _mirrored([(r.endpoint, r.version, r.mirrored) for r in readings.versions if r.mirrored is not None])
        yield _scale_events(readings.versions)
        for name, meaning, gauge in _GAUGES:
            yield _gauge(name, meaning, ((r.endpoint, r.version, gauge(r.load)) for r in readings.versions))
        yield from _process_wide(readings)
        yield from _connections(readings.clients)
        if readings.crew is not None:
            yield from _crew(readings.crew)
        if readings.cluster is not None:
            yield from _cluster(readings.cluster)
        if readings.frontend is not None:
            yield from _frontend(readings.frontend)
        yield from self._others.collect()


def _requests(rows: Sequence[tuple[str, str, EndpointTotals | VersionTotals]]) -> Metric:
    family = CounterMetricFamily(
        "maitre_requests",
        "Requests that have ended, by how (outcome) and by the status sent (code; 0 when the client left before any). "
        "Version is empty when the request ended before one was picked, endpoint too when it matched none.",
        labels=(*_VERSION, "outcome", "code"),
    )
    for endpoint, version, totals in rows:
        for (outcome, code), count in totals.requests.items():
            family.add_metric((endpoint, version, outcome.value, str(code)), count)
    return family


def _mirrored(rows: Sequence[tuple[str, str, MirrorTotals]]) -> Iterator[Metric]:
    family = CounterMetricFamily(
        "maitre_mirrored_requests",
        "Copies of live requests for a mirror version, by how they ended, or why none was sent (too_large, "
        "over_budget). None of them is in maitre_requests_total.",
        labels=(*_VERSION, "outcome"),
    )
    for endpoint, version, totals in rows:
        for ending, count in totals.copies.items():
            family.add_metric((endpoint, version, ending.value), count)
    yield family
    yield _histogram(
        "maitre_mirrored_duration_seconds",
        "Seconds from when a live request was there in full to the end of its copy, for copies that were made.",
        ((endpoint, version, totals.duration) for endpoint, version, totals in rows),
    )


def _histogram(name: str, meaning: str, rows: Iterable[tuple[str, str, HistogramSnapshot]]) -> Metric:
    family = HistogramMetricFamily(name, meaning, labels=_VERSION)
    for endpoint, version, histogram in rows:
        bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
        buckets = list(zip(bounds, histogram.cumulative(), strict=True))
        family.add_metric((endpoint, version), buckets, histogram.sum_s)
    return family


def _scale_events(versions: Sequence[VersionReading]) -> Metric:
    family = CounterMetricFamily(
        "maitre_scale_events",
        "Applied decisions that raised (direction up) or lowered (down) a version's replicas.",
        labels=(*_VERSION, "direction"),
    )
    for reading in versions:
        # Both directions from the first request on: a counter that starts at 0 shows its first rise to increase().
        served = reading.totals is not None or reading.mirrored is not None
        if served or reading.scaled_up or reading.scaled_down:
            family.add_metric((reading.endpoint, reading.version, "up"), reading.scaled_up)
            family.add_metric((reading.endpoint, reading.version, "down"), reading.scaled_down)
    return family


def _gauge(name: str, meaning: str, rows: Iterable[tuple[str, str, float | None]]) -> Metric:
    # the contract calls a gauge `maitre_replicas_total`, an ending that Prometheus keeps for counters: without a type
    # its checker has nothing to object to, and queries see no difference
    kind = UnknownMetricFamily if name.endswith("_total") else GaugeMetricFamily
    family = kind(name, meaning, labels=_VERSION)
    for endpoint, version, value in rows:
        if value is not None:
            family.add_metric((endpoint, version), value)
    return family


def _connections(clients: Clients) -> Iterator[Metric]:
    yield GaugeMetricFamily("maitre_connections_open", "Connections of clients.", value=clients.open)
    yield CounterMetricFamily(
        "maitre_connections_refused",
        "Connections turned away because all that --max-connections allows were at work.",
        value=clients.refused,
    )
    yield CounterMetricFamily(
        "maitre_connections_displaced",
        "Connections ended between two requests to make room for another one.",
        value=clients.displaced,
    )


def _crew(crew: CrewReading) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "maitre_worker_failures", "Workers that ended without being told to.", value=crew.failures
    )
    messages = CounterMetricFamily(
        "maitre_coordination_messages",
        "Messages between the control process and its workers, by direction (to or from the workers).",
        labels=("direction",),
    )
    messages.add_metric(("to",), crew.told)
    messages.add_metric(("from",), crew.heard)
    yield messages


def _cluster(cluster: ClusterReading) -> Iterator[Metric]:
    connected = GaugeMetricFamily(
        "maitre_kubernetes_connected",
        "1 while the API server answers for what is followed there (subject), 0 while the last known state is used.",
        labels=("subject",),
    )
    for subject, answers in cluster.connected.items():
        connected.add_metric((subject,), answers)
    yield connected
    yield GaugeMetricFamily("maitre_leader", "1 while this router leads: scales and writes.", value=cluster.leading)
    yield CounterMetricFamily("maitre_leader_terms", "Terms that this router began.", value=cluster.terms)
    yield CounterMetricFamily(
        "maitre_kubernetes_events_dropped", "Events that could not be written.", value=cluster.events_dropped
    )
    if cluster.coordination is not None:
        yield from _coordination(cluster.coordination)


def _coordination(coordination: CoordinationReading) -> Iterator[Metric]:
    standing = GaugeMetricFamily(
        "maitre_coordination_standing",
        "1 for how this router stands with the coordinator of slots, 0 for the other ways; see docs/coordination.md.",
        labels=("standing",),
    )
    turns = CounterMetricFamily(
        "maitre_coordination_turns", "How often this router came to stand so.", labels=("standing",)
    )
    for name, count in coordination.turns.items():
        standing.add_metric((name,), name == coordination.standing)
        turns.add_metric((name,), count)
    yield standing
    yield turns
    yield GaugeMetricFamily(
        "maitre_coordination_routers", "Routers that this one knows of.", value=coordination.routers
    )


def _frontend(frontend: FrontendReading) -> Iterator[Metric]:
    yield GaugeMetricFamily("maitre_router_workers", "Processes that take requests.", value=frontend.workers)
    yield GaugeMetricFamily(
        "maitre_router_routing_seconds",
        "What a request waits in this router for its turns, but for a slot: the mean of the last seconds. Above the "
        "threshold, the router grows.",
        value=frontend.routing_s,
    )
    yield GaugeMetricFamily(
        "maitre_router_cores_wanted",
        "Cores that the workers use, or wait for because others use them: the mean of the last seconds.",
        value=frontend.cpu,
    )
    changes = CounterMetricFamily(
        "maitre_router_scale_events",
        "Decisions that raised (direction up) or lowered (down) the number of this router's workers, or of all its "
        "pods (part).",
        labels=("part", "direction"),
    )
    for (part, direction), count in frontend.changes.items():
        changes.add_metric((part, direction), count)
    yield changes


def _process_wide(readings: Readings) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "maitre_config_valid",
        "1 when the newest configuration is in force, 0 when it was refused and the last good one, if any, still is.",
        value=0 if readings.config_problems else 1,
    )
    yield GaugeMetricFamily(
        "maitre_config_problems", "Problems found in the newest configuration.", value=readings.config_problems
    )
    if readings.certificate_expiry is not None:
        yield GaugeMetricFamily(
            "maitre_tls_certificate_expiry_timestamp_seconds",
            "When the certificate that clients are shown ends, in Unix seconds.",
            value=readings.certificate_expiry,
        )
    yield InfoMetricFamily("maitre_build", "The maitre that runs here.", value={"version": readings.build})
