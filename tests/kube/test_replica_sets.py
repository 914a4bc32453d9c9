"""Workloads get the pods that they ask for, from the player or from the real controller."""

import asyncio

from lightkube.codecs import from_dict
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.core_v1 import Pod, ResourceQuota
from lightkube.types import PatchType

from tests.fakes.changes import BOUND_S
from tests.kube import manifests
from tests.kube.deletion_order import COST
from tests.kube.replica_sets import ReplicaSets

# any kind with a scale subresource, as somebody's operator has it
FLEET_CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fleets.example.com}
spec:
  group: example.com
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


async def scale(admin, kind, name, namespace, replicas):
    wish = {"spec": {"replicas": replicas}}
    await admin.patch(kind.Scale, name, wish, namespace=namespace, patch_type=PatchType.MERGE)


async def until_status(admin, kind, name, namespace, true):
    async with asyncio.timeout(BOUND_S):
        while not true((await admin.get(kind, name, namespace=namespace)).status):
            await asyncio.sleep(0.02)


async def test_a_deployment_is_scaled_and_says_so(admin, namespace, kubelet, workload):
    await workload("blue")
    await kubelet.ready(1)
    await scale(admin, Deployment, "blue", namespace, 3)
    await kubelet.ready(3)
    await until_status(admin, Deployment, "blue", namespace, lambda status: status.readyReplicas == 3)
    await scale(admin, Deployment, "blue", namespace, 0)
    await kubelet.ready(0)
    await until_status(admin, Deployment, "blue", namespace, lambda status: not status.replicas)


async def test_pods_of_lower_deletion_cost_go_first(admin, namespace, kubelet, workload):
    await workload("blue", replicas=3)
    pods = await kubelet.ready(3)
    cheap = pods[1]
    await admin.patch(Pod, cheap.name, {"metadata": {"annotations": {COST: "-1"}}}, namespace=namespace)
    await scale(admin, Deployment, "blue", namespace, 2)
    await kubelet.until(lambda: cheap.terminating is not None)
    assert {each.uid for each in await kubelet.ready(2)} == {each.uid for each in pods} - {cheap.uid}


async def test_a_deployment_that_is_deleted_takes_its_pods_along(admin, namespace, kubelet, workload):
    await workload("blue", replicas=2)
    await workload("green")
    await kubelet.ready(2, app="blue")
    await admin.delete(Deployment, "blue", namespace=namespace)
    await kubelet.ready(0, app="blue")
    await kubelet.ready(1, app="green")


async def test_a_quota_refuses_pods_and_the_deployment_tells(admin, namespace, kubelet, workload):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}
    await admin.create(from_dict(quota), namespace=namespace)
    # the controller that counts is not there; the API server counts on from here
    counted = {"status": {"hard": {"pods": "1"}, "used": {"pods": "0"}}}
    await admin.patch(ResourceQuota.Status, "few", counted, namespace=namespace)
    await workload("blue", replicas=2)
    await kubelet.ready(1)

    def refused(status):
        return any(
            each.type == "ReplicaFailure" and "exceeded quota" in each.message for each in status.conditions or []
        )

    await until_status(admin, Deployment, "blue", namespace, lambda status: status is not None and refused(status))


async def test_a_custom_resource_with_a_scale_has_pods_too(control_plane, admin, namespace, kubelet):
    await control_plane.kubectl("apply", "-f", "-", stdin=FLEET_CRD)
    await control_plane.kubectl("wait", "--for=condition=Established", "crd/fleets.example.com")
    fleets = create_namespaced_resource("example.com", "v1", "Fleet", "fleets")
    fleet = manifests.workload("red", kind="Fleet", api_version="example.com/v1")
    await admin.create(fleets(fleet), namespace=namespace)
    async with ReplicaSets(admin, namespace, fleets):
        await kubelet.ready(1, app="red")
        await scale(admin, fleets, "red", namespace, 2)
        await kubelet.ready(2, app="red")
        await until_status(admin, fleets, "red", namespace, lambda status: status["replicas"] == 2)
    assert (await admin.get(fleets.Scale, "red", namespace=namespace)).status.selector == "app=red"


async def test_a_stateful_set_of_the_real_controller(admin, namespace, kubelet, controllers):
    await controllers("statefulset")
    await admin.create(from_dict(manifests.workload("blue", replicas=2, kind="StatefulSet")), namespace=namespace)
    pods = await kubelet.ready(2)
    assert [each.name for each in pods] == ["blue-0", "blue-1"]
    await scale(admin, StatefulSet, "blue", namespace, 1)
    assert [each.name for each in await kubelet.ready(1)] == ["blue-0"]
