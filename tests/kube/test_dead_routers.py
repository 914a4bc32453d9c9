"""Two routers share the slots of a pod. One is killed, and its pod deleted: the other one has them all at once.

They have the rights of deploy/coordination. Their pods are stand-ins; the test runs the routers itself.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest
from lightkube import AsyncClient
from lightkube.codecs import from_dict
from lightkube.resources.core_v1 import Pod

from tests.deploy.objects import DEPLOY
from tests.kube import manifests
from tests.kube.conftest import account
from tests.kube.parted_network import PartedNetwork
from tests.kube.resources import Resource, endpoint, version
from tests.kube.rights import rights
from tests.kube.three_routers import Router, leader

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]

SLOTS = 8
CLIENTS = 16
"""Of each router."""
BOUND_S = 2.0
ROLE = DEPLOY / "coordination" / "role.yaml"


class Couple(NamedTuple):
    routers: list[Router]
    admin: AsyncClient
    namespace: str

    def other(self, router: Router) -> Router:
        return next(each for each in self.routers if each is not router)

    async def delete(self, router: Router) -> None:
        """The object, as if its kubelet had said that nothing runs there any more."""
        await self.admin.delete(Pod, router.pod, namespace=self.namespace, grace_period=0)


@pytest.fixture
async def couple(definition, control_plane, admin, namespace, kubelet, replica_sets, tmp_path):
    """Each has half of the slots, and could do with more."""
    await admin.create(from_dict(manifests.recording_workload("blue", slots=SLOTS, ms=50)), namespace=namespace)
    settings = {"maxConcurrentRequestsPerReplica": SLOTS, "maxQueueWaitMs": 30_000, "autoscale": {"enabled": False}}
    await admin.create(endpoint(version("blue", **settings)), namespace=namespace)
    await kubelet.ready(1, app="blue")
    kubeconfig = await account(control_plane, admin, namespace, rights(more=[ROLE]))
    async with AsyncExitStack() as ends:
        routers = []
        for number in range(2):
            pod = {"kind": "Pod", "apiVersion": "v1", **manifests.pod_template("maitre")}
            pod["metadata"]["name"] = f"maitre-{number}"
            made = await admin.create(from_dict(pod), namespace=namespace)
            router = Router(number, kubeconfig, namespace, tmp_path, PartedNetwork(), uid=made.metadata.uid)
            routers.append(await ends.enter_async_context(router))
            await router.start()
        key = (await Resource(admin, namespace).keys())["primaryKey"]
        for router in routers:
            await router.until_standing("leased")
            await router.maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
        for router in routers:
            await ends.enter_async_context(router.under_load(CLIENTS, key))
        for router in routers:
            await until_in_flight(router, SLOTS // 2)
        yield Couple(routers, admin, namespace)


async def until_in_flight(router: Router, slots: int, bound_s: float = 20.0) -> float:
    """How long it took."""
    began = time.monotonic()
    async with asyncio.timeout(bound_s):
        while await router.maitre.metric("maitre_requests_in_flight") != slots:
            await asyncio.sleep(0.01)
    return time.monotonic() - began


async def test_what_a_router_had_whose_pod_is_deleted_is_free_at_once(control_plane, couple):
    first = await leader(couple.routers)
    await couple.other(first).kill()
    await first.maitre.line("a router is cut off")
    while not control_plane.audit.events(verb="get", resource="pods", namespace=couple.namespace):
        await asyncio.sleep(0.05)
    assert await first.maitre.metric("maitre_requests_in_flight") <= SLOTS // 2, "its pod is there yet"
    await couple.delete(couple.other(first))
    took_s = await until_in_flight(first, SLOTS)
    print(f"all slots {took_s:.2f} s after the deletion")
    assert took_s < BOUND_S
    assert first.maitre.lines("forbidden") == []


async def test_a_fresh_leader_has_all_when_the_pod_of_the_one_before_is_deleted(couple):
    first = await leader(couple.routers)
    second = couple.other(first)
    await first.kill()
    await couple.delete(first)
    assert await leader([second]) is second
    took_s = await until_in_flight(second, SLOTS)
    print(f"all slots {took_s:.2f} s after it came to lead")
    assert took_s < BOUND_S
