"""One workload's scale: what is written under which version, and what becomes of sizes that others set."""

import asyncio

import httpx2
import pytest
from lightkube.resources.apps_v1 import Deployment

from autoscaler.errors import HeldBack, NotLeading, ScaleFailed, Why
from autoscaler.targets.scale_subresource import CONFLICTS, Edition, ScaleSubresource
from tests.fakes.scale import SILENCE, FakeScale, forbidden, refusal


class Watched:
    """A scale with the watch that keeps it up to date, by hand."""

    def __init__(self, replicas=3):
        self.server = FakeScale(replicas)
        self.leading = True
        self.told = []
        self.scale = ScaleSubresource(
            self.server,
            Deployment.Scale,
            "web",
            "blue",
            called="Deployment web/blue",
            may_write=lambda: self.leading,
            foreign=lambda before, after: self.told.append((before, after)),
        )
        self.server.status_changes()

    def deliver(self):
        """All that has happened so far."""
        while self.server.events:
            event = self.server.events.popleft()
            self.scale.seen(*event) if event else self.scale.gone()

    async def catch_up(self):
        self.deliver()
        while self.scale.stale:
            await self.scale.read()


@pytest.fixture
async def watched():
    watched = Watched()
    await watched.catch_up()
    watched.server.calls.clear()
    return watched


async def test_nothing_is_known_before_it_was_read():
    watched = Watched(replicas=3)
    assert (watched.scale.known, watched.scale.stale, watched.scale.current()) == (False, False, 0)
    await watched.catch_up()
    assert (watched.scale.known, watched.scale.current(), watched.scale.selector) == (True, 3, "app=blue")
    assert watched.told == []
    assert repr(watched.scale) == "<ScaleSubresource Deployment web/blue replicas=3 version=101>"


async def test_a_size_is_written_under_the_version_that_is_known(watched):
    await watched.scale.scale(5)
    assert (watched.server.replicas, watched.scale.current(), watched.server.calls) == (5, 5, ["put 5"])


async def test_zero_is_a_size(watched):
    await watched.scale.scale(0)
    watched.server.status_changes()
    await watched.catch_up()
    assert (watched.server.replicas, watched.scale.current()) == (0, 0)


async def test_the_size_that_it_has_is_not_written(watched):
    await watched.scale.scale(3)
    assert watched.server.calls == []


@pytest.mark.parametrize("told_first", [True, False])
async def test_our_own_write_is_not_read_again(watched, told_first):
    if told_first:  # by the watch, before the answer arrives

        async def gate():
            watched.deliver()

        watched.server.gate = gate
    await watched.scale.scale(5)
    await watched.catch_up()
    for _ in range(10):
        watched.server.status_changes()
    await watched.catch_up()
    assert (watched.server.calls, watched.told) == (["put 5"], [])


async def test_changes_of_the_status_cost_neither_a_read_nor_a_conflict(watched):
    for size in (4, 5, 6):
        for _ in range(3):
            watched.server.status_changes()
        await watched.catch_up()
        await watched.scale.scale(size)
    assert watched.server.calls == ["put 4", "put 5", "put 6"]


async def test_a_status_that_is_newer_than_the_watch_is_a_conflict_and_the_write_is_made_again(watched):
    watched.server.status_changes()
    await watched.scale.scale(5)
    assert watched.server.calls == ["put 5", "get", "put 5"]
    assert (watched.server.replicas, watched.told) == (5, [])


async def test_a_foreign_size_is_adopted_when_the_watch_tells_of_it(watched):
    watched.server.set_by_others(9)
    await watched.catch_up()
    assert (watched.scale.current(), watched.told, watched.server.calls) == (9, [(3, 9)], ["get"])


async def test_a_foreign_size_that_a_write_meets_is_adopted_and_stands(watched):
    watched.server.set_by_others(9)
    await watched.scale.scale(5)
    assert (watched.server.replicas, watched.scale.current(), watched.told) == (9, 9, [(3, 9)])
    await watched.scale.scale(5)  # whoever decides has seen the 9, and wants 5 all the same
    assert (watched.server.replicas, watched.server.calls) == (5, ["put 5", "get", "put 5"])
    await watched.catch_up()
    assert watched.told == [(3, 9)]


async def test_other_changes_of_the_specification_are_no_foreign_size(watched):
    watched.server.generation += 1
    watched.server.status_changes()
    await watched.catch_up()
    assert (watched.server.calls, watched.told, watched.scale.current()) == (["get"], [], 3)


