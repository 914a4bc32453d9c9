"""What a version may have as its workload, and what may become of it: kinds, zero, deleted, exchanged."""

import asyncio

import pytest
from lightkube.codecs import from_dict
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.types import PatchType

from router.kube.resources import ScoringEndpoints
from tests.kube import manifests
from tests.kube.load import Load
from tests.kube.replica_sets import ReplicaSets
from tests.kube.resources import endpoint, version
from tests.kube.rights import rights

AUTOSCALE = {"minReplicas": 1, "maxReplicas": 20, "targetUtilization": 80, "scaleDownWindowSeconds": 3}
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fleets.GROUP}
spec:
  group: GROUP
  names: {kind: Fleet, plural: fleets, singular: fleet}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
      subresources:
        status: {}
        scale:
          specReplicasPath: .spec.replicas
          statusReplicasPath: .status.replicas
          labelSelectorPath: .status.selector
"""


@pytest.fixture
def group(numbers):
    """Of custom resources, the test's own: definitions are of no namespace."""
    return f"fleets-{numbers()}.example.com"


@pytest.fixture
async def maitre(serve_in_cluster, namespace, group):
    """With the rights for that group besides."""
    environment = {"POD_NAME": "maitre-0", "POD_NAMESPACE": namespace}
    allowed = rights((group, "fleets"))
    maitre = await serve_in_cluster("--default-namespace", namespace, allowed=allowed, **environment)
    await maitre.until_metric(lambda value: value == 1, "maitre_leader")
    return maitre


async def step_up_and_down(maitre, kubelet, resource, sizes, plural):
    """A step of load and its end, on `blue`; returns the pods that are left. No request is lost."""
    keys = await resource.keys()
    async with Load(maitre, "digits", keys["primaryKey"], {"ms": 200}) as load:
        load.start(1)
        await load.answered(5)
        load.start(2)
        await sizes.until("blue", lambda found: found[-1:] == [4], plural)  # 3 / 0.8
        await kubelet.ready(4)
        await maitre.until_metric(lambda value: value == 4, "maitre_replicas_total")
        await load.answered(load.statuses.total() + 20)
        assert len(load.replicas) == 4
        await load.stop()
        load.start(1)
        await sizes.until("blue", lambda found: found[-1] == 2, plural)  # 1 / 0.8
        left = await kubelet.ready(2)
        await load.answered(load.statuses.total() + 10)
    assert load.wrong == []
    await resource.until_event("ScaledUp")
    await resource.until_event("ScaledDown")
    return left


@pytest.mark.long
async def test_a_stateful_set(admin, namespace, kubelet, controllers, maitre, resource, sizes):
    await controllers("statefulset")
    await admin.create(from_dict(manifests.workload("blue", kind="StatefulSet")), namespace=namespace)
    blue = version("blue", kind="StatefulSet", maxQueueWaitMs=20_000, autoscale=AUTOSCALE)
    await admin.create(endpoint(blue), namespace=namespace)
    await resource.until("Ready", "True")
    left = await step_up_and_down(maitre, kubelet, resource, sizes, "statefulsets")
    assert {each.name for each in left} == {"blue-0", "blue-1"}
    assert (await admin.get(StatefulSet, "blue", namespace=namespace)).spec.replicas == 2


@pytest.mark.long
async def test_a_custom_resource_whose_definition_comes_later(
    control_plane, admin, namespace, group, kubelet, maitre, resource, sizes
):
    blue = version("blue", kind="Fleet", api_version=f"{group}/v1", maxQueueWaitMs=20_000, autoscale=AUTOSCALE)
    await admin.create(endpoint(blue), namespace=namespace)
    failed = await resource.until("ScalingFailed", "True", "Refused")
    assert f"the API server has no {group}/v1" in failed["message"]
    assert "CustomResourceDefinition" in (await resource.until_event("ScalingFailed")).message

    await control_plane.kubectl("apply", "-f", "-", stdin=DEFINITION.replace("GROUP", group))
    await control_plane.kubectl("wait", "--for=condition=Established", f"crd/fleets.{group}")
    fleets = create_namespaced_resource(group, "v1", "Fleet", "fleets")
    fleet = manifests.workload("blue", kind="Fleet", api_version=f"{group}/v1")
    await admin.create(fleets(fleet), namespace=namespace)
    async with ReplicaSets(admin, namespace, fleets):
        await resource.until("ScalingFailed", "False", "Scaling")
        await resource.until_event("ScalingWorks")
        await resource.until("Ready", "True")
        await step_up_and_down(maitre, kubelet, resource, sizes, "fleets")
    assert (await admin.get(fleets, "blue", namespace=namespace))["spec"]["replicas"] == 2


