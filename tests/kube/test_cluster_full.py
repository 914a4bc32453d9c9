"""Pods that no node has room for: the size is not raised further, goes down as always, and up once there is room."""

from datetime import UTC, datetime

import pytest

from tests.kube.load import Load
from tests.kube.resources import endpoint, version

AUTOSCALE = {"minReplicas": 1, "maxReplicas": 20, "targetUtilization": 80, "scaleDownWindowSeconds": 3}


@pytest.fixture
async def keys(admin, namespace, kubelet, workload, maitre, resource):
    """Of the endpoint `digits` on the Deployment `blue`, where there is room for 3 pods."""
    kubelet.capacity = 3
    await workload("blue")
    await admin.create(endpoint(version("blue", maxQueueWaitMs=20_000, autoscale=AUTOSCALE)), namespace=namespace)
    await resource.until("Ready", "True")
    return await resource.keys()


async def full(maitre, resource, pods):
    """What is told while so many pods find no node."""
    condition = await resource.until("ClusterFull", "True", "Unschedulable")
    assert "blue" in condition["message"]
    assert (await resource.until_event("ClusterFull")).type == "Warning"
    await maitre.until_metric(lambda value: value == pods, "maitre_pods_unschedulable", version="blue")


async def room(maitre, resource):
    """What is told when all have one."""
    await resource.until("ClusterFull", "False", "Schedulable")
    await resource.until_event("ClusterHasRoom")
    assert await maitre.metric("maitre_pods_unschedulable") == 0


async def test_nothing_is_raised_before_there_is_room_and_then_at_once(kubelet, sizes, maitre, resource, keys):
    async with Load(maitre, "digits", keys["primaryKey"], {"ms": 200}) as load:
        load.start(6)
        size = (await sizes.until("blue", bool))[0]
        assert size > 3  # 8, if all of the step was seen: 6 / 0.8
        await full(maitre, resource, size - 3)

        load.start(4)
        await maitre.until_metric(lambda value: value == 7, "maitre_requests_queued")  # 10 clients, 3 pods
        await load.answered(load.statuses.total() + 60)  # of 15 a second: several decisions
        assert sizes("blue") == [size]
        assert len(await kubelet.ready(3)) == 3

        kubelet.capacity = 20
        begun = datetime.now(UTC)
        await sizes.until("blue", lambda found: len(found) > 1)
        print(f"raised {(sizes.at('blue')[1] - begun).total_seconds():.2f} s after there was room")
        await sizes.until("blue", lambda found: found[-1] >= 13)  # 10 / 0.8
        await maitre.until_metric(lambda value: value >= 13, "maitre_replicas_total")
        await room(maitre, resource)
    assert load.wrong == []


@pytest.mark.long
async def test_the_size_goes_down_meanwhile_and_who_waits_goes_first(kubelet, sizes, maitre, resource, keys):
    async with Load(maitre, "digits", keys["primaryKey"], {"ms": 200}) as load:
        load.start(6)
        assert (await sizes.until("blue", bool))[0] > 3  # as above
        await full(maitre, resource, sizes("blue")[-1] - 3)
        pods = await kubelet.ready(3)
        await load.stop()
        load.start(2)
        sizes_down = await sizes.until("blue", lambda found: found[-1] == 3)  # 2 / 0.8
        await room(maitre, resource)
        assert await kubelet.ready(3) == pods
        served = load.statuses.total()
        await load.answered(served + 10)
    assert load.wrong == []
    assert sizes_down[0] == max(sizes_down)
