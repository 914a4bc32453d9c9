"""A leader is killed, or cut off, between marking pods and scaling: in the end nothing of that is in the cluster."""

import asyncio
import signal
from datetime import UTC, datetime

import pytest
from lightkube.resources.core_v1 import Pod

from router.discovery.leftovers import LOOK_S
from router.discovery.marks import Marker
from router.discovery.parking import PARK_S
from router.discovery.pod import COST, MARK, PodObject
from router.discovery.pod import Pod as SeenPod
from router.kube.writes import Writes
from tests.kube.load import Load
from tests.kube.resources import Resource, endpoint, version
from tests.kube.rights import rights

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]


class Deployed:
    """An endpoint with three pods of fixed size, and the router that leads."""

    def __init__(self, admin, namespace, start) -> None:
        self._admin = admin
        self._namespace = namespace
        self._start = start

    async def router(self):
        """One more process of the same pod."""
        environment = {"POD_NAMESPACE": self._namespace, "POD_NAME": "maitre-0"}
        return await self._start("--default-namespace", self._namespace, allowed=rights(), **environment)

    async def mark(self, leader: str) -> None:
        """Two of the pods, as a leader does before it scales."""
        marker = Marker(self._admin, writes=Writes(), leading=lambda: True, wall=lambda: datetime.now(UTC), name=leader)
        mark = marker.new_mark()
        pods = [SeenPod.of(pod) async for pod in self._admin.list(PodObject, namespace=self._namespace)]
        for pod in pods[:2]:
            assert await marker.write(pod, mark)

    async def marked(self) -> int:
        noted = [each.metadata.annotations or {} async for each in self._admin.list(Pod, namespace=self._namespace)]
        return sum(MARK in each or COST in each for each in noted)

    async def until_clean(self) -> None:
        async with asyncio.timeout(PARK_S + 3 * LOOK_S):
            while await self.marked():
                await asyncio.sleep(0.2)


@pytest.fixture
async def deployed(admin, namespace, kubelet, workload, serve_in_cluster) -> Deployed:
    await workload("blue", replicas=3)
    still = version("blue", maxQueueWaitMs=20_000, autoscale={"enabled": False})
    await admin.create(endpoint(still, mode="none"), namespace=namespace)
    await kubelet.ready(3)
    return Deployed(admin, namespace, serve_in_cluster)


async def test_killed_between_marking_and_scaling(deployed, admin, namespace, kubelet):
    first = await deployed.router()
    await Resource(admin, namespace).until("Ready", "True")
    async with Load(first, "digits", None, {"ms": 20}) as load:
        load.start(2)
        await load.answered(50)
        await first.stop(signal.SIGKILL)
    await deployed.mark("maitre-0_the-one-that-was-killed")
    loop = asyncio.get_running_loop()
    killed = loop.time()
    second = await deployed.router()
    async with Load(second, "digits", None, {"ms": 20}) as load:
        load.start(2)
        await second.until_metric(lambda value: value == 1, "maitre_leader")
        await deployed.until_clean()
        print(f"no mark {loop.time() - killed:.1f} s after the kill")
        await second.until_metric(lambda value: value == 3, "maitre_replicas_total")
        await load.answered(load.statuses.total() + 50)
    assert load.wrong == []
    assert len(await kubelet.ready(3)) == 3


async def test_cut_off_between_marking_and_scaling(own_control_plane, deployed):
    """The marks lapse while nobody can take them away."""
    router = await deployed.router()
    await router.until_metric(lambda value: value == 1, "maitre_leader")
    await deployed.mark("maitre-1_another-one")
    await router.until_metric(lambda value: value == 1, "maitre_replicas_total")
    await own_control_plane.stop_api_server()
    async with Load(router, "digits", None, {"ms": 20}) as load:
        load.start(2)
        await router.until_metric(lambda value: value == 3, "maitre_replicas_total")  # they lapsed
        await router.until_metric(lambda value: value == 0, "maitre_leader")
        await own_control_plane.start_api_server()
        assert await deployed.marked() == 2
        await deployed.until_clean()
        await load.answered(load.statuses.total() + 50)
    assert load.wrong == []
