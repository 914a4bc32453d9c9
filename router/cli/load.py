"""How loaded versions are, from two pages of metrics: what counters and histograms gained between them, and gauges as
they are on the later one. Pure; read by `maitre top`.

What was not on the earlier page began at zero, and so did what is less than it was: the router started anew.
"""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

from router.telemetry.histogram import HistogramSnapshot

VersionKey: TypeAlias = tuple[str, str]
"""Endpoint and version, as metrics label them."""

_SAMPLE: Final = re.compile(r"(?P<name>maitre_\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)")
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
_GAUGES: Final = {
    "maitre_traffic_percentile": "share",
    "maitre_replicas_busy": "busy",
    "maitre_replicas_total": "total",
    "maitre_desired_replicas": "desired",
    "maitre_requests_in_flight": "in_flight",
    "maitre_requests_queued": "queued",
}


class Page(NamedTuple):
    """What is read of one page."""

    requests: dict[VersionKey, float]
    durations: dict[VersionKey, HistogramSnapshot]
    gauges: dict[VersionKey, dict[str, float]]


class LoadSeen(NamedTuple):
    """One version between two pages. Durations are milliseconds; None where there was no request."""

    endpoint: str
    version: str
    share: float
    """Percent of the endpoint's requests."""
    rps: float
    p50_ms: float | None
    p99_ms: float | None
    busy: int
    total: int
    """Replicas that are ready."""
    desired: int | None
    """Replicas that are wanted; None: it is never scaled."""
    in_flight: int
    queued: int


def read_page(text: str) -> Page:
    """From the text format of Prometheus."""
    requests: defaultdict[VersionKey, float] = defaultdict(float)
    gauges: defaultdict[VersionKey, dict[str, float]] = defaultdict(dict)
    buckets: defaultdict[VersionKey, list[tuple[float, int]]] = defaultdict(list)
    for sample in _SAMPLE.finditer(text):
        labels = dict(_LABEL.findall(sample["labels"]))
        key = (labels.get("endpoint", ""), labels.get("version", ""))
        name, value = sample["name"], float(sample["value"])
        if not all(key):  # requests that matched none
            continue
        if name == "maitre_requests_total":
            requests[key] += value
        elif name == "maitre_request_duration_seconds_bucket":
            buckets[key].append((float(labels["le"]), int(value)))
        elif name in _GAUGES:
            gauges[key][_GAUGES[name]] = value
    return Page(dict(requests), {key: _histogram(each) for key, each in buckets.items()}, dict(gauges))


def loads(earlier: Page, later: Page, seconds: float) -> list[LoadSeen]:
    """Of all versions of the later page, by endpoint and version; `seconds`, above 0, is the time between the two."""
    return [_load(key, earlier, later, seconds) for key in sorted(later.gauges)]


def _load(key: VersionKey, earlier: Page, later: Page, seconds: float) -> LoadSeen:
    gauges = later.gauges[key]
    now, before = later.requests.get(key, 0.0), earlier.requests.get(key, 0.0)
    durations = _gained(earlier.durations.get(key), later.durations.get(key))
    desired = gauges.get("desired")
    return LoadSeen(
        *key,
        share=gauges.get("share", 0.0),
        rps=(now - before if now >= before else now) / seconds,
        p50_ms=_milliseconds(durations, 0.5),
        p99_ms=_milliseconds(durations, 0.99),
        busy=int(gauges.get("busy", 0)),
        total=int(gauges.get("total", 0)),
        desired=None if desired is None else int(desired),
        in_flight=int(gauges.get("in_flight", 0)),
        queued=int(gauges.get("queued", 0)),
    )


def _gained(earlier: HistogramSnapshot | None, later: HistogramSnapshot | None) -> HistogramSnapshot | None:
    if earlier is None or later is None or earlier.bounds != later.bounds:
        return later
    gained = later.since(earlier)
    return later if min(gained.counts) < 0 else gained


def _milliseconds(durations: HistogramSnapshot | None, q: float) -> float | None:
    seconds = None if durations is None else durations.quantile(q)
    return None if seconds is None else round(seconds * 1000, 1)


def _histogram(buckets: list[tuple[float, int]]) -> HistogramSnapshot:
    """The page has how many were at most so long; the last bound is infinite."""
    buckets = sorted(buckets)
    counts = [after - before for before, after in pairwise([0, *(count for _, count in buckets)])]
    return HistogramSnapshot(tuple(bound for bound, _ in buckets[:-1]), tuple(counts), 0.0)
