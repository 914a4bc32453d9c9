"""The whole in a cluster: endpoints from resources, pods as replicas, sizes by the scale subresource."""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.kube.load import Load
from tests.kube.resources import Resource, endpoint, version

AUTOSCALE = {"minReplicas": 1, "maxReplicas": 20, "targetUtilization": 80, "scaleDownWindowSeconds": 3}
POD = {"POD_NAME": "maitre-0"}


@pytest.fixture
def resource(admin, namespace) -> Resource:
    return Resource(admin, namespace)


@pytest.fixture
async def maitre(serve_in_cluster, namespace):
    return await serve_in_cluster("--default-namespace", namespace, POD_NAMESPACE=namespace, **POD)


async def test_two_deployments_are_served_in_their_shares(admin, namespace, workload, maitre, resource):
    await workload("blue", replicas=2)
    await workload("green", replicas=2)
    still = {"autoscale": {"enabled": False}, "maxConcurrentRequestsPerReplica": 4}
    versions = [version("blue", trafficPercentile=80, **still), version("green", trafficPercentile=20, **still)]
    await admin.create(endpoint(*versions), namespace=namespace)
    await resource.until("Ready", "True")
    await resource.until("KeysAvailable", "True")
    keys = await resource.keys()
    async with Load(maitre, "digits", keys["primaryKey"]) as load:
        load.start(8)
        await load.answered(1000)
    assert set(load.statuses) == {200}
    assert 0.73 < load.versions["blue"] / load.versions.total() < 0.87  # five standard deviations
    assert len(load.replicas) == 4
    assert (await maitre.connection(keys["secondaryKey"]).post("digits")).status == 200
    assert (await maitre.connection("somebody's guess").post("digits")).status == 401


async def test_a_step_of_load_is_answered_by_one_write_of_the_right_size(
    admin, namespace, control_plane, kubelet, workload, maitre, resource
):
    await workload("blue")
    await admin.create(endpoint(version("blue", maxQueueWaitMs=20_000, autoscale=AUTOSCALE)), namespace=namespace)
    await resource.until("Ready", "True")
    await resource.until("KeysAvailable", "True")
    start = control_plane.audit.length
    keys = await resource.keys()
    async with Load(maitre, "digits", keys["primaryKey"], {"ms": 300}) as load:
        begun = asyncio.get_running_loop().time()
        load.start(8)
        pods = await kubelet.ready(10)
        print(f"{len(pods)} pods ready after {asyncio.get_running_loop().time() - begun:.2f} s")
        await maitre.until_metric(lambda value: value == 10, "maitre_replicas_total")
        served = load.statuses.total()
        await load.answered(served + 50)
        quiet = datetime.now(UTC)
    assert load.wrong == []

    def written() -> list[tuple[datetime, int]]:
        writes = control_plane.audit.events(start, verb="update", resource="deployments/scale", namespace=namespace)
        return [(write.at, write.answer["spec"]["replicas"]) for write in writes if write.code == 200]

    assert written()[0][1] == 10  # 8 clients / 0.8
    assert max(size for _, size in written()) <= 12  # the rate of arrivals is a little noisy
    assert len(load.replicas) >= 10
    scaled = await resource.until_event("ScaledUp", lambda event: "from 1 to 10" in event.message)
    assert "demand 8" in scaled.message

    # back down, as the window forgets, and not with the one that is at work
    last = await maitre.connection(keys["primaryKey"]).post("digits", {"ms": 10_000})
    assert last.status == 200
    (worker,) = [pod for pod in kubelet.records if pod.name == last.json()["replica"]]
    assert worker.terminating is None
    down = [(at, size) for at, size in written() if at > quiet]
    assert down[-1][1] == 2  # 1 request / 0.8
    # from the last look that saw the load, which was at most a second before
    assert all((at - quiet).total_seconds() >= AUTOSCALE["scaleDownWindowSeconds"] - 1 for at, _ in down)
    await resource.until_event("ScaledDown", lambda event: "to 2 replicas" in event.message)
