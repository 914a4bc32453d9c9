"""Two routers that share out slots, and the Deployment that they are said to be pods of: on no load, the one that leads
takes a pod of it, and it knows the load of the other one by what that tells."""

import asyncio

import pytest
from lightkube.codecs import from_dict
from lightkube.resources.apps_v1 import Deployment

from tests.kube import manifests


@pytest.mark.long
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("asked_for", "left"), [(2, 1), (3, 3)], ids=["all known", "one unknown"])
async def test_on_no_load_a_pod_is_taken_if_the_load_of_each_is_known(
    admin, namespace, kubelet, replica_sets, serve_in_cluster, tmp_path, asked_for, left
):
    await admin.create(from_dict(manifests.workload("maitre", replicas=asked_for)), namespace=namespace)
    await kubelet.ready(asked_for)
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    options = ("--coordination-key-file", str(key), "--coordination-port", "0")
    options += ("--own-workload", "Deployment/maitre", "--max-router-pods", "3")
    first, second = [
        await serve_in_cluster(*options, POD_NAME=f"maitre-{number}", POD_NAMESPACE=namespace) for number in (0, 1)
    ]
    await first.until_metric(lambda value: value == 1, "maitre_leader")
    await asyncio.sleep(75)  # the window of 60 s is what is under test, with some time to begin
    assert (await admin.get(Deployment, "maitre", namespace=namespace)).spec.replicas == left
    part = {"part": "pods", "direction": "down"}
    assert await first.metric("maitre_router_scale_events_total", **part) == asked_for - left
    assert await second.metric("maitre_router_scale_events_total", **part) == 0
