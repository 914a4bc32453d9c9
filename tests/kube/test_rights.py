"""The rights that deploy/ gives the router are enough, and not one is too many: each is used, and missed when it lacks.

The scene is always the same: an endpoint without a Secret, on a Deployment and a StatefulSet of which each has one pod
more than it needs. So the router makes keys, writes status and Events, marks pods and scales, as soon as it leads.
"""

import asyncio
import contextlib
import re

import httpx
import pytest
from lightkube.codecs import from_dict
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import StatefulSet
from lightkube.resources.coordination_v1 import Lease

from tests.e2e.conftest import BOUND_S
from tests.kube import manifests
from tests.kube.conftest import account, launch
from tests.kube.load import Load
from tests.kube.replica_sets import ReplicaSets
from tests.kube.resources import Resource, endpoint, version
from tests.kube.rights import Pair, pairs, rights

AUTOSCALE = {"minReplicas": 1, "maxReplicas": 20, "scaleDownWindowSeconds": 1}
GIVEN = pairs()

TO_BE_READY = {Pair("maitre.dev", "scoringendpoints", "list"), Pair("", "secrets", "list")}
"""Without these a router knows nothing to serve."""

CONDITIONS = {
    Pair("", "secrets", "create"): "KeysAvailable",
    Pair("apps", "deployments", "list"): "ScalingFailed",
    Pair("apps", "statefulsets", "list"): "ScalingFailed",
    Pair("apps", "deployments/scale", "get"): "ScalingFailed",
    Pair("apps", "statefulsets/scale", "get"): "ScalingFailed",
    Pair("apps", "deployments/scale", "update"): "ScalingFailed",
    Pair("apps", "statefulsets/scale", "update"): "ScalingFailed",
    Pair("autoscaling", "horizontalpodautoscalers", "list"): "ScalingFailed",
}
"""What the owner of an endpoint sees in it. The others concern who runs the router: they are problems in /readyz."""


