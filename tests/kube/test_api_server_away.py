"""The API server is killed under load: requests go on with what is known, and all the rest goes on when it is back."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from time import monotonic

import pytest

from tests.e2e.conftest import MODEL
from tests.kube.load import Load
from tests.kube.resources import Resource, endpoint, version
from tests.kube.rights import rights

BACK_S = 15.0
"""Within so long of the API server's return everything is to go on; it takes a second or two."""
FOLLOWED = ("deployments", "horizontalpodautoscalers", "leases", "pods", "scoringendpoints", "secrets")


@pytest.fixture
def resource(own_control_plane, admin, namespace) -> Resource:
    return Resource(admin, namespace)


@pytest.fixture
async def maitre(own_control_plane, serve_in_cluster, namespace):
    options = ("--default-namespace", namespace)
    return await serve_in_cluster(*options, allowed=rights(), POD_NAMESPACE=namespace, POD_NAME="maitre-0")


@pytest.fixture
def since_return() -> "Stopwatch":
    return Stopwatch()


class Stopwatch:
    def __init__(self) -> None:
        self._begun = 0.0

    def start(self) -> None:
        self._begun = monotonic()

    async def lap(self, what: str, coming: Awaitable[object]) -> None:
        async with asyncio.timeout(BACK_S):
            await coming
        print(f"{what}: {monotonic() - self._begun:.2f} s after the API server's return")


async def said(maitre, true: Callable[[dict], bool]) -> dict:
    """The detail of /readyz, which is 200 throughout, as soon as it is so."""
    async with asyncio.timeout(BACK_S):
        while True:
            answer = await maitre.admin("/readyz")
            assert answer.status_code == 200, answer.text
            if true(detail := answer.json()["kubernetes"]):
                return detail
            await asyncio.sleep(0.05)


def tells_of_all(detail: dict) -> bool:
    return len(detail["problems"]) == len(FOLLOWED)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("away_s", [5.0, pytest.param(60.0, marks=pytest.mark.long)])
async def test_no_request_fails_and_on_its_return_scaling_goes_on(
    own_control_plane, admin, namespace, kubelet, workload, maitre, resource, since_return, away_s
):
    await workload("blue", replicas=3)
    autoscale = {"minReplicas": 3, "maxReplicas": 20, "scaleDownWindowSeconds": 60}
    await admin.create(endpoint(version("blue", maxQueueWaitMs=20_000, autoscale=autoscale)), namespace=namespace)
    await resource.until("Ready", "True")
    await maitre.until_metric(lambda value: value == 1, "maitre_leader")
    keys = await resource.keys()
    async with Load(maitre, "digits", keys["primaryKey"], {"ms": 200}) as load:
        load.start(2)
        await load.answered(20)
        await own_control_plane.stop_api_server()
        killed = monotonic()
        detail = await said(maitre, tells_of_all)
        for subject in FOLLOWED:
            assert any(f"kubernetes: {subject} in namespace" in problem for problem in detail["problems"]), detail
        assert not detail["connected"]
        assert await maitre.metric("maitre_kubernetes_connected") == 0
        await maitre.until_metric(lambda value: value == 0, "maitre_leader")
        load.start(5)  # a step that nobody can scale for
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(killed + away_s - monotonic()):
                while True:  # ready throughout
                    await said(maitre, tells_of_all)
                    await asyncio.sleep(0.5)
        assert await maitre.metric("maitre_replicas_total") == 3
        assert load.wrong == []
        away = load.statuses.total()
        mark = own_control_plane.audit.length
        await own_control_plane.start_api_server()
        since_return.start()
        leads = maitre.until_metric(lambda value: value == 1, "maitre_leader")
        await since_return.lap("it leads", leads)
        scaled = own_control_plane.audit.until(mark, verb="update", resource="deployments/scale", namespace=namespace)
        await since_return.lap("it scales", scaled)
        await since_return.lap("all is followed", said(maitre, lambda detail: detail["connected"]))
        await since_return.lap("ten serve", maitre.until_metric(lambda value: value >= 10, "maitre_replicas_total"))
        written = until_status(resource, lambda status: status["versions"][0]["ready"] >= 10)
        await since_return.lap("the status says so", written)
        await load.answered(load.statuses.total() + 50)
    assert load.wrong == []
    assert set(load.statuses) == {200}
    assert len(load.replicas) >= 10  # the rate of arrivals is a little noisy
    print(f"{load.statuses.total()} answered, {away} by the end of {away_s:g} s without it")


async def until_status(resource: Resource, true: Callable[[dict], bool]) -> dict:
    while not true(status := (await resource.get())["status"]):
        await asyncio.sleep(0.05)
    return status


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_pods_that_die_meanwhile_cost_the_request_that_they_ran(
    own_control_plane, admin, namespace, kubelet, workload, maitre, resource, tmp_path
):
    model = tmp_path / "model.py"
    model.write_text(MODEL.read_text())
    await workload("blue", replicas=3, model=model)
    still = version("blue", maxQueueWaitMs=20_000, autoscale={"enabled": False})
    await admin.create(endpoint(still), namespace=namespace)
    await resource.until("Ready", "True")
    await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")
    keys = await resource.keys()
    back, gone, stays = await kubelet.ready(3)
    async with Load(maitre, "digits", keys["primaryKey"], {"ms": 50}) as load:
        load.start(3)
        await load.answered(100)
        await own_control_plane.stop_api_server()
        await said(maitre, tells_of_all)

        kubelet.crash(back)  # its kubelet starts it again at the same address, and can tell nobody
        answered = load.replicas[back.name]
        async with asyncio.timeout(BACK_S):
            while load.replicas[back.name] < answered + 20:
                await load.answered(load.statuses.total() + 1)
        assert len(load.wrong) <= 1, load.wrong
        lost = len(load.wrong)

        model.unlink()
        kubelet.crash(gone)  # it cannot be started again
        await load.answered(load.statuses.total() + 20)
        answered = load.replicas[gone.name]
        await load.answered(load.statuses.total() + 200)
        assert load.replicas[gone.name] == answered
        assert len(load.wrong) <= lost + 1, load.wrong
        print(f"pods killed at work cost: {load.wrong}")
        assert all("upstream_error" in each for each in load.wrong)

        wrong = len(load.wrong)
        await own_control_plane.start_api_server()
        await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")
        model.write_text(MODEL.read_text())
        await maitre.until_metric(lambda value: value == 3, "maitre_replicas_total")
        await load.answered(load.statuses.total() + 100)
        assert load.replicas[gone.name] > answered
    assert len(load.wrong) == wrong
    assert load.replicas[stays.name] > 0