async def test_conflicts_without_end_are_given_up(watched):
    async def gate():
        watched.server.status_changes()

    watched.server.gate = gate
    with pytest.raises(ScaleFailed, match="changes too fast: 5 writes in a row") as failed:
        await watched.scale.scale(5)
    assert failed.value.why is Why.NO_ANSWER
    assert watched.server.calls.count("put 5") == CONFLICTS


async def test_nothing_is_written_without_the_lead(watched):
    watched.leading = False
    with pytest.raises(NotLeading) as held:
        await watched.scale.scale(5)
    assert isinstance(held.value, HeldBack)
    assert watched.server.calls == []


async def test_the_lead_is_asked_again_before_a_write_is_made_again(watched):
    watched.server.status_changes()

    async def gate():
        watched.leading = False

    watched.server.gate = gate
    with pytest.raises(NotLeading):
        await watched.scale.scale(5)
    assert watched.server.calls == ["put 5", "get"]


async def test_what_was_decided_without_knowing_the_size_is_not_written():
    watched = Watched(replicas=12)
    await watched.scale.scale(1)
    assert (watched.server.calls, watched.scale.current(), watched.told) == (["get"], 12, [])


async def test_a_status_of_before_our_write_that_is_told_after_it_costs_no_conflict(watched):
    watched.server.status_changes()
    watched.server.status_changes()
    late = watched.server.events.popleft()
    watched.deliver()
    await watched.scale.scale(5)
    watched.scale.seen(*late)
    await watched.scale.scale(6)
    assert watched.server.calls == ["put 5", "put 6"]


async def test_a_read_that_is_under_way_is_waited_for(watched):
    """Its answer would otherwise come after that of the write, be older, and look like a foreign size."""
    gates = [asyncio.Event() for _ in range(4)]
    passed = iter(gates)

    async def gate():
        await next(passed).wait()

    watched.server.gate = gate
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watched.scale.read())
        await asyncio.sleep(0)
        gates[0].set()  # it has seen the 3
        tasks.create_task(watched.scale.scale(5))
        await asyncio.sleep(0)
        for one in (*gates[2:], gates[1]):
            one.set()
    assert (watched.scale.current(), watched.told, watched.server.calls) == (5, [], ["get", "put 5"])


# Writes that nobody answers


async def test_a_write_that_was_made_without_an_answer_is_ours(watched):
    with pytest.raises(ScaleFailed, match="does not answer in time"):
        await lose_the_answer(watched, 5)
    assert watched.server.replicas == 5
    await watched.catch_up()
    assert (watched.scale.current(), watched.told) == (5, [])


async def test_a_write_that_the_watch_tells_of_and_nobody_answers_is_to_be_read(watched):
    with pytest.raises(ScaleFailed):
        await lose_the_answer(watched, 5, meanwhile=watched.deliver)
    assert watched.scale.stale
    await watched.catch_up()
    assert (watched.scale.current(), watched.told) == (5, [])


async def test_a_write_that_was_made_without_an_answer_is_found_by_the_next_try(watched):
    with pytest.raises(ScaleFailed):
        await lose_the_answer(watched, 5)
    await watched.scale.scale(5)
    assert (watched.server.calls, watched.scale.current(), watched.told) == (["put 5", "put 5", "get"], 5, [])


async def test_a_write_that_is_cancelled_may_be_made_and_is_ours(watched):
    never = asyncio.Event()
    watched.server.gate = never.wait
    writing = asyncio.get_running_loop().create_task(watched.scale.scale(5))
    while not watched.server.calls:
        await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    del watched.server.gate
    watched.server.act(watched.server.late.popleft())
    await watched.catch_up()
    assert (watched.scale.current(), watched.told) == (5, [])


async def test_the_size_of_a_write_that_can_no_longer_be_made_is_foreign(watched):
    watched.server.faults.append(SILENCE)
    with pytest.raises(ScaleFailed):
        await watched.scale.scale(5)
    watched.server.set_by_others(4)  # the version that the write was for is gone
    await watched.catch_up()
    watched.server.set_by_others(5)
    await watched.catch_up()
    assert watched.told == [(3, 4), (4, 5)]


async def lose_the_answer(watched, replicas, meanwhile=lambda: None):
    """The write is made, and the connection breaks."""
    turns = 0

    async def gate():
        nonlocal turns
        turns += 1
        if turns == 2:
            meanwhile()
            raise SILENCE

    watched.server.gate = gate
    try:
        await watched.scale.scale(replicas)
    finally:
        del watched.server.gate


# Objects that come and go


