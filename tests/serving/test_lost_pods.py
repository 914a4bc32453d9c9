"""Which routers are known to be dead, by what the API server says of their pods."""

import asyncio
from contextlib import suppress

import httpx2
import pytest
from lightkube import ApiError
from lightkube.models.meta_v1 import Status
from lightkube.resources.core_v1 import Pod

from router.coord.identity import identity_of
from router.kube.contact import Contact
from router.serving.lost_pods import LOOK_S, LostPods
from tests.fakes.clock import FakeClock

UID = "8f14e45f-ceea-467f-a0e6-000000000001"
FORBIDDEN = 'pods "maitre-1" is forbidden: cannot get resource "pods" in API group "" in the namespace "router"'
RUNNING, WAITING, TERMINATED = {"running": {}}, {"waiting": {}}, {"terminated": {"exitCode": 137}}
IMAGE = {"image": "maitre", "imageID": "", "ready": False}


def refusal(code, reason, message=""):
    return ApiError(status=Status(code=code, reason=reason, message=message))


def pod(phase, *states, uid=UID, **metadata):
    """With one container for each state."""
    containers = [{**IMAGE, "name": "router", "restartCount": 3, "state": state} for state in states]
    status = {"phase": phase, "containerStatuses": containers} if containers else {"phase": phase}
    return Pod.from_dict({"metadata": {"name": "maitre-1", "uid": uid, **metadata}, "status": status})


class Scene:
    """The API server, and the coordinator."""

    def __init__(self):
        self.clock = FakeClock()
        self.contact = Contact(self.clock.now)
        self.answers = {}
        """By pod: itself, or what is raised; nothing: there is none."""
        self.asked = []
        self.away = []
        self.dead = []
        self.pods = LostPods(self, "router", self, self.contact, sleep=self.clock.sleep)

    async def get(self, kind, name, *, namespace):
        assert (kind, namespace) == (Pod, "router")
        self.asked.append(name)
        answer = self.answers.get(name) or refusal(404, "NotFound")
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            raise refusal(404, "NotFound")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def died(self, name):
        self.dead.append(name)
        self.away.remove(name)

    def lose(self, name, uid=UID):
        """A router that is away from now on."""
        self.away.append(identity_of(name, uid))
        return self.away[-1]


@pytest.fixture
async def scene():
    scene = Scene()
    running = asyncio.get_running_loop().create_task(scene.pods.run())
    await scene.clock.settle()
    scene.running = running
    yield scene
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_one_whose_pod_is_not_there_is_dead(scene):
    name = scene.lose("maitre-1")
    await scene.clock.advance(LOOK_S)
    assert (scene.dead, scene.asked) == ([name], ["maitre-1"])


async def test_it_is_looked_for_as_soon_as_this_router_leads():
    scene = Scene()
    name = scene.lose("maitre-1")
    running = asyncio.get_running_loop().create_task(scene.pods.run())
    await scene.clock.settle()
    assert scene.dead == [name]
    running.cancel()


@pytest.mark.parametrize(
    "found",
    [
        pod("Running", RUNNING, uid="another"),
        pod("Succeeded", TERMINATED),
        pod("Failed", TERMINATED, TERMINATED),
    ],
    ids=["another pod has its name", "succeeded", "failed"],
)
async def test_one_whose_pod_runs_no_more_is_dead(scene, found):
    scene.answers["maitre-1"] = found
    name = scene.lose("maitre-1")
    await scene.clock.advance(LOOK_S)
    assert scene.dead == [name]


@pytest.mark.parametrize(
    "found",
    [
        pod("Running", RUNNING),
        pod("Running", WAITING),
        pod("Running", TERMINATED),
        pod("Unknown", RUNNING),
        pod("Running", RUNNING, deletionTimestamp="2026-01-01T00:00:00Z"),
        pod("Failed"),
        pod("Failed", TERMINATED, RUNNING),
        Pod.from_dict({"metadata": {"name": "maitre-1", "uid": UID}}),
        refusal(403, "Forbidden", FORBIDDEN),
        refusal(500, "InternalError"),
        httpx2.ConnectError("refused"),
    ],
    ids=[
        "it runs, after some restarts",
        "its container crashes over and over",
        "its container has ended",
        "its node is away",
        "it is being deleted",
        "failed, without a word of its containers",
        "failed, while one of its containers runs",
        "without a status",
        "forbidden",
        "an error",
        "out of reach",
    ],
)
async def test_what_is_not_certain_changes_nothing(scene, found):
    scene.answers["maitre-1"] = found
    scene.lose("maitre-1")
    await scene.clock.advance(3 * LOOK_S)
    assert scene.dead == []
    assert scene.asked == ["maitre-1"] * 3


async def test_of_one_that_was_not_told_to_be_a_pod_nothing_is_concluded(scene):
    scene.lose("laptop", None)
    scene.lose("under_score", None)
    await scene.clock.advance(3 * LOOK_S)
    assert (scene.dead, scene.asked) == ([], [])


async def test_one_that_is_back_when_the_answer_comes_is_left_alone(scene):
    scene.answers["maitre-1"] = answer = asyncio.Event()
    scene.lose("maitre-1")
    await scene.clock.advance(LOOK_S)
    scene.away.clear()
    answer.set()
    await scene.clock.settle()
    assert scene.dead == []


async def test_nobody_is_asked_about_while_all_are_here(scene):
    await scene.clock.advance(10 * LOOK_S)
    assert scene.asked == []
    assert scene.contact.connected() == {}


async def test_a_missing_right_is_told_once_for_all_and_as_long_as_it_matters(scene, caplog):
    name = scene.lose("maitre-1")
    scene.lose("maitre-2")
    scene.answers["maitre-1"] = refusal(403, "Forbidden", FORBIDDEN)
    await scene.clock.advance(5 * LOOK_S)
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1
    (problem,) = scene.contact.problems()
    assert "cannot get pods in namespace router: forbidden" in problem
    assert scene.asked == ["maitre-1"] * 5, "nor may the others be asked about"
    scene.away.clear()
    await scene.clock.advance(LOOK_S)
    assert list(scene.contact.problems()) == []

    scene.away.append(name)
    await scene.clock.advance(LOOK_S)
    scene.running.cancel()
    await scene.clock.settle()
    assert scene.contact.connected() == {}, "another router leads"
