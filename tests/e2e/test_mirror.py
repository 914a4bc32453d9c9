"""A mirror version of local processes: started for its copies, seen in its own metrics, and felt by nobody."""

import asyncio

from tests.e2e.conftest import endpoint, version

COPIES = "maitre_mirrored_requests_total"


async def test_a_mirror_works_and_fails_in_the_shade(serve, tmp_path):
    record = tmp_path / "record"
    fixed = {"enabled": False, "replicas": 1}
    from_zero = {"minReplicas": 0, "maxReplicas": 1}
    maitre = await serve(
        endpoint(
            version("blue", maxQueueWaitMs=20000, autoscale=fixed),
            version("shade", "--record", str(record), mirrorPercentile=100, autoscale=from_zero),
        )
    )
    await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total", version="blue")
    assert await maitre.metric("maitre_replicas_total", version="shade") == 0
    connection = maitre.connection()
    for _ in range(5):
        answer = await connection.post("digits")
        assert (answer.status, answer.version, answer.json()["version"]) == (200, "blue", "blue")
    await maitre.until_metric(lambda value: value == 5, COPIES, version="shade", outcome="ok")
    assert len(record.read_text().splitlines()) == 5
    assert await maitre.metric("maitre_replicas_total", version="shade") == 1
    assert await maitre.metric("maitre_mirrored_duration_seconds_count", version="shade") == 5
    assert await maitre.metric("maitre_requests_total", version="blue") == 5
    assert await maitre.metric("maitre_requests_total", version="shade") == 0
    assert (await maitre.connection().post("digits", azureml_model_deployment="blue")).status == 200
    assert await maitre.metric(COPIES) == 5
    assert not maitre.lines("mirrorPercentile is not supported")


async def test_the_end_does_not_wait_for_a_copy(serve):
    maitre = await serve(
        endpoint(
            version("blue", autoscale={"enabled": False, "replicas": 1}),
            version("shade", "--ms", "600000", mirrorPercentile=100, autoscale={"enabled": False, "replicas": 1}),
        ),
        "--drain-seconds",
        "1000",
    )
    await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")
    assert (await maitre.connection().post("digits")).status == 200
    await maitre.until_metric(lambda value: value == 1, "maitre_requests_in_flight", version="shade")
    assert await maitre.stop() == 0
    assert not maitre.lines("requests cut")


async def test_a_mirror_that_hangs_holds_no_live_request(serve):
    """It has one slot and a short queue; what does not fit is counted and gone."""
    maitre = await serve(
        endpoint(
            version("blue", maxQueueWaitMs=20000, autoscale={"enabled": False, "replicas": 1}),
            version(
                "shade", "--ms", "600000", mirrorPercentile=100, maxQueueLength=3, maxQueueWaitMs=20000,
                scoringTimeoutMs=200, autoscale={"enabled": False, "replicas": 1},
            ),
        )
    )  # fmt: skip
    await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")
    answers = await asyncio.gather(*(maitre.connection().post("digits") for _ in range(20)))
    assert {(answer.status, answer.version) for answer in answers} == {(200, "blue")}
    await maitre.until_metric(lambda value: value == 20, COPIES)
    assert await maitre.metric(COPIES, outcome="upstream_timeout") >= 4
    assert await maitre.metric(COPIES, outcome="queue_full") >= 1
    assert await maitre.metric("maitre_requests_in_flight") == 0