async def test_an_object_that_is_gone_is_not_known_and_another_one_is_found_not_foreign(watched):
    watched.server.delete()
    watched.deliver()
    assert (watched.scale.known, watched.scale.stale, watched.scale.current()) == (False, False, 3)
    watched.server.create(8)
    await watched.catch_up()
    assert (watched.scale.known, watched.scale.current(), watched.told) == (True, 8, [])


async def test_an_object_that_was_replaced_while_nobody_looked_is_another_one(watched):
    watched.server.delete()
    watched.server.create(8)
    watched.server.events.clear()
    watched.scale.seen(watched.server.edition, str(watched.server.version))
    assert not watched.scale.known
    await watched.catch_up()
    assert (watched.scale.current(), watched.told) == (8, [])


@pytest.mark.parametrize("call", ["read", "scale"])
async def test_an_answer_that_comes_after_the_end_says_nothing(watched, call):
    turns = 0

    async def gate():
        nonlocal turns
        turns += 1
        if turns == 2:
            watched.server.delete()
            watched.deliver()

    watched.server.gate = gate
    await (watched.scale.read() if call == "read" else watched.scale.scale(5))
    assert (watched.scale.known, watched.scale.stale) == (False, False)


async def test_a_selector_that_is_missing_is_looked_for_with_each_change(watched):
    watched = Watched()
    watched.server.selector = ""
    await watched.catch_up()
    assert (watched.scale.known, watched.scale.selector) == (True, "")
    watched.server.status_changes()
    await watched.catch_up()
    watched.server.selector = "app=late"
    watched.server.status_changes()
    await watched.catch_up()
    assert watched.scale.selector == "app=late"
    watched.server.status_changes()
    await watched.catch_up()
    assert watched.server.calls == ["get"] * 3


async def test_a_read_that_failed_is_still_due(watched):
    watched.server.set_by_others(9)
    watched.server.faults.append(SILENCE)
    watched.deliver()
    with pytest.raises(ScaleFailed):
        await watched.scale.read()
    assert watched.scale.stale
    await watched.catch_up()
    assert watched.scale.current() == 9


def test_kinds_without_a_generation_have_a_new_edition_with_each_version():
    assert Edition.of("u", 7, "9") == ("u", "7")
    assert Edition.of("u", None, "9") == ("u", "9")


# Words

RULE = "its role lacks the rule apiGroups [apps], resources [deployments/scale], verbs [update]"


@pytest.mark.parametrize(
    ("error", "words", "why"),
    [
        (forbidden("update"), f"the router may not update deployments/scale in API group apps: {RULE}", Why.REFUSED),
        (forbidden("update", ""), 'apiGroups [""], resources', Why.REFUSED),
        (refusal(403, "exceeded quota: pods, requested: pods=2"), "exceeded quota: pods", Why.QUOTA_EXCEEDED),
        (refusal(403, "maximum cpu usage per Pod is 1, but limit is 2."), "maximum cpu usage", Why.QUOTA_EXCEEDED),
        (refusal(403, 'admission webhook "w" denied the request: no'), 'refused: admission webhook "w"', Why.REFUSED),
        (refusal(422, "spec.replicas: Invalid value"), "refused: spec.replicas: Invalid value", Why.REFUSED),
        (refusal(404, "not found", "NotFound", name="blue"), "web/blue does not exist", Why.NOT_FOUND),
        (refusal(404, "the server could not find the requested resource"), "has no scale", Why.NOT_FOUND),
        (refusal(500, "etcdserver: leader changed"), "answers: etcdserver: leader changed", Why.NO_ANSWER),
        (refusal(429, "too many requests"), "answers: too many requests", Why.NO_ANSWER),
        (httpx2.ConnectError("refused"), "cannot be asked: refused", Why.NO_ANSWER),
        (ConnectionResetError(), "cannot be asked: ConnectionResetError", Why.NO_ANSWER),
        (SILENCE, "does not answer in time", Why.NO_ANSWER),
        (
            httpx2.HTTPStatusError("", request=None, response=httpx2.Response(502)),
            "answers with HTTP status 502",
            Why.NO_ANSWER,
        ),
    ],
)
async def test_a_refusal_says_what_stands_in_the_way(watched, error, words, why):
    watched.server.faults.append(error)
    with pytest.raises(ScaleFailed) as failed:
        await watched.scale.scale(5)
    assert words in str(failed.value)
    assert str(failed.value).startswith("Deployment web/blue")
    assert (failed.value.why, watched.scale.current()) == (why, 3)
