"""Reads the router's metrics page twice a second, as a Prometheus would, and keeps what the demo shows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample as MetricSample

from examples.demo.failure import DemoFailed
from examples.demo.seen import NO_OVERHEAD, Load, Sample, Seen, Timeline
from router.telemetry.histogram import HistogramSnapshot

PERIOD_S: Final = 0.5
_GAUGES: Final = {
    "maitre_replicas_busy": "busy",
    "maitre_replicas_total": "total",
    "maitre_requests_queued": "queued",
    "maitre_desired_replicas": "desired",
}
_OVERHEAD: Final = "maitre_router_overhead_seconds"


async def observe(admin_url: str, seen: Seen, timeline: Timeline) -> None:
    """Adds a sample to `seen` every PERIOD_S, until cancelled."""
    async with httpx.AsyncClient(base_url=admin_url, timeout=10.0, trust_env=False) as client:
        due = timeline.now()
        while True:
            seen.samples.append(sample(timeline.now(), await _page(client)))
            due = max(due + PERIOD_S, timeline.now())  # after a stall go on from now
            await asyncio.sleep(due - timeline.now())


async def _page(client: httpx.AsyncClient) -> str:
    try:
        page = await client.get("/metrics")
        page.raise_for_status()
    except httpx.HTTPError as error:
        raise DemoFailed(f"the router no longer shows its metrics: {error!r}") from error
    return page.text


def sample(at: float, page: str) -> Sample:
    """What a metrics page says, in Prometheus's text format."""
    families = {family.name: family for family in text_string_to_metric_families(page)}
    loads: dict[str, dict[str, int]] = {}
    for name, attribute in _GAUGES.items():
        for each in _samples(families, name):
            loads.setdefault(each.labels["version"], {})[attribute] = int(each.value)
    versions = {version: Load(**load) for version, load in loads.items()}
    return Sample(at, versions, _histogram(_samples(families, _OVERHEAD)))


def _samples(families: Mapping[str, Metric], name: str) -> list[MetricSample]:
    return families[name].samples if name in families else []


def _histogram(samples: Iterable[MetricSample]) -> HistogramSnapshot:
    """One histogram of all versions together: what the router adds does not depend on the version."""
    up_to: Counter[float] = Counter()
    sum_s = 0.0
    for each in samples:
        if each.name == f"{_OVERHEAD}_bucket":
            up_to[float(each.labels["le"])] += int(each.value)
        elif each.name == f"{_OVERHEAD}_sum":
            sum_s += each.value
    if not up_to:
        return NO_OVERHEAD
    *bounds, _infinity = sorted(up_to)
    cumulative = [0, *(up_to[bound] for bound in sorted(up_to))]
    counts = tuple(after - before for before, after in pairwise(cumulative))
    return HistogramSnapshot(tuple(bounds), counts, sum_s)
