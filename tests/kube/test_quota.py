"""A quota refuses the pods that maitre has asked for: told while it is so, and over when there is more."""

from lightkube.codecs import from_dict
from lightkube.resources.core_v1 import ResourceQuota
from lightkube.types import PatchType

from tests.kube.load import Load
from tests.kube.resources import endpoint, version

AUTOSCALE = {"minReplicas": 1, "maxReplicas": 20, "targetUtilization": 80, "scaleDownWindowSeconds": 3}


def quota(pods):
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": pods}}}


async def test_what_a_quota_refuses_is_told_until_there_is_more(admin, namespace, kubelet, workload, maitre, resource):
    await admin.create(from_dict(quota("2")), namespace=namespace)
    # the controller that counts is not there; the API server counts on from here
    counted = {"status": {"hard": {"pods": "2"}, "used": {"pods": "0"}}}
    await admin.patch(ResourceQuota.Status, "few", counted, namespace=namespace)
    await workload("blue")
    await admin.create(endpoint(version("blue", maxQueueWaitMs=20_000, autoscale=AUTOSCALE)), namespace=namespace)
    await resource.until("Ready", "True")
    keys = await resource.keys()

    async with Load(maitre, "digits", keys["primaryKey"], {"ms": 100}) as load:
        load.start(3)
        failed = await resource.until("ScalingFailed", "True", "PodsRefused")
        assert "blue: " in failed["message"]
        assert "exceeded quota: few" in failed["message"]
        told = await resource.until_event("ScalingFailed")
        assert told.type == "Warning"
        assert "exceeded quota: few" in told.message
        await kubelet.ready(2)

        await admin.patch(ResourceQuota, "few", {"spec": {"hard": {"pods": "9"}}}, namespace=namespace)
        more = {"status": {"hard": {"pods": "9"}}}
        await admin.patch(ResourceQuota.Status, "few", more, namespace=namespace, patch_type=PatchType.MERGE)
        await kubelet.ready(4)  # 3 / 0.8
        await resource.until("ScalingFailed", "False", "Scaling")
        await resource.until_event("ScalingWorks")
    assert load.wrong == []
