import asyncio
from datetime import UTC, datetime

import httpx2
import pytest

from router.discovery.marks import AT_ONCE, Marker, Marks
from router.discovery.pod import COST, MARK, MARKED_COST, Pod, State
from router.kube.writes import Writes
from tests.fakes.pods import PodApi, manifest, refusal, seen

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Cluster(PodApi):
    def __init__(self) -> None:
        super().__init__()
        self.leading = True
        self.writes = Writes()
        self.marker = Marker(self, writes=self.writes, leading=lambda: self.leading, wall=lambda: NOON, name="me")

    def add(self, name: str, state: State = State.READY, **more) -> Pod:
        self.pods[name] = manifest(name, state, **more)
        return self.view()[f"uid-of-{name}"]

    def view(self) -> dict[str, Pod]:
        """What a router has seen."""
        pods = map(Pod.of, map(seen, self.pods.values()))
        return {pod.uid: pod for pod in pods}

    def noted(self, name: str) -> tuple[str | None, str | None]:
        annotations = self.pods[name]["metadata"]["annotations"]
        assert annotations["other"] == "x", "what is not ours stays"
        return annotations.get(COST), annotations.get(MARK)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def marks(cluster) -> Marks:
    return Marks(cluster.marker)


async def test_the_chosen_are_marked_and_later_others(cluster, marks):
    a, b = cluster.add("a"), cluster.add("b")
    mark = marks.wish([a])
    assert mark == "2026-01-01T12:00:00+00:00 me"
    await marks.write(cluster.view())
    assert (cluster.noted("a"), cluster.noted("b")) == ((MARKED_COST, mark), (None, None))
    marks.wish([b])
    await marks.write(cluster.view())
    assert (cluster.noted("a"), cluster.noted("b")) == ((None, None), (MARKED_COST, mark))
    marks.wish(())
    await marks.write(cluster.view())
    assert cluster.noted("b") == (None, None)
    assert marks.borne(cluster.view()) == []


async def test_a_pod_that_is_chosen_again_gets_a_new_mark(cluster, marks):
    pod = cluster.add("a")
    for _ in range(2):
        mark = marks.wish([pod])
        await marks.write(cluster.view())
        assert cluster.noted("a") == (MARKED_COST, mark)
    assert len(cluster.patches) == 2


async def test_the_cost_that_somebody_else_gave_stays(cluster, marks):
    pod = cluster.add("a", cost="-7")
    mark = marks.wish([pod])
    await marks.write(cluster.view())
    assert cluster.noted("a") == ("-7", mark)
    marks.wish(())
    await marks.write(cluster.view())
    assert cluster.noted("a") == ("-7", None)


async def test_marks_that_an_earlier_leader_left_are_taken_away(cluster, marks):
    cluster.add("a", cost=MARKED_COST, mark="1 other")
    cluster.add("b", State.TERMINATING, cost=MARKED_COST, mark="1 other")
    await marks.write(cluster.view())
    assert cluster.noted("a") == (None, None)
    assert cluster.noted("b") == (MARKED_COST, "1 other"), "it is going: nobody asks any more"


async def test_a_mark_is_taken_away_before_it_was_seen(cluster, marks):
    pod = cluster.add("a")
    before = cluster.view()
    marks.wish([pod])
    await marks.write(before)
    marks.wish(())
    await marks.write(before)
    assert cluster.noted("a") == (None, None)


async def test_the_next_pod_of_that_name_is_not_marked(cluster, marks, caplog):
    pod, gone = cluster.add("a", uid="uid-of-a"), cluster.add("b")
    before = cluster.view()
    cluster.pods["a"]["metadata"]["uid"] = "another"
    del cluster.pods["b"]
    marks.wish([pod, gone])
    await marks.write(before)
    assert cluster.patches == []
    assert caplog.text == ""


@pytest.mark.parametrize("error", [refusal(403, "Forbidden"), httpx2.ConnectError("refused")])
async def test_what_cannot_be_written_is_told_and_tried_again_the_next_time(cluster, marks, error):
    pod = cluster.add("a")
    before = cluster.view()
    marks.wish([pod])
    await marks.write(before)
    cluster.fails = error
    marks.wish(())
    await marks.write(before)
    (problem,) = cluster.writes.problems()
    assert problem.startswith("kubernetes: marks of pods in namespace default: not written: ")
    cluster.fails = None
    await marks.write(before)
    assert list(cluster.writes.problems()) == []
    assert cluster.noted("a") == (None, None)


async def test_who_does_not_lead_writes_nothing(cluster, marks):
    cluster.leading = False
    marks.wish([cluster.add("a")])
    cluster.add("b", mark="1 other")
    await marks.write(cluster.view())
    assert cluster.patches == []


@pytest.mark.parametrize("number", [3, 2 * AT_ONCE])
async def test_some_at_once_and_in_the_order_of_wishes(cluster, number):
    """A write that hangs holds up the next one of that version, so that they cannot overtake each other."""
    running, most, gate = 0, 0, asyncio.Event()

    async def patch(kind, name, patch, **more):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        cluster.patches.append((name, patch["metadata"]["annotations"][MARK]))

    cluster.patch = patch
    pods = [cluster.add(f"p-{each}") for each in range(number)]
    marks = Marks(cluster.marker)
    mark = marks.wish(pods)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(marks.write(cluster.view()))
        await asyncio.sleep(0)
        marks.wish(())
        tasks.create_task(marks.write(cluster.view()))
        for _ in range(20):
            await asyncio.sleep(0)
        assert running == min(number, AT_ONCE)
        gate.set()
    assert most == min(number, AT_ONCE)
    assert [written for _, written in cluster.patches] == [mark] * len(pods) + [None] * len(pods)
