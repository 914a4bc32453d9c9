"""The pods of a workload as replicas of a version, with the workload and its pods under control."""

import asyncio
from types import SimpleNamespace

import pytest

from autoscaler.errors import ScaleFailed
from router.discovery.workload import Listener
from router.model.spec import DeploymentTarget
from router.serving.deployment import ClusterPremises, DeploymentReplicas
from router.serving.pod_logs import PodLogs
from tests.discovery.stage import Stage

BLUE = DeploymentTarget(name="blue", port=5001)


class FakeWorkload:
    """A workload that takes every size, unless `fails`."""

    def __init__(self, target: DeploymentTarget, listener: Listener) -> None:
        self.target = target
        self.listener = listener
        self.size = 2
        self.known = True
        self.settled = asyncio.Event()
        self.settled.set()
        self.selector: str | None = None
        self.problem = self.failure = self.hpa = None
        self.fails: Exception | None = None
        self.foreign: int | None = None

    def current(self) -> int:
        return self.size

    def selects(self, selector: str) -> None:
        self.selector = selector
        self.listener.selects(selector)

    async def scale(self, replicas: int) -> None:
        if self.fails is not None:
            raise self.fails
        if self.foreign is not None:  # somebody else was faster, and his size stands
            self.size = self.foreign
        else:
            self.size = replicas


class FakeWorkloads:
    def __init__(self) -> None:
        self.followed: list[FakeWorkload] = []

    def follow(self, namespace: str, target: DeploymentTarget, listener: Listener) -> FakeWorkload:
        self.followed.append(FakeWorkload(target, listener))
        return self.followed[-1]

    def release(self, workload: FakeWorkload) -> None:
        self.followed.remove(workload)


class Owner:
    def __init__(self) -> None:
        self.changes = 0
        self.told: list[tuple[str, str]] = []

    def workload_changed(self) -> None:
        self.changes += 1

    def tell(self, reason: str, message: str, *, warning: bool = False) -> None:
        self.told.append((reason, message))


@pytest.fixture
async def scene():
    stage, workloads, owner = Stage(), FakeWorkloads(), Owner()
    premises = ClusterPremises(
        stage.loop, stage.board, workloads, stage.replicas._marks._marker, PodLogs(None, stage.board)
    )
    replicas = DeploymentReplicas("digits/blue", "default", stage.roster, premises, owner)
    replicas.follow(BLUE, None)
    (workload,) = workloads.followed
    workload.selects("app=blue")
    workload.listener.found(2)
    yield SimpleNamespace(stage=stage, workloads=workloads, owner=owner, replicas=replicas, workload=workload)
    await replicas.close()
    assert stage.roster.seats == {}
    assert workloads.followed == []


async def test_its_pods_are_the_replicas(scene):
    scene.stage.put("a")
    scene.stage.put("b", app="green")
    assert scene.stage.names == ["a"]
    assert scene.replicas.known
    assert scene.replicas.current() == 2


async def test_another_port_takes_effect_without_a_new_workload(scene):
    scene.stage.put("a")
    scene.replicas.follow(DeploymentTarget(name="blue", port=5002), None)
    assert [seat[1] for seat in scene.stage.roster.seats.values()] == [5002]
    assert scene.workloads.followed == [scene.workload]


async def test_the_pods_of_before_serve_until_those_of_another_workload_are_known(scene):
    scene.stage.put("a")
    scene.stage.put("b", app="green")
    scene.replicas.follow(DeploymentTarget(name="green", port=5002), None)
    scene.replicas.follow(DeploymentTarget(name="green", port=5003), None)
    assert scene.stage.roster.seats["a/uid-of-a"][1] == 5001
    (green,) = scene.workloads.followed
    green.listener.found(1)
    green.selects("app=green")
    assert scene.stage.names == ["b"]
    assert [seat[1] for seat in scene.stage.roster.seats.values()] == [5003]


async def test_what_is_to_go_gets_no_new_request(scene):
    scene.stage.put("a", born_s=1)
    scene.stage.put("b", born_s=2)
    await scene.replicas.scale(1)
    assert scene.stage.names == ["a"]
    assert scene.stage.marked == ["b"]


@pytest.mark.parametrize(
    "then", [{"fails": ScaleFailed("forbidden")}, {"foreign": 2}], ids=["it is refused", "somebody else was faster"]
)
async def test_what_does_not_go_after_all_takes_requests_again(scene, then):
    scene.stage.put("a", born_s=1)
    scene.stage.put("b", born_s=2)
    vars(scene.workload).update(then)
    if scene.workload.fails is None:
        await scene.replicas.scale(1)
    else:
        with pytest.raises(ScaleFailed):
            await scene.replicas.scale(1)
    assert scene.stage.names == ["a", "b"]


async def test_a_raise_calls_those_back_that_were_to_go(scene):
    scene.stage.put("a", born_s=1)
    scene.stage.put("b", born_s=2)
    await scene.replicas.scale(1)
    await scene.replicas.scale(3)
    assert scene.stage.names == ["a", "b"]


async def test_more_than_there_are_are_expected(scene):
    scene.stage.put("a")
    scene.stage.put("b")
    assert not scene.stage.roster.coming
    await scene.replicas.scale(3)
    assert scene.stage.roster.coming


async def test_a_foreign_size_is_told(scene):
    scene.workload.size = 5
    scene.workload.listener.scaled_by_others(2, 5)
    assert scene.owner.told == [("ScaledByOthers", "somebody else scaled from 2 to 5 replicas; it is adopted")]


async def test_a_selector_that_cannot_be_understood_is_a_problem(scene):
    scene.stage.put("a")
    scene.workload.selects("a in (")
    assert "its selector 'a in (' cannot be understood" in scene.replicas.view().problem
    assert scene.stage.names == ["a"]
    scene.workload.selects("app=blue")
    assert scene.replicas.view().problem is None


async def test_what_stands_in_the_way_is_shown_and_told(scene):
    scene.workload.hpa = "cpu"
    scene.workload.listener.hpa_changed("cpu")
    assert scene.replicas.view().hpa == "cpu"
    assert scene.owner.changes == 2  # found, and this


async def test_before_the_workload_is_known_there_is_nothing_to_be_said(scene):
    assert not scene.replicas.view().pending
    scene.workload.settled.clear()
    assert scene.replicas.view().pending
