"""Slots are exact and waits fair, whatever the number of workers: by the models' records and what clients are told."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from statistics import median

import pytest

from tests.e2e.closed_loop import crowd, quantile
from tests.e2e.conftest import Maitre, endpoint, fixed_version
from tests.e2e.occupancy import most_at_once, overbooked
from tests.e2e.recording_replicas import RecordingReplicas
from tests.e2e.workers import owners, until_workers

REPLICAS = 3
MS = 5
CLIENTS = 200
THROUGHPUT = 0.95
"""At least, of what one process reaches on the same replicas."""
FAIR = 2.0
"""At most, the longest p99 of the waits for a slot beside the shortest, by worker."""


@dataclass
class Stretch:
    """What clients saw for a while."""

    rate: float
    """Answers per second."""
    queued: dict[int, list[float]]
    """Seconds that requests waited for a slot, by worker."""

    def p99s(self) -> list[float]:
        return sorted(quantile(waits, 0.99) for waits in self.queued.values())


@dataclass
class Served:
    """A router of so many workers."""

    workers: int
    maitre: Maitre
    replicas: RecordingReplicas

    async def under_load(self, seconds: float) -> Stretch:
        """Every request is answered, and no replica works on two at once."""
        async with crowd(self.maitre.port, CLIENTS) as clients:
            began = time.monotonic()
            await asyncio.sleep(seconds)  # a rate is measured
            rate = clients.rate(began, time.monotonic())
            owner = owners(self.maitre.port, await until_workers(self.maitre, self.workers))
        assert clients.failures == []
        works = await self.replicas.works()
        assert overbooked(works, 1) == []
        assert most_at_once(works) == {replica.port: 1 for replica in self.replicas.all}
        queued: dict[int, list[float]] = defaultdict(list)
        for conversation in clients.conversations:
            queued[owner[conversation.port]].extend(conversation.queued)
        return Stretch(rate, queued)


@pytest.fixture
async def served(serve, recording_replicas, tmp_path):
    """Starts routers before the same replicas of one slot each; no two of them may be asked at the same time."""
    replicas = await recording_replicas(REPLICAS, slots=1, ms=MS)

    async def start(workers: int) -> Served:
        blue = fixed_version(replicas.all, maxQueueWaitMs=20000)
        maitre = await serve(
            endpoint(blue, serverTiming=True), "--workers", str(workers), "--state-dir", str(tmp_path / str(workers))
        )
        await until_workers(maitre, workers)
        await maitre.until_metric(lambda value: value == REPLICAS, "maitre_replicas_total")
        return Served(workers, maitre, replicas)

    return start


LOOK = (3, 1.0, 0.5)
"""Rounds, seconds of load per router in each, and the least throughput: in so short a time a busy neighbour weighs more
than what is measured, so only a collapse is found."""
MINUTE = (8, 7.5, THROUGHPUT)


@pytest.mark.parametrize(
    ("rounds", "seconds", "throughput"),
    [LOOK, pytest.param(*MINUTE, marks=[pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(400)])],
    ids=["look", "minute"],
)
async def test_workers_share_single_slots_exactly_and_fairly(served, rounds: int, seconds: float, throughput: float):
    """Four workers beside one process, in turn, so that whatever else runs hits both. Medians of the rounds."""
    one, four = await served(1), await served(4)
    ratios, spreads = [], []
    for _ in range(rounds):
        alone, shared = await one.under_load(seconds), await four.under_load(seconds)
        p99s = shared.p99s()
        ratios.append(shared.rate / alone.rate)
        spreads.append(p99s[-1] / p99s[0])
        waits = " ".join(f"{1000 * p99:.0f}" for p99 in p99s)
        print(f"answers/s: {alone.rate:.0f} alone, {shared.rate:.0f} shared; p99 of the waits by worker, ms: {waits}")
        assert len(p99s) == 4
    print(f"throughput {median(ratios):.3f}, longest beside shortest p99 {median(spreads):.2f}")
    assert median(ratios) >= throughput
    assert median(spreads) <= FAIR