@pytest.mark.long
async def test_from_zero_on_the_first_request_and_back(admin, namespace, kubelet, workload, maitre, resource, sizes):
    await workload("blue", replicas=0)
    still = AUTOSCALE | {"minReplicas": 0}
    await admin.create(endpoint(version("blue", autoscale=still, coldStartTimeoutMs=30_000)), namespace=namespace)
    await resource.until("Ready", "True")  # it may be empty
    keys = await resource.keys()
    loop = asyncio.get_running_loop()
    connection = maitre.connection(keys["primaryKey"])
    begun = loop.time()
    assert (await connection.post("digits")).status == 200
    print(f"the first answer after {loop.time() - begun:.2f} s")
    answered = loop.time()
    assert sizes("blue") == [2]  # 1 / 0.8
    await sizes.until("blue", lambda found: found[-1] == 0)
    assert loop.time() - answered > AUTOSCALE["scaleDownWindowSeconds"] - 0.5
    await kubelet.ready(0)
    assert (await admin.get(Deployment, "blue", namespace=namespace)).spec.replicas == 0
    await maitre.until_metric(lambda value: value == 0, "maitre_replicas_total")
    assert (await connection.post("digits")).status == 200


@pytest.mark.long
async def test_a_first_request_for_which_no_pod_comes(admin, namespace, kubelet, workload, maitre, resource, sizes):
    kubelet.capacity = 0
    await workload("blue", replicas=0)
    still = AUTOSCALE | {"minReplicas": 0}
    await admin.create(endpoint(version("blue", autoscale=still, coldStartTimeoutMs=2000)), namespace=namespace)
    await resource.until("Ready", "True")
    keys = await resource.keys()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    refused = await maitre.connection(keys["primaryKey"]).post("digits")
    assert (refused.status, refused.json()["error"]["code"]) == (503, "no_replicas")
    assert 2 <= loop.time() - begun < 6
    await resource.until("ClusterFull", "True")
    await sizes.until("blue", lambda found: found[-1] == 0)
    await resource.until("ClusterFull", "False")


@pytest.mark.long
async def test_a_workload_that_is_deleted_and_made_again(admin, namespace, kubelet, workload, maitre, resource, sizes):
    await workload("blue")
    await admin.create(endpoint(version("blue", maxQueueWaitMs=20_000, autoscale=AUTOSCALE)), namespace=namespace)
    await resource.until("Ready", "True")
    connection = maitre.connection((await resource.keys())["primaryKey"])
    await admin.delete(Deployment, "blue", namespace=namespace)
    failed = await resource.until("ScalingFailed", "True")
    assert f"Deployment {namespace}/blue does not exist" in failed["message"]
    await resource.until("Ready", "False", "VersionsNotReady")
    refused = await connection.post("digits")  # at once: none is on its way
    assert (refused.status, refused.json()["error"]["code"]) == (503, "no_replicas")

    await workload("blue")
    await resource.until("ScalingFailed", "False")
    await resource.until("Ready", "True")
    assert (await connection.post("digits")).status == 200
    await step_up_and_down(maitre, kubelet, resource, sizes, "deployments")


async def test_a_target_is_changed_to_another_deployment_under_load(
    admin, namespace, kubelet, workload, maitre, resource
):
    """Nothing but the target changes, and not one request fails."""
    await workload("blue", replicas=3)
    await workload("green", replicas=3)
    await kubelet.ready(3, app="green")
    scaled = AUTOSCALE | {"minReplicas": 3, "maxReplicas": 3}
    await admin.create(endpoint(version("blue", autoscale=scaled)), namespace=namespace)
    await resource.until("Ready", "True")
    await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")
    keys = await resource.keys()
    async with Load(maitre, "digits", keys["primaryKey"], {"ms": 20}) as load:
        load.start(4)
        await load.answered(100)
        await retarget(admin, namespace, "green", {"autoscale": scaled})
        green = {each.name for each in await kubelet.ready(3, app="green")}
        async with asyncio.timeout(10):
            while not green <= load.replicas.keys():
                await load.answered(load.statuses.total() + 1)
        served = load.replicas.copy()
        await load.answered(load.statuses.total() + 100)
    assert load.wrong == []
    assert (load.replicas - served).keys() <= green


async def test_a_target_that_is_not_ready_takes_over_when_it_is(admin, namespace, kubelet, workload, maitre, resource):
    """Requests are answered by the old one until then, and none fails."""
    kubelet.capacity = 3
    scaled = {"autoscale": {"enabled": False}}
    await workload("blue", replicas=3)
    await admin.create(endpoint(version("blue", **scaled)), namespace=namespace)
    await resource.until("Ready", "True")
    await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")
    keys = await resource.keys()
    async with Load(maitre, "digits", keys["primaryKey"], {"ms": 20}) as load:
        load.start(4)
        await load.answered(50)
        await workload("green", replicas=3)  # no node has room for it
        await retarget(admin, namespace, "green", scaled)
        await maitre.until_metric(lambda value: value == 3, "maitre_pods_unschedulable")
        await load.answered(load.statuses.total() + 50)
        kubelet.capacity = 6
        green = {each.name for each in await kubelet.ready(3, app="green")}
        async with asyncio.timeout(10):
            while not green <= load.replicas.keys():
                await load.answered(load.statuses.total() + 1)
        served = load.replicas.copy()
        await load.answered(load.statuses.total() + 100)
    assert load.wrong == []
    assert (load.replicas - served).keys() <= green


async def retarget(admin, namespace, name, settings):
    changed = version("blue", **settings)
    changed["target"]["deployment"]["name"] = name
    spec = {"spec": {"versions": [changed]}}
    await admin.patch(ScoringEndpoints, "digits", spec, namespace=namespace, patch_type=PatchType.MERGE)
