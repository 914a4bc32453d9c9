"""What deploy/ installs for all namespaces, at work: its own pods, as their spec says, rolled out anew under load."""

import asyncio
import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from lightkube.codecs import from_dict
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.coordination_v1 import Lease

from tests.e2e.client import Broken, Connection
from tests.fakes.changes import BOUND_S
from tests.kube import manifests
from tests.kube.kubelet import Kubelet
from tests.kube.pod_life import Record
from tests.kube.resources import endpoint, version

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes-1.20"
SYSTEM = "maitre-system"
ROUTER = f"system:serviceaccount:{SYSTEM}:maitre"
PORT = 8080
LATE_S = 4.0
"""For so long the slowest node still sends new connections to a pod that is going: less than its preStop."""
TURN = 20
"""Requests on one connection."""


@pytest.fixture
async def routers(own_control_plane, admin, tmp_path):
    """Plays the pods of the router, from the spec that is installed; the image is this source."""
    await own_control_plane.kubectl("apply", "-k", str(FOLDER))
    await admin.wait(CustomResourceDefinition, "scoringendpoints.maitre.dev", for_conditions=["Established"])
    (container,) = (await admin.get(Deployment, "maitre", namespace=SYSTEM)).spec.template.spec.containers
    assert container.command[0] == "maitre"
    # what a pod has by its own network, and by its mounted token
    kubeconfig = await own_control_plane.kubeconfig("maitre", SYSTEM)
    here = [f"KUBECONFIG={kubeconfig}", "MAITRE_HOST=$(POD_IP)", "MAITRE_ADMIN_HOST=$(POD_IP)"]
    image = {container.image: ["env", *here, sys.executable, "-m", "router", *container.command[1:]]}
    async with Kubelet(admin, SYSTEM, tmp_path, images=image) as kubelet:
        yield kubelet


class Clients:
    """They come by a Service that hears of changes late: to a ready pod, or to one that was ready a moment ago."""

    def __init__(self, kubelet: Kubelet, endpoint: str, key: str) -> None:
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.turned_away = 0
        """Connections that were refused, and made to another pod instead."""
        self.answered_by: Counter[str] = Counter()
        self.over = False
        self._kubelet = kubelet
        self._endpoint = endpoint
        self._key = key

    async def run(self) -> None:
        while not self.over:
            pod = random.choice(self._pods())
            connection = Connection(PORT, self._key, host=pod.ip)
            try:
                await self._turn(connection, pod)
            finally:
                await connection.close()

    def _pods(self) -> list[Record]:
        now = time.monotonic()
        return [
            pod
            for pod in self._kubelet.records
            if pod.ready is not None and (pod.terminating is None or now < pod.terminating + LATE_S)
        ]

    async def _turn(self, connection: Connection, pod: Record) -> None:
        for _ in range(TURN):
            try:
                answer = await connection.post(self._endpoint, {"ms": 20})
            except Broken as broken:
                self.wrong.append(f"{pod.name}: {broken}")
                return
            except OSError:
                self.turned_away += 1
                return
            self.statuses[answer.status] += 1
            self.answered_by[pod.name] += 1
            if answer.status != 200:
                self.wrong.append(f"{pod.name}: {answer.status} {answer.body.decode()}")
            if self.over or answer.headers.get("connection") == "close":
                return


async def until_one_leads(admin, pods: set[str]) -> None:
    async with asyncio.timeout(BOUND_S):
        while ((await admin.get(Lease, "maitre", namespace=SYSTEM)).spec.holderIdentity or "").partition("_")[
            0
        ] not in pods:
            await asyncio.sleep(0.05)


@pytest.mark.long
async def test_a_rollout_of_the_router_fails_no_request(
    own_control_plane, controllers, admin, namespace, kubelet, routers, resource
):
    await controllers("deployment", "replicaset")
    await admin.create(endpoint(version("blue", autoscale={"minReplicas": 4, "maxReplicas": 8})), namespace=namespace)
    await admin.create(from_dict(manifests.workload("blue", replicas=4)), namespace=namespace)
    before = {pod.name for pod in await routers.ready(1, bound_s=45)}
    await resource.until("Ready", "True")
    await resource.until("KeysAvailable", "True")
    keys = await resource.keys()

    clients = Clients(routers, f"digits.{namespace}", keys["primaryKey"])
    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(clients.run())
        begun = time.monotonic()
        await own_control_plane.kubectl("-n", SYSTEM, "rollout", "restart", "deployment/maitre")
        (old,) = (pod for pod in routers.records if pod.name in before)
        await routers.until(lambda: old.ended is not None, bound_s=60)
        await asyncio.sleep(old.terminating + LATE_S - time.monotonic())  # until nobody is sent there any more
        print(f"rolled out in {time.monotonic() - begun:.1f} s; {clients.statuses}, {clients.turned_away} turned away")
        after = {pod.name for pod in await routers.ready(1)}
        clients.over = True
    assert clients.wrong == []
    assert clients.turned_away == 0, "who is told late finds the door open: preStop"
    assert clients.answered_by.keys() == before | after
    assert old.exit_code == 0
    assert [pod.restarts for pod in routers.records] == [0, 0]
    await until_one_leads(admin, after)
    # with the ClusterRole, serving all namespaces
    asked = own_control_plane.audit.events(user=ROUTER)
    assert {each.code for each in asked} <= {200, 201, 404, 409}
    assert {each.namespace for each in asked if each.verb == "list"} == {""}
