"""What a leader that is no more had marked is taken back by the next one, and nothing that is still meant."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from router.discovery.leftovers import LOOK_S, Leftovers
from router.discovery.marks import Marker
from router.discovery.pod import COST, MARK, MARKED_COST, State
from router.discovery.pods import PodBoard
from router.kube.writes import Writes
from tests.fakes.clock import FakeClock
from tests.fakes.pods import PodApi, manifest, refusal, seen

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Cluster(PodApi):
    """Its board is told at once."""

    def __init__(self) -> None:
        super().__init__()
        self.board = PodBoard()
        self.leading = True
        self.marker = Marker(self, writes=Writes(), leading=lambda: self.leading, wall=lambda: NOON, name="me")

    def put(self, name: str, mark: str | None = "1 other", **more) -> None:
        self.pods[name] = manifest(name, cost=more.pop("cost", MARKED_COST), mark=mark, **more)
        self.board.put(seen(self.pods[name]))

    async def patch(self, kind, name, patch, **more) -> None:
        await super().patch(kind, name, patch, **more)
        self.board.put(seen(self.pods[name]))

    @property
    def patched(self) -> list[str]:
        return [name for name, _ in self.patches]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(start=0.0)


@pytest.fixture
async def cluster(clock) -> AsyncIterator[Cluster]:
    cluster = Cluster()
    term = asyncio.get_running_loop().create_task(Leftovers(cluster.board, cluster.marker, sleep=clock.sleep).run())
    await clock.settle()
    yield cluster
    assert not term.done()
    term.cancel()
    await asyncio.wait({term})


async def test_a_mark_that_has_stood_for_too_long_is_taken_away(cluster, clock):
    cluster.put("left")
    cluster.put("left-in-another-namespace", namespace="web")
    cluster.put("never-marked", mark=None, cost=None)
    cluster.put("going", state=State.TERMINATING)
    await clock.advance(LOOK_S)  # it is seen for the first time
    assert cluster.patched == []
    await clock.advance(LOOK_S)
    assert sorted(cluster.patches) == [
        ("left", {COST: None, MARK: None}),
        ("left-in-another-namespace", {COST: None, MARK: None}),
    ]
    await clock.advance(10 * LOOK_S)
    assert len(cluster.patches) == 2


async def test_a_mark_that_is_another_each_time_is_meant(cluster, clock):
    for number in range(5):
        cluster.put("going", f"{number} other")
        await clock.advance(LOOK_S)
    assert cluster.patched == []


async def test_what_could_not_be_taken_away_is_tried_again(cluster, clock):
    cluster.fails = refusal(500, "InternalError")
    cluster.put("left")
    await clock.advance(3 * LOOK_S)
    cluster.fails = None
    await clock.advance(LOOK_S)
    assert list(cluster.board.marked()) == []


async def test_who_does_not_lead_leaves_them(cluster, clock):
    cluster.put("left")
    cluster.leading = False
    await clock.advance(5 * LOOK_S)
    assert cluster.patched == []
