"""The autoscaler at work on local processes. Times are compared with the contract's limits, never with a goal."""

import asyncio
import contextlib
import re
from datetime import datetime

import pytest

from tests.e2e.conftest import Maitre, endpoint, version

WINDOW_S = 3


@contextlib.asynccontextmanager
async def load(maitre: Maitre, clients: int):
    """So many clients, each asking again as soon as it is answered; none may be refused."""

    async def client() -> None:
        connection = maitre.connection()
        while True:
            assert (await connection.post("digits")).status == 200

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(client()) for _ in range(clients)]
        yield
        for task in running:
            task.cancel()


def decisions(maitre: Maitre) -> list[dict[str, str]]:
    """The scaling decisions in the log, with their fields."""
    found = maitre.lines("logger=maitre.scale msg=decision")
    return [dict(re.findall(r"(\w+)=(\S+)", line)) for line in found]


def seconds(decision: dict[str, str]) -> float:
    return datetime.fromisoformat(decision["time"]).timestamp()


def scaled(**autoscale: object) -> str:
    settings = {"minReplicas": 1, "maxReplicas": 20, "scaleDownWindowSeconds": WINDOW_S, **autoscale}
    return endpoint(version("blue", "--ms", "200", maxQueueWaitMs=20000, autoscale=settings))


async def test_a_step_up_in_one_decision_and_down_after_the_window(serve):
    maitre = await serve(scaled())
    await maitre.line("is ready on port")
    first_window = datetime.now().timestamp() + WINDOW_S
    before = datetime.now().timestamp()
    async with load(maitre, 20):
        await maitre.line("msg=decision .*direction=up reason=(demand|maximum)")
        await maitre.until_metric(lambda value: value == 20, "maitre_replicas_total")
        await maitre.until_metric(lambda value: value > 100, "maitre_requests_total", outcome="ok")
    ended = datetime.now().timestamp()
    await maitre.line("msg=decision .*direction=down")
    await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")

    start, up, *down = decisions(maitre)
    assert start["reason"] == "minimum"
    assert (up["current"], up["desired"]) == ("1", "20"), "to the right size in one step"
    assert seconds(up) - before < 1.0, "the contract's limit; the goal is 250 ms"
    assert seconds(down[0]) >= max(ended, first_window) + WINDOW_S - 1.2, "not before the window has passed"
    assert down[-1]["desired"] == "1"
    assert all(int(decision["desired"]) >= 1 for decision in down)
    assert await maitre.metric("maitre_scale_events_total", direction="up") == 2


@pytest.mark.long
async def test_a_sawtooth_causes_no_flapping(serve):
    """Load that comes and goes every 5 s within the window: one way up, and none down before it ends."""
    maitre = await serve(scaled(scaleDownWindowSeconds=10))
    await maitre.line("is ready on port")
    for _ in range(4):
        async with load(maitre, 10):
            await asyncio.sleep(2.5)
        await asyncio.sleep(2.5)
    during = decisions(maitre)
    assert [decision["direction"] for decision in during].count("down") == 0
    assert len(during) <= 4, during
    await maitre.line("msg=decision .*direction=down")
    await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")


async def test_dev_test_counts_but_never_scales(serve):
    maitre = await serve(scaled(), "--dev-test")
    await maitre.line("is ready on port")
    async with load(maitre, 8):
        await maitre.until_metric(lambda value: value > 10, "maitre_requests_total", outcome="ok")
    assert await maitre.metric("maitre_replicas_total") == 1
    assert decisions(maitre) == []


async def test_a_replica_that_works_is_ended_last_and_only_when_it_is_done(serve):
    """A request of 4 s runs through a scale-down that takes all replicas but the minimum."""
    maitre = await serve(scaled(scaleDownWindowSeconds=1))
    await maitre.line("is ready on port")
    async with load(maitre, 6):
        await maitre.until_metric(lambda value: value >= 6, "maitre_replicas_total")
        long = asyncio.create_task(maitre.connection().post("digits", {"ms": 4000}))  # noqa: TID251
    await maitre.line("msg=decision .*direction=down")
    answer = await long
    assert answer.status == 200
