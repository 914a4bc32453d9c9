"""The router's own pods on a real API server, with the rights of deploy/router-pods and no others: raised one by one
when routing is slow, not while one of them waits, given back on low use.

The load is told by the test; workers are as many as there may be, so pods are what there is to change."""

import asyncio
import contextlib
import json
import random
import time

import pytest
from lightkube import KubeConfig
from lightkube.codecs import from_dict
from lightkube.models.autoscaling_v1 import CrossVersionObjectReference, HorizontalPodAutoscalerSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v1 import HorizontalPodAutoscaler

from autoscaler.frontend import FrontendSettings, RouterLoad
from autoscaler.frontend_loop import FrontendLoop
from router.discovery.pod import PodObject
from router.discovery.pods import PodBoard
from router.discovery.workloads import Workloads
from router.kube.client import connect, connect_to_follow
from router.kube.contact import Contact
from router.kube.reflector import Reflector
from router.model.spec import DeploymentTarget
from router.serving.own_pods import OwnPods
from tests.deploy.objects import DEPLOY, read
from tests.kube import manifests
from tests.kube.conftest import account
from tests.kube.rights import Pair

SETTINGS = FrontendSettings(most_pods=3, raise_after_s=0.5, lower_after_s=1.0)


def rights():
    objects = read((DEPLOY / "router-pods" / "role.yaml").read_text())
    for each in objects:
        each["metadata"]["namespace"] = "{namespace}"
        for subject in each.get("subjects", ()):
            subject["namespace"] = "{namespace}"
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


class Told:
    """Loads, crew and recorder; `slow` says of all routers that there are how they are."""

    def __init__(self):
        self.slow = False
        self.pods = None
        self.decided_on = []
        self.failures = []

    def own(self, now):
        return RouterLoad(now, 1, 1, 1.0, 10.0 if self.slow else 0.1, 0.9 if self.slow else 0.01)

    def others(self, now):
        seen = self.pods.seen()
        return [self.own(now)] * (seen.ready - 1 if seen else 0)

    async def resize(self, workers):
        raise AssertionError("there is one worker, and one core")

    def decided(self, decision):
        self.decided_on.append((decision.part.value, decision.current, decision.desired))

    def failed(self, decision, error):
        self.failures.append(error)


class Router:
    """As much of a router as scales its own pods."""

    def __init__(self, kubeconfig, namespace):
        cluster = KubeConfig.from_file(kubeconfig).get()
        self._client, self._http = connect(cluster), connect_to_follow(cluster)
        self._contact = Contact(time.monotonic)
        self._namespace = namespace
        self._board = PodBoard()
        self.leading = True
        self.told = Told()
        self._workloads = Workloads(
            self._client,
            self._http,
            contact=self._contact,
            namespaces=["elsewhere"],
            may_write=lambda: self.leading,
            draw=random.random,
        )
        target = DeploymentTarget(name="maitre", port=1)
        self.pods = OwnPods(namespace, target, self._workloads, self._board, lambda: self.leading, self._follow)
        self.told.pods = self.pods
        self._loop = FrontendLoop(SETTINGS, self.told, self.pods, self.told, self.told, time.monotonic, _soon)
        self._tasks = asyncio.gather(self._workloads.run(), self.pods.run(), self._loop.run())

    async def _follow(self, selector):
        await Reflector(
            self._http,
            PodObject,
            self._board,
            contact=self._contact,
            namespace=self._namespace,
            labels=selector,
            draw=random.random,
        ).run()

    async def until(self, condition):
        """It sees its pods like that."""
        async with asyncio.timeout(20):
            while not condition(self.pods.seen()):
                assert not self._tasks.done(), self._tasks.exception()
                await asyncio.sleep(0.02)

    @property
    def last(self):
        return self._loop.last

    async def close(self):
        self._tasks.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._tasks
        await self._client.aclose()
        await self._http.aclose()


