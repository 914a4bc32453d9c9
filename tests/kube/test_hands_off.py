"""Somebody else scales: an HPA, to whom a workload is left; a person, whose size is adopted and then decided upon."""

import asyncio

import pytest
from lightkube.codecs import from_dict
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v1 import HorizontalPodAutoscaler
from lightkube.types import PatchType

from tests.kube import manifests
from tests.kube.load import Load
from tests.kube.resources import endpoint, version

AUTOSCALE = {"minReplicas": 1, "maxReplicas": 20, "targetUtilization": 80, "scaleDownWindowSeconds": 3}
HPA = {
    "apiVersion": "autoscaling/v1",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "by-cpu"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "blue"},
        "minReplicas": 1,
        "maxReplicas": 20,
    },
}
HANDS_OFF_S = 5.0
"""The issue's bound."""


@pytest.fixture
async def keys(admin, namespace, kubelet, replica_sets, maitre, resource):
    """Of the endpoint `digits` on the Deployment `blue`, which is ready.

    Its pods have a preStop, as docs/kubernetes.md asks for: what somebody else takes away, nobody has been told before.
    """
    blue = manifests.workload("blue")
    (container,) = blue["spec"]["template"]["spec"]["containers"]
    container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", "1"]}}}
    await admin.create(from_dict(blue), namespace=namespace)
    await admin.create(endpoint(version("blue", maxQueueWaitMs=20_000, autoscale=AUTOSCALE)), namespace=namespace)
    await resource.until("Ready", "True")
    return await resource.keys()


@pytest.fixture
def scale(admin, namespace):
    """Sets the size of `blue` as `kubectl scale` does."""

    async def scale(replicas):
        wish = {"spec": {"replicas": replicas}}
        await admin.patch(Deployment.Scale, "blue", wish, namespace=namespace, patch_type=PatchType.MERGE)

    return scale


@pytest.mark.long
async def test_an_hpa_holds_the_size_for_as_long_as_there_is_one(
    admin, namespace, sizes, kubelet, maitre, resource, keys, scale
):
    loop = asyncio.get_running_loop()
    async with Load(maitre, "digits", keys["primaryKey"], {"ms": 100}) as load:
        load.start(2)
        await kubelet.ready(3)  # 2 / 0.8
        await resource.until("HpaConflict", "False", "NoHpa")

        begun = loop.time()
        await admin.create(from_dict(HPA), namespace=namespace)
        await maitre.until_metric(lambda value: value == 1, "maitre_hpa_conflict", version="blue")
        seen = loop.time()
        held = await resource.until("HpaConflict", "True", "HpaFound")
        print(f"hands off after {seen - begun:.2f} s, told in the resource after {loop.time() - begun:.2f} s")
        assert loop.time() - begun < HANDS_OFF_S
        assert "blue by by-cpu" in held["message"]
        assert (await resource.until_event("HpaConflict")).type == "Warning"

        before = sizes("blue")
        load.start(5)
        await maitre.until_metric(lambda value: value > 0, "maitre_requests_queued")
        await load.answered(load.statuses.total() + 100)  # of 30 a second: some decisions, if it decided
        await scale(5)  # what the HPA does
        await maitre.until_metric(lambda value: value == 5, "maitre_replicas_total")
        await load.answered(load.statuses.total() + 100)
        assert sizes("blue") == before

        begun = loop.time()
        await admin.delete(HorizontalPodAutoscaler, "by-cpu", namespace=namespace)
        await sizes.until("blue", lambda found: len(found) > len(before))
        print(f"scaled again {loop.time() - begun:.2f} s after the HPA went")
        await sizes.until("blue", lambda found: found[-1] >= 9)  # 7 / 0.8, in a step or two
        await resource.until("HpaConflict", "False", "NoHpa")
        await resource.until_event("HpaGone")
        assert await maitre.metric("maitre_hpa_conflict") == 0
        await resource.until_event("ScaledUp", lambda event: "from 5 to " in event.message)
    assert load.wrong == []


async def test_the_size_that_somebody_sets_is_adopted_and_then_decided_upon(sizes, maitre, resource, keys, scale):
    await scale(4)
    told = await resource.until_event("ScaledByOthers")
    assert "from 1 to 4 replicas" in told.message
    down = await resource.until_event("ScaledDown")  # nobody asks for anything
    assert "from 4 to 1 replicas" in down.message

    async with Load(maitre, "digits", keys["primaryKey"], {"ms": 100}) as load:
        load.start(2)
        await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")
        await scale(1)
        adopted = await resource.until_event("ScaledByOthers", lambda event: "from 3 to 1" in event.message)
        await resource.until_event("ScaledUp", lambda event: number(event) > number(adopted))
        await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")
    assert load.wrong == []
    assert sizes("blue")[0] == 1
    assert sizes("blue")[-1] >= 3


def number(event):
    """Greater of what was told later."""
    return int(event.metadata.resourceVersion)
