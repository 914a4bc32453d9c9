"""The router's own pods, as board and workload tell of them."""

import asyncio

import pytest

from autoscaler.frontend import PodsSeen
from router.discovery.pod import State
from router.discovery.pods import PodBoard
from router.model.spec import DeploymentTarget
from router.serving.own_pods import OwnPods
from tests.fakes.pods import manifest, seen

TARGET = DeploymentTarget(name="maitre", port=1)


class FakeWorkload:
    """Also what follows workloads."""

    def __init__(self):
        self.known, self.size, self.hpa, self.problem = True, 1, None, None
        self.asked = []

    def __str__(self):
        return "Deployment router/maitre"

    def follow(self, namespace, target, listener):
        assert (namespace, target) == ("router", TARGET)
        self.listener = listener
        return self

    def current(self):
        return self.size

    async def scale(self, replicas):
        self.asked.append(replicas)


class Scene:
    def __init__(self):
        self.workload, self.board = FakeWorkload(), PodBoard()
        self.leading = True
        self.followed = []
        self.pods = OwnPods("router", TARGET, self.workload, self.board, lambda: self.leading, self.follow)

    async def follow(self, selector):
        self.followed.append(selector)
        await asyncio.Event().wait()

    def put(self, name, state, app="maitre", namespace="router"):
        self.board.put(seen(manifest(name, state, {"app": app}, namespace=namespace)))


@pytest.fixture
def scene():
    return Scene()


@pytest.fixture
def known(scene):
    scene.put("maitre-0", State.READY)
    scene.workload.listener.selects("app=maitre")
    return scene


def test_nothing_is_seen_before_it_is_known_which_pods_they_are(scene):
    assert scene.pods.seen() is None
    scene.workload.listener.selects("app=maitre")
    assert scene.pods.seen() == PodsSeen(current=1, ready=0, coming=1, unschedulable=0, ours=True)
    scene.workload.known = False
    assert scene.pods.seen() is None


def test_pods_are_counted_by_what_they_are(known):
    known.workload.size = 5
    known.put("maitre-1", State.READY)
    known.put("maitre-2", State.UNSCHEDULABLE)
    known.put("other", State.READY, app="digits")
    known.put("maitre-9", State.READY, namespace="elsewhere")
    assert known.pods.seen() == PodsSeen(5, 2, 2, 1, ours=True)  # two have not even been made
    known.put("maitre-2", State.STARTING)
    known.put("maitre-3", State.STARTING)
    known.put("maitre-4", State.STARTING)
    assert known.pods.seen() == PodsSeen(5, 2, 3, 0, ours=True)
    for name in ("maitre-2", "maitre-3", "maitre-4"):
        known.put(name, State.READY)
    assert known.pods.seen() == PodsSeen(5, 5, 0, 0, ours=True)


def test_what_ends_does_not_count_and_one_too_many_that_starts_does(known):
    known.put("maitre-1", State.STARTING)  # as in a rollout
    assert known.pods.seen() == PodsSeen(1, 1, 1, 0, ours=True)
    known.put("maitre-1", State.READY)
    known.put("maitre-0", State.TERMINATING)
    assert known.pods.seen() == PodsSeen(1, 1, 0, 0, ours=True)
    known.board.remove(seen(manifest("maitre-1", State.READY, {"app": "maitre"}, namespace="router")))
    assert known.pods.seen() == PodsSeen(1, 0, 1, 0, ours=True)


def test_they_are_ours_while_we_lead_and_no_hpa_scales_them(known):
    known.leading = False
    assert not known.pods.seen().ours
    known.leading = True
    known.workload.hpa = "somebody"
    assert not known.pods.seen().ours


async def test_a_size_is_asked_of_the_workload(known):
    await known.pods.scale(3)
    assert known.workload.asked == [3]


async def test_the_pods_of_its_selector_are_followed_and_of_another_one_when_it_changes(scene):
    running = asyncio.get_running_loop().create_task(scene.pods.run())
    await asyncio.sleep(0)
    assert scene.followed == []
    for selector in ("app=maitre", "app=other"):
        scene.workload.listener.selects(selector)
        async with asyncio.timeout(5):
            while scene.followed[-1:] != [selector]:
                await asyncio.sleep(0)
    assert scene.followed == ["app=maitre", "app=other"]
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()


def test_a_selector_that_cannot_be_understood_is_a_problem(known):
    known.workload.listener.selects("app in (")
    assert known.pods.seen() is None
    assert "app in (" in known.pods.problem
    known.workload.listener.selects("app=maitre")
    assert known.pods.problem is None
    known.workload.problem = "Deployment router/maitre does not exist"
    assert known.pods.problem == known.workload.problem