async def _soon(seconds):
    """Looks ten times as often as usual."""
    await asyncio.sleep(seconds / 10)


@pytest.fixture
async def router(control_plane, admin, namespace, kubelet, replica_sets):
    kubelet.capacity = 2
    await admin.create(from_dict(manifests.workload("maitre")), namespace=namespace)
    kubeconfig = await account(control_plane, admin, namespace, rights())
    router = Router(kubeconfig, namespace)
    await router.until(lambda seen: seen and seen.ready == seen.current == 1)
    yield router
    await router.close()


async def size(admin, namespace):
    return (await admin.get(Deployment, "maitre", namespace=namespace)).spec.replicas


async def until_reason(router, reason):
    async with asyncio.timeout(20):
        while router.last.reason.value != reason:
            await asyncio.sleep(0.02)


async def test_pods_are_raised_while_there_is_room_and_given_back(control_plane, admin, namespace, kubelet, router):
    start = control_plane.audit.length
    router.told.slow = True
    await router.until(lambda seen: seen.current == 3)
    assert router.told.decided_on == [("pods", 1, 2), ("pods", 2, 3)]
    await router.until(lambda seen: seen.unschedulable == 1)  # there is room for two
    await until_reason(router, "pods_waiting")
    assert await size(admin, namespace) == 3

    router.told.slow = False
    await router.until(lambda seen: seen.current == seen.ready == 1)
    assert router.told.decided_on[2:] == [("pods", 3, 2), ("pods", 2, 1)]
    assert await size(admin, namespace) == 1
    assert router.told.failures == []
    await router.close()

    asked = control_plane.audit.events(start, user=f"system:serviceaccount:{namespace}:maitre")
    assert {each.code for each in asked} <= {200, 409}


async def test_no_pod_is_added_while_one_finds_no_node_and_it_goes_on_when_there_is_room(
    admin, namespace, kubelet, router
):
    kubelet.capacity = 1
    router.told.slow = True
    await router.until(lambda seen: seen.unschedulable == 1)
    await until_reason(router, "pods_waiting")
    assert (await size(admin, namespace), router.told.decided_on) == (2, [("pods", 1, 2)])
    kubelet.capacity = 3
    await router.until(lambda seen: seen.current == seen.ready == 3)
    await until_reason(router, "maximum")


async def test_who_does_not_lead_or_finds_an_hpa_leaves_them_alone(admin, namespace, router):
    router.leading = False
    router.told.slow = True
    await until_reason(router, "maximum")  # of workers: pods are not its business
    target = CrossVersionObjectReference(apiVersion="apps/v1", kind="Deployment", name="maitre")
    hpa = HorizontalPodAutoscaler(
        metadata=ObjectMeta(name="somebody"), spec=HorizontalPodAutoscalerSpec(maxReplicas=5, scaleTargetRef=target)
    )
    await admin.create(hpa, namespace=namespace)
    async with asyncio.timeout(20):
        while router.pods._workload.hpa is None:
            await asyncio.sleep(0.02)
    router.leading = True
    before = router.last.at
    async with asyncio.timeout(20):
        while router.last.at < before + 2 * SETTINGS.raise_after_s:
            await asyncio.sleep(0.02)
    assert (await size(admin, namespace), router.told.decided_on) == (1, [])


async def test_each_right_is_used(control_plane, namespace, router):
    router.told.slow = True
    await router.until(lambda seen: seen.current == 2)
    given = {
        Pair(group, resource, verb)
        for each in read((DEPLOY / "router-pods" / "role.yaml").read_text())
        for rule in each.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    await router.close()
    user = f"system:serviceaccount:{namespace}:maitre"
    async with asyncio.timeout(20):  # a watch is in the audit log once it has ended
        while given - {Pair(e.group, e.resource, e.verb) for e in control_plane.audit.events(user=user)}:
            await asyncio.sleep(0.05)
    assert not [each for each in control_plane.audit.events(user=user) if each.code == 403]