class Router:
    """A router process that need not get ready."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.log: list[str] = []
        self.admin_port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._process = process
        self._more = asyncio.Event()
        self._reading = asyncio.gather(self._read_log(), self._read_ready_line())

    async def told(self, words: re.Pattern[str]) -> None:
        """Returns when the log has these words."""
        async with asyncio.timeout(BOUND_S):
            while not self.lines(words):
                self._more.clear()
                await self._more.wait()

    def lines(self, words: re.Pattern[str]) -> list[str]:
        return [line for line in self.log if words.search(line)]

    async def until_problem(self, words: re.Pattern[str]) -> None:
        """Returns when the router is ready, and /readyz has a problem with these words."""
        async with asyncio.timeout(BOUND_S), httpx.AsyncClient(trust_env=False) as client:
            url = f"http://127.0.0.1:{await asyncio.shield(self.admin_port)}/readyz"
            while not any(map(words.search, (await client.get(url)).json()["kubernetes"]["problems"])):
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        self._process.terminate()
        try:
            async with asyncio.timeout(BOUND_S):
                await self._process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._reading

    async def _read_log(self) -> None:
        async for line in self._process.stderr:
            self.log.append(line.decode())
            self._more.set()

    async def _read_ready_line(self) -> None:
        async for line in self._process.stdout:
            self.admin_port.set_result(int(line.rsplit(b":", 1)[1]))


@pytest.fixture
async def scene(definition, admin, namespace, workload):
    """The endpoint and its workloads; their pods are on their way."""
    async with ReplicaSets(admin, namespace, StatefulSet):
        await workload("blue", replicas=2)
        stateful = manifests.workload("green", replicas=2, kind="StatefulSet")
        await admin.create(from_dict(stateful), namespace=namespace)
        settings = {"autoscale": AUTOSCALE, "maxQueueWaitMs": 20_000}
        versions = (
            version("blue", trafficPercentile=50, isDefault=True, **settings),
            version("green", kind="StatefulSet", trafficPercentile=50, **settings),
        )
        await admin.create(endpoint(*versions), namespace=namespace)
        yield


async def until_said(resource: Resource, condition: str, words: re.Pattern[str]) -> None:
    """Returns when the message of that condition has these words."""
    async with asyncio.timeout(BOUND_S):
        while not words.search((await resource.condition(condition)).get("message", "")):
            await asyncio.sleep(0.05)


def refused(asked) -> list[tuple[str, str]]:
    return [(each.verb, each.resource) for each in asked if each.code == 403]


@pytest.mark.long
async def test_with_all_of_them_nothing_is_refused_and_each_is_used(
    control_plane, namespace, kubelet, scene, serve_in_cluster, resource
):
    await kubelet.ready(4)
    start = control_plane.audit.length
    pod = {"POD_NAME": "maitre-0", "POD_NAMESPACE": namespace}
    maitre = await serve_in_cluster("--default-namespace", namespace, allowed=rights(), **pod)
    await resource.until_event("ScaledDown")
    await resource.until("KeysAvailable", "True")
    keys = await resource.keys()
    async with Load(maitre, "digits", keys["primaryKey"], {"ms": 300}) as load:
        load.start(6)
        await resource.until_event("ScaledUp", lambda event: "version blue" in event.message)
        await resource.until_event("ScaledUp", lambda event: "version green" in event.message)
        await load.answered(load.statuses.total() + 10)
    assert load.wrong == []
    await resource.until("Ready", "True")
    await maitre.stop()
    assert maitre.lines("forbidden|may not") == []

    # a watch is in the audit log once it has ended
    user = f"system:serviceaccount:{namespace}:maitre"
    async with asyncio.timeout(BOUND_S):
        while len(control_plane.audit.events(start, user=user, verb="watch")) < 6:
            await asyncio.sleep(0.02)
    asked = control_plane.audit.events(start, user=user)
    assert refused(asked) == []
    assert {Pair(each.group, each.resource, each.verb) for each in asked} == set(GIVEN)


@pytest.mark.long
@pytest.mark.parametrize("lacking", GIVEN, ids=str)
async def test_what_lacks_a_right_is_told_by_name_and_not_over_and_over(
    control_plane, admin, namespace, kubelet, scene, router, resource, lacking
):
    if lacking != Pair("coordination.k8s.io", "leases", "create"):  # a free one is taken at once
        await admin.create(Lease(metadata=ObjectMeta(name="maitre", namespace=namespace)))
    await kubelet.ready(4)
    maitre = await router(lacking)
    words = re.compile(rf"(cannot|may not) {lacking.verb} {lacking.resource}\b(?!/)")
    await maitre.told(words)
    if lacking in CONDITIONS:
        await until_said(resource, CONDITIONS[lacking], words)
    elif lacking not in TO_BE_READY:
        await maitre.until_problem(words)

    user = f"system:serviceaccount:{namespace}:maitre"
    what = {"user": user, "verb": lacking.verb, "resource": lacking.resource}
    several = await control_plane.audit.until(at_least=3 if lacking.resource not in ("pods", "events") else 2, **what)
    assert set(refused(several)) == {(lacking.verb, lacking.resource)}
    assert set(refused(control_plane.audit.events(user=user))) == {(lacking.verb, lacking.resource)}
    told = maitre.lines(words)
    assert len(told) <= 3, told  # by whoever asks, and by each that needs it


@pytest.fixture
async def router(control_plane, admin, namespace, tmp_path):
    """Starts one that lacks a right."""
    started = []

    async def start(lacking: Pair) -> Router:
        kubeconfig = await account(control_plane, admin, namespace, rights(without=lacking))
        pod = {"POD_NAME": "maitre-0", "POD_NAMESPACE": namespace}
        process = await launch(kubeconfig, namespace, tmp_path / "state", **pod)
        started.append(Router(process))
        return started[-1]

    yield start
    for each in started:
        await each.stop()
