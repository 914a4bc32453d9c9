"""Slots and the queue, judged by what the models themselves recorded."""

import asyncio
import collections

from tests.e2e.conftest import endpoint, version


def fixed(replicas: int) -> dict[str, object]:
    return {"enabled": False, "replicas": replicas}


async def test_never_two_at_once_on_a_replica(serve, tmp_path):
    """50 clients, 3 replicas of one slot: every replica works, none ever ran two requests at once."""
    record = tmp_path / "record"
    maitre = await serve(
        endpoint(
            version("blue", "--ms", "4", "--record", str(record), maxQueueWaitMs=20000, autoscale=fixed(3)),
        )
    )
    await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")

    async def client() -> None:
        connection = maitre.connection()
        for _ in range(24):
            assert (await connection.post("digits")).status == 200

    async with asyncio.TaskGroup() as tasks:
        for _ in range(50):
            tasks.create_task(client())
    lines = [line.split() for line in record.read_text().splitlines()]
    assert len(lines) == 50 * 24
    assert {int(concurrent) for _, concurrent in lines} == {1}
    assert len({replica for replica, _ in lines}) == 3
    assert await maitre.metric("maitre_requests_in_flight") == 0
    assert await maitre.metric("maitre_requests_queued") == 0


async def test_waiting_too_long_and_too_many(serve):
    """503 with Retry-After and a message that has the numbers and the setting's name."""
    maitre = await serve(
        endpoint(version("blue", "--ms", "600", maxQueueWaitMs=100, maxQueueLength=2, autoscale=fixed(1)))
    )
    await maitre.line("is ready on port")
    asked = [asyncio.create_task(maitre.connection().post("digits"))]  # noqa: TID251
    await maitre.until_metric(lambda value: value == 1, "maitre_requests_in_flight")
    asked += [asyncio.create_task(maitre.connection().post("digits")) for _ in range(2)]  # noqa: TID251
    await maitre.until_metric(lambda value: value == 2, "maitre_requests_queued")
    full = await maitre.connection().post("digits")
    answers = await asyncio.gather(*asked)

    assert full.status == 503
    assert full.json()["error"]["code"] == "queue_full"
    assert "maxQueueLength (2)" in full.json()["error"]["message"]
    assert sorted(answer.status for answer in answers) == [200, 503, 503]
    late = next(answer for answer in answers if answer.status == 503)
    assert late.headers["retry-after"] == "1"
    error = late.json()["error"]
    assert error["code"] == "queue_timeout"
    assert "maxQueueWaitMs (100)" in error["message"]
    assert "busy 1, total 1, queued" in error["message"]


async def test_a_client_that_leaves_frees_its_place_and_its_slot(serve):
    maitre = await serve(endpoint(version("blue", maxQueueWaitMs=20000, autoscale=fixed(1))))
    await maitre.line("is ready on port")
    first = maitre.connection()
    hanging = asyncio.create_task(first.post("digits", {"do": "hang"}))  # noqa: TID251
    await maitre.until_metric(lambda value: value == 1, "maitre_requests_in_flight")
    second, third = maitre.connection(), maitre.connection()
    leaving = asyncio.create_task(second.post("digits"))  # noqa: TID251
    await maitre.until_metric(lambda value: value == 1, "maitre_requests_queued")
    staying = asyncio.create_task(third.post("digits"))  # noqa: TID251
    await maitre.until_metric(lambda value: value == 2, "maitre_requests_queued")
    leaving.cancel()
    await maitre.until_metric(lambda value: value == 1, "maitre_requests_queued")
    hanging.cancel()
    assert (await staying).status == 200
    await maitre.until_metric(lambda value: value == 2, "maitre_requests_total", outcome="client_gone")
    assert await maitre.metric("maitre_requests_in_flight") == 0


async def test_the_first_request_waits_for_a_replica_when_there_is_none(serve):
    """Scale to zero: the request that wakes the version up is answered 200."""
    maitre = await serve(endpoint(version("blue", autoscale={"minReplicas": 0, "maxReplicas": 2})))
    assert await maitre.metric("maitre_replicas_total") == 0
    answers = await asyncio.gather(*(maitre.connection().post("digits") for _ in range(3)))
    assert collections.Counter(answer.status for answer in answers) == {200: 3}


async def test_a_version_without_replicas_refuses_at_once(serve):
    """Fixed urls where nobody listens: none ready, none on its way. Nothing spills to the other version."""
    text = endpoint(version("blue", autoscale=fixed(1), isDefault=True)) + (
        "    - name: gone\n      target: {urls: ['http://127.0.0.1:9']}\n"
    )
    maitre = await serve(text)
    await maitre.line("replica 127.0.0.1:9 is not ready")
    answer = await maitre.connection().post("digits", azureml_model_deployment="gone")
    assert answer.status == 503
    assert answer.json()["error"]["code"] == "no_replicas"
    assert (await maitre.connection().post("digits")).version == "blue"
