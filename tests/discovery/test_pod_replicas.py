import asyncio

import pytest

from router.discovery import pod_replicas
from router.discovery.parking import PARK_S
from router.discovery.pod import MARK, State
from router.discovery.selectors import Selector
from tests.discovery.stage import Stage
from tests.fakes.pods import manifest, seen

BLUE = Selector.parse("app=blue")


@pytest.fixture
async def stage():
    stage = Stage()
    stage.replicas.follow("default", BLUE, 5001)
    yield stage
    await stage.replicas.close()
    assert stage.roster.seats == {}
    assert not stage.roster.coming
    assert stage.loop.timers == []
    stage.put("late")
    assert stage.roster.seats == {}


async def test_the_life_of_a_pod(stage):
    stage.put("a", State.UNSCHEDULABLE, ip="")
    assert (stage.replicas.unready, stage.replicas.unschedulable) == (1, 1)
    stage.put("a", State.STARTING)
    assert (stage.replicas.unready, stage.replicas.unschedulable, stage.replicas.ready) == (1, 0, 0)
    stage.put("a", State.READY, ip="10.0.0.7")
    assert stage.roster.seats == {"a/uid-of-a": ("10.0.0.7", 5001, None)}
    assert stage.replicas.ready == 1
    stage.put("a", State.TERMINATING, ip="10.0.0.7")
    stage.remove("a")
    assert stage.replicas.ready == stage.replicas.unready == 0
    assert stage.roster.calls == [
        ("expect", True),
        ("add", "a/uid-of-a"),
        ("expect", False),
        ("retire", "a/uid-of-a"),
    ]


async def test_one_that_is_not_ready_any_more_is_expected_back(stage):
    stage.put("a")
    stage.put("a", State.STARTING)
    assert stage.roster.calls[-2:] == [("expect", True), ("retire", "a/uid-of-a")]
    stage.put("a", State.ENDED)
    assert stage.roster.calls[-1] == ("expect", False)


async def test_another_pod_of_the_same_name_is_another_replica(stage):
    stage.put("web-0", uid="first")
    stage.put("web-0", State.STARTING, uid="second")
    assert stage.roster.seats == {}
    stage.put("web-0", uid="second")
    assert list(stage.roster.seats) == ["web-0/second"]


async def test_more_are_asked_for_than_there_are(stage):
    stage.replicas.expecting(1)
    assert stage.roster.coming
    stage.put("a")
    assert not stage.roster.coming
    stage.replicas.expecting(2)
    assert stage.roster.coming
    stage.put("b", State.STARTING)
    stage.replicas.expecting(0)
    assert stage.roster.coming
    stage.remove("b")
    assert not stage.roster.coming


async def test_other_terms_hold_for_all_at_once(stage):
    stage.put("a")
    stage.replicas.follow("default", BLUE, 5002, "terms")
    assert stage.roster.seats == {"a/uid-of-a": ("10.0.0.1", 5002, "terms")}
    calls = len(stage.roster.calls)
    stage.replicas.follow("default", BLUE, 5002, "terms")
    assert len(stage.roster.calls) == calls


async def test_another_selector_leaves_alone_what_is_in_both(stage):
    stage.put("a")
    stage.put("b")
    stage.put("c", app="green")
    assert stage.names == ["a", "b"]
    calls = len(stage.roster.calls)
    stage.api.pods["b"]["metadata"]["labels"] = {"app": "blue", "tier": "x"}
    stage.tell("b")
    stage.replicas.follow("default", Selector.parse("tier=x"), 5001)
    assert stage.names == ["b"]
    assert stage.roster.calls[calls:] == [("retire", "a/uid-of-a")]
    stage.put("a")
    assert stage.names == ["b"], "nobody listens to the old choice"


async def test_those_of_another_selector_take_over_one_by_one(stage):
    for name in "abc":
        stage.put(name)
    stage.replicas.expecting(2)
    stage.put("x", State.STARTING, app="green")
    stage.replicas.follow("default", Selector.parse("app=green"), 5002)
    assert len(stage.names) == 2, "as many as are asked for"
    assert {seat[1] for seat in stage.roster.seats.values()} == {5001}
    assert (stage.replicas.ready, stage.replicas.unready) == (0, 1)
    stage.put("x", app="green")
    assert len(stage.names) == 2
    assert "x" in stage.names
    stage.put("y", app="green")
    assert stage.names == ["x", "y"]
    stage.put("a")
    stage.remove("y")
    assert stage.names == ["x"], "who went comes back no more"


async def test_who_is_to_be_relieved_may_end_before(stage):
    stage.put("a")
    stage.put("b")
    stage.replicas.expecting(2)
    stage.replicas.follow("default", Selector.parse("app=green"), 5002)
    stage.put("a", State.TERMINATING)
    assert stage.names == ["b"]
    stage.remove("b")
    assert stage.names == []


