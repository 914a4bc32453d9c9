"""The demo reads what the router writes: the pages of these tests are rendered by the router's own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from examples.demo.observing import sample
from examples.demo.seen import NO_OVERHEAD, Load, Seen
from router.errors import Outcome
from router.telemetry.counters import EndpointMetrics, MirrorMetrics, ScaleEvents, VersionMetrics
from router.telemetry.exposition import Exposition
from router.telemetry.source import Clients, VersionLoad


@dataclass
class Version:
    version: str
    now: VersionLoad
    endpoint: str = "digits"
    metrics: VersionMetrics = field(default_factory=VersionMetrics)
    scale_events: ScaleEvents = field(default_factory=ScaleEvents)
    mirror_metrics: MirrorMetrics = field(default_factory=MirrorMetrics)

    def load(self) -> VersionLoad:
        return self.now


class Router:
    def __init__(self, *versions: Version) -> None:
        self.unrouted = EndpointMetrics()
        self._versions = versions

    async def refresh(self) -> None:
        """All is here."""

    def endpoints(self) -> Sequence[EndpointMetrics]:
        return ()

    def versions(self) -> Sequence[Version]:
        return self._versions

    def config_problems(self) -> int:
        return 0


@pytest.fixture
def router() -> Router:
    blue = VersionLoad(busy=2, total=3, slots=3, in_flight=2, queued=4, desired=6, traffic_percentile=80.0)
    green = VersionLoad(busy=0, total=1, slots=1, in_flight=0, queued=0, desired=1, traffic_percentile=20.0)
    return Router(Version("blue", blue), Version("green", green))


async def page(router: Router) -> str:
    exposition = Exposition(router, lambda: Clients(0, 0, 0), "1.0")
    try:
        content, _ = await exposition.render("")
    finally:
        exposition.close()
    return content.decode()


async def test_gauges_become_loads(router: Router) -> None:
    seen = sample(3.0, await page(router))
    assert seen.versions == {"blue": Load(2, 3, 4, 6), "green": Load(0, 1, 0, 1)}
    assert seen.overhead == NO_OVERHEAD


async def test_overheads_of_all_versions_add_up_to_one_histogram(router: Router) -> None:
    before = sample(0.0, await page(router))
    blue, green = router.versions()
    for _ in range(90):
        blue.metrics.finished(Outcome.OK, 200, 0.1, 0.09, 0.0, overhead_s=0.00009)
    for _ in range(10):
        green.metrics.finished(Outcome.OK, 200, 0.1, 0.09, 0.0, overhead_s=0.004)
    seen = Seen(samples=[before, sample(1.0, await page(router))])
    added = seen.added()
    assert (added.observations, added.sum_s) == (100, pytest.approx(0.0481))
    assert added.quantile(0.5) == pytest.approx(0.00009, abs=0.000015)
    assert added.quantile(0.99) == pytest.approx(0.004, abs=0.001)
