"""/metrics tells the truth, in words that Prometheus' own checker accepts."""

import asyncio
import shutil

import pytest

from tests.e2e.conftest import endpoint, version


async def test_counters_and_gauges_agree_with_what_happened(serve):
    maitre = await serve(
        endpoint(
            version("blue", trafficPercentile=60, maxQueueWaitMs=20000, autoscale={"enabled": False, "replicas": 2}),
            version("green", trafficPercentile=40, maxQueueWaitMs=20000, autoscale={"enabled": False, "replicas": 1}),
        )
    )
    await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")

    async def client(key: str | None, name: str, wish: object) -> None:
        connection = maitre.connection(*([] if key is None else [key]))
        for _ in range(50):
            await connection.post(name, wish)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(16):
            tasks.create_task(client(None, "digits", {}))
        tasks.create_task(client(None, "digits", {"do": "500"}))
        tasks.create_task(client("wrong", "digits", {}))
        tasks.create_task(client(None, "nothing", {}))
        tasks.create_task(client(None, "nothing", {}))
    total = await maitre.metric("maitre_requests_total")
    assert total == 1000
    for outcome, code, count in [
        ("ok", "200", 800), ("model_error", "502", 50), ("unauthorized", "401", 50), ("not_found", "404", 100),
    ]:  # fmt: skip
        assert await maitre.metric("maitre_requests_total", outcome=outcome, code=code) == count
    assert await maitre.metric("maitre_request_duration_seconds_count") == 1000
    for name in ("upstream_duration", "queue_wait", "router_overhead"):
        assert await maitre.metric(f"maitre_{name}_seconds_count") == 850
    for name in ("requests_in_flight", "requests_queued", "replicas_busy"):
        assert await maitre.metric(f"maitre_{name}") == 0
    assert await maitre.metric("maitre_traffic_percentile", version="green") == 40
    assert await maitre.metric("maitre_config_valid") == 1


async def test_busy_total_and_queued_while_the_models_work(serve):
    maitre = await serve(endpoint(version("blue", maxQueueWaitMs=20000, autoscale={"enabled": False, "replicas": 2})))
    await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")
    asked = [asyncio.create_task(maitre.connection().post("digits", {"ms": 800})) for _ in range(5)]  # noqa: TID251
    await maitre.until_metric(lambda value: value == 3, "maitre_requests_queued")
    assert await maitre.metric("maitre_requests_in_flight") == 2
    assert await maitre.metric("maitre_replicas_busy") == 2
    assert await maitre.metric("maitre_utilization_ratio") == 2.5
    assert {answer.status for answer in await asyncio.gather(*asked)} == {200}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)")
async def test_promtool_finds_no_fault(serve):
    maitre = await serve(endpoint(version(autoscale={"enabled": False, "replicas": 1})))
    await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
    await maitre.connection().post("digits")
    page = (await maitre.admin("/metrics")).content
    promtool = await asyncio.create_subprocess_exec(
        "promtool", "check", "metrics",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await promtool.communicate(page)
    assert (promtool.returncode, said.decode()) == (0, "")
