"""The page of metrics, in Prometheus's text format or in OpenMetrics, as the scraper's Accept header prefers.

Reading the router happens on the event loop, a slice at a time, since the loop is the one writer of what is read. The
encoding, by far the longer part (microseconds per line), happens on one thread of its own, so that requests go on. One
page at a time: scrapers that come together wait for each other instead of multiplying memory.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from router.telemetry.counters import EndpointTotals
from router.telemetry.families import EndpointReading, Families, Readings, VersionReading
from router.telemetry.source import Clients, ClusterReading, Counts, CrewReading, FrontendReading, Source, VersionSource

Item = TypeVar("Item")

_SLICE: Final = 100
"""Versions or endpoints read before the loop gets its turn: below a millisecond where most are idle."""

_SWITCH_INTERVAL_S: Final = 0.0005
"""How long the encoder may keep the interpreter while the event loop wants it; Python's own 5 ms would be above the
router's whole latency budget (3 ms at the 99th percentile)."""


class Exposition:
    """Renders `source` and `clients()`; `build` is maitre's version. The registry is its own, nobody adds to it.

    `certificate_expiry` gives the end of the served certificate in Unix seconds, None where there is none; `cluster`
    how the router stands in a cluster, None outside of one; `crew` its worker processes, None where it has none;
    `frontend` its own size, None before that is measured.
    """

    def __init__(
        self,
        source: Source,
        clients: Callable[[], Clients],
        build: str,
        certificate_expiry: Callable[[], float | None] = lambda: None,
        cluster: Callable[[], ClusterReading | None] = lambda: None,
        crew: Callable[[], CrewReading | None] = lambda: None,
        frontend: Callable[[], FrontendReading | None] = lambda: None,
    ) -> None:
        self._source = source
        self._clients = clients
        self._build = build
        self._certificate_expiry = certificate_expiry
        self._cluster = cluster
        self._crew = crew
        self._frontend = frontend
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        GCCollector(registry=self._process)
        self._one_at_a_time = asyncio.Lock()
        self._encoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics")

    async def render(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type, for the value of an Accept header ("" for none)."""
        async with self._one_at_a_time:
            readings = await self._read()
            return await asyncio.get_running_loop().run_in_executor(self._encoder, self._encode, readings, accept)

    def close(self) -> None:
        """Render no more; a page that is under way is finished."""
        self._encoder.shutdown(wait=False)

    async def _read(self) -> Readings:
        source = self._source
        await source.refresh()
        endpoints = [_read_endpoint("", source.unrouted)]
        endpoints += [_read_endpoint(each.label, each.metrics) async for each in _in_slices(source.endpoints())]
        versions = [_read_version(version) async for version in _in_slices(source.versions())]
        seen = tuple(reading for reading in endpoints if reading is not None)
        problems, clients, expiry = source.config_problems(), self._clients(), self._certificate_expiry()
        around = self._cluster(), self._crew(), self._frontend()
        return Readings(self._build, problems, clients, expiry, seen, tuple(versions), *around)

    def _encode(self, readings: Readings, accept: str) -> tuple[bytes, str]:
        encode, content_type = _encoder_for(accept)
        with _short_turns():
            return encode(Families(readings, self._process)), content_type


def _read_endpoint(label: str, metrics: Counts[EndpointTotals]) -> EndpointReading | None:
    totals = metrics.snapshot()
    return None if totals is None else EndpointReading(label, totals)


def _read_version(version: VersionSource) -> VersionReading:
    events = version.scale_events
    return VersionReading(
        version.endpoint,
        version.version,
        version.load(),
        events.up,
        events.down,
        version.metrics.snapshot(),
        version.mirror_metrics.snapshot(),
    )


async def _in_slices(items: Sequence[Item]) -> AsyncIterator[Item]:
    for index, item in enumerate(items, 1):
        yield item
        if index % _SLICE == 0:
            await asyncio.sleep(0)


def _encoder_for(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    try:
        return choose_encoder(accept)
    except TypeError:  # how the library answers a version that is not made of numbers
        return choose_encoder("")


@contextmanager
def _short_turns() -> Iterator[None]:
    """Let the event loop have the interpreter soon; a setting of the process, so held for as long as a page takes."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(min(usual_s, _SWITCH_INTERVAL_S))
    try:
        yield
    finally:
        sys.setswitchinterval(usual_s)