@pytest.mark.parametrize("selector", [None, Selector.parse("")])
async def test_no_selector_no_replicas(stage, selector):
    stage.put("a")
    stage.replicas.follow("default", selector, 5001)
    assert stage.names == []
    stage.replicas.follow("elsewhere", BLUE, 5001)
    assert stage.names == []
    stage.replicas.follow("default", BLUE, 5001)
    assert stage.names == ["a"]


async def test_before_a_shrink_those_that_are_missed_least_get_no_new_request_and_are_marked(stage):
    for name in ("busy", "idle", "some"):
        stage.put(name)
    stage.put("starting", State.STARTING)
    stage.roster.requests = {"busy/uid-of-busy": 3, "some/uid-of-some": 1}
    await stage.replicas.prepare_shrink(2)
    assert (stage.names, stage.marked) == (["busy", "some"], ["idle", "starting"])
    assert stage.replicas.ready == 3
    stage.tell("idle")
    stage.put("starting", State.READY)
    assert stage.names == ["busy", "some"], "one that gets ready only now is to go as well"
    stage.put("idle", State.TERMINATING)
    stage.remove("idle")
    stage.remove("starting")
    stage.loop.pass_time(PARK_S)
    assert stage.names == ["busy", "some"]


async def test_a_parked_pod_may_come_back_so_waiting_makes_sense(stage):
    stage.put("a")
    await stage.replicas.prepare_shrink(0)
    assert stage.roster.calls[-2:] == [("expect", True), ("retire", "a/uid-of-a")]
    stage.put("a", State.TERMINATING)
    assert not stage.roster.coming


async def test_a_shrink_that_does_not_happen(stage):
    stage.put("a")
    stage.put("b")
    await stage.replicas.prepare_shrink(1)
    assert len(stage.names) == len(stage.marked) == 1
    stage.loop.pass_time(PARK_S - 0.1)
    assert len(stage.names) == 1
    stage.loop.pass_time(0.1)
    assert stage.names == ["a", "b"]
    await erased(stage)


async def test_a_shrink_that_is_called_off(stage):
    stage.put("a")
    await stage.replicas.prepare_shrink(0)
    stage.replicas.cancel_shrink()
    assert stage.names == ["a"], "at once"
    await erased(stage)
    stage.board.put(seen(manifest("a", labels={"app": "blue"}, mark="2026 me")))
    assert stage.names == ["a"], "our own mark, seen late, parks nothing"
    stage.tell("a")
    tasks = asyncio.all_tasks()
    stage.replicas.cancel_shrink()
    assert asyncio.all_tasks() == tasks, "there was nothing to call off"


async def test_a_shrink_after_another_chooses_anew(stage):
    for name in "abc":
        stage.put(name)
    stage.roster.requests = {"a/uid-of-a": 1, "b/uid-of-b": 1}
    await stage.replicas.prepare_shrink(2)
    assert stage.marked == ["c"]
    stage.roster.requests = {"b/uid-of-b": 1, "c/uid-of-c": 1}
    await stage.replicas.prepare_shrink(2)
    assert (stage.names, stage.marked) == (["b", "c"], ["a"])


async def test_the_mark_of_the_leader_parks_in_every_router(stage):
    stage.put("a")
    stage.put("b")
    stage.put("a", mark="1 leader")
    assert stage.names == ["b"]
    stage.loop.pass_time(PARK_S)
    assert stage.names == ["a", "b"]
    stage.put("b", mark="2 leader")
    assert stage.names == ["a"]
    del stage.api.pods["b"]["metadata"]["annotations"][MARK]
    stage.tell("b")
    assert stage.names == ["a", "b"]


async def test_each_parked_pod_comes_back_in_its_time(stage):
    stage.put("a", mark="1 leader")
    stage.loop.pass_time(PARK_S / 2)
    stage.put("b", mark="1 leader")
    assert stage.names == []
    stage.loop.pass_time(PARK_S / 2)
    assert stage.names == ["a"]
    stage.loop.pass_time(PARK_S / 2)
    assert stage.names == ["a", "b"]


async def test_a_marked_pod_that_gets_ready_only_now_is_parked_as_well(stage):
    stage.put("a", State.STARTING, mark="1 leader")
    stage.put("a", State.READY)
    assert stage.names == []
    stage.loop.pass_time(PARK_S)
    assert stage.names == ["a"]


async def test_an_old_mark_that_is_met_with_another_selector_is_no_news(stage):
    stage.put("a", mark="1 leader")
    stage.loop.pass_time(PARK_S)
    assert stage.names == ["a"]
    stage.replicas.follow("default", Selector.parse("app"), 5001)
    assert stage.names == ["a"]


async def test_a_server_that_does_not_answer_holds_up_no_shrink(stage, monkeypatch, caplog):
    monkeypatch.setattr(pod_replicas, "MARK_S", 0.01)
    monkeypatch.setattr(stage.api, "patch", lambda *_, **__: asyncio.Event().wait())
    stage.put("a")
    await stage.replicas.prepare_shrink(0)
    assert stage.names == []
    assert "shrinking all the same" in caplog.text


async def erased(stage: Stage) -> None:
    async with asyncio.timeout(5):
        while stage.marked:
            await asyncio.sleep(0)
