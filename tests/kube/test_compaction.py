"""What the API server no longer remembers is found by a new list: of every kind at once, nothing is lost."""

import asyncio
import base64
import signal

import pytest
from lightkube.models.autoscaling_v1 import CrossVersionObjectReference, HorizontalPodAutoscalerSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v1 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import Pod, Secret
from lightkube.types import PatchType

from router.kube.resources import ScoringEndpoints
from tests.fakes.changes import BOUND_S
from tests.kube.resources import Resource, endpoint, version
from tests.kube.rights import rights

FOLLOWED = ("scoringendpoints", "secrets", "pods", "deployments", "horizontalpodautoscalers")
SCALED = {"minReplicas": 2, "maxReplicas": 5}


def secret(name: str, number: int) -> Secret:
    entries = {"primaryKey": f"primary-key-number-{number}", "secondaryKey": f"secondary-key-number-{number}"}
    data = {entry: base64.b64encode(value.encode()).decode() for entry, value in entries.items()}
    return Secret(metadata=ObjectMeta(name=name), data=data)


def hpa(workload: str) -> HorizontalPodAutoscaler:
    reference = CrossVersionObjectReference(apiVersion="apps/v1", kind="Deployment", name=workload)
    return HorizontalPodAutoscaler(
        metadata=ObjectMeta(name=workload), spec=HorizontalPodAutoscalerSpec(maxReplicas=9, scaleTargetRef=reference)
    )


@pytest.fixture
async def maitre(own_control_plane, serve_in_cluster, namespace):
    pod = {"POD_NAMESPACE": namespace, "POD_NAME": "maitre-0"}
    return await serve_in_cluster("--default-namespace", namespace, allowed=rights(), **pod)


@pytest.mark.long
@pytest.mark.timeout(150)
async def test_changes_that_nobody_saw_and_nobody_remembers(
    own_control_plane, admin, namespace, kubelet, workload, maitre
):
    blue, red, green = (Resource(admin, namespace, name) for name in ("blue", "red", "green"))
    await workload("blue", replicas=2)
    await workload("red")
    await workload("gone")
    await admin.create(secret("blue-keys", 0), namespace=namespace)
    await admin.create(hpa("red"), namespace=namespace)
    await admin.create(endpoint(version("blue", autoscale=SCALED), name="blue"), namespace=namespace)
    for name, scaled in (("red", SCALED), ("gone", {"enabled": False})):
        await admin.create(endpoint(version(name, autoscale=scaled), name=name, mode="none"), namespace=namespace)
    await blue.until("Ready", "True")
    await red.until("HpaConflict", "True")
    assert (await maitre.connection(None).post("gone")).status == 200
    assert (await maitre.connection("primary-key-number-0").post("blue")).status == 200

    maitre.process.send_signal(signal.SIGSTOP)
    await own_control_plane.stop_api_server()  # its watches are cut: it is told nothing of all this
    await own_control_plane.start_api_server()
    lost, _ = await kubelet.ready(2, app="blue")
    await admin.delete(Pod, lost.name, namespace=namespace)
    await admin.replace(secret("blue-keys", 1), namespace=namespace)
    await admin.patch(Deployment, "blue", {"spec": {"replicas": 3}}, namespace=namespace, patch_type=PatchType.MERGE)
    await admin.create(hpa("blue"), namespace=namespace)
    await admin.delete(HorizontalPodAutoscaler, "red", namespace=namespace)
    edited = {"spec": {"versions": [version("crimson", autoscale=SCALED) | {"target": version("red")["target"]}]}}
    await admin.patch(ScoringEndpoints, "red", edited, namespace=namespace, patch_type=PatchType.MERGE)
    await admin.delete(ScoringEndpoints, "gone", namespace=namespace)
    await admin.delete(Deployment, "gone", namespace=namespace)
    await workload("green")
    await admin.create(secret("green-keys", 2), namespace=namespace)
    await admin.create(endpoint(version("green"), name="green"), namespace=namespace)
    pods = {pod.name for pod in await kubelet.ready(3, app="blue")}
    await kubelet.ready(1, app="green")
    await own_control_plane.compact()
    seen = len(maitre.log)
    maitre.process.send_signal(signal.SIGCONT)

    for subject in FOLLOWED:
        await maitre.line(f'listing anew" subject="{subject} in namespace', seen)
    await green.until("Ready", "True")
    await blue.until("HpaConflict", "True")
    await red.until("HpaConflict", "False")
    assert (await maitre.connection("primary-key-number-0").post("blue")).status == 401
    answers = [await maitre.connection("primary-key-number-1").post("blue") for _ in range(30)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.json()["replica"] for answer in answers} == pods
    assert (await maitre.connection("secondary-key-number-2").post("green")).status == 200
    assert (await maitre.connection(None).post("gone")).status == 404
    assert (await maitre.connection(None).post("red")).version == "crimson"
    async with asyncio.timeout(BOUND_S):
        while (await blue.get())["status"]["versions"][0]["desired"] != 3:  # adopted
            await asyncio.sleep(0.05)
    await kubelet.ready(2, app="red")  # hands on again
    assert await maitre.metric("maitre_kubernetes_connected") == len(FOLLOWED) + 1  # and the Lease
