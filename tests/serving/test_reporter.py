"""Status and Events: what is written when, with clock, API server and endpoints under control."""

import asyncio
import itertools
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import httpx2
import pytest

from router.kube.writes import Writes
from router.serving.conditions import turns
from router.serving.reporter import LOOK_S, NUMBERS_S, PACE_S, PAUSE_S, STRETCH, StatusReporter
from router.serving.status import EndpointView, VersionView, WorkloadView, status
from tests.fakes.pods import refusal

KEY = ("default", "digits")
BLUE = VersionView("blue", traffic=100.0, ready=2, desired=2, busy=0)
IDLE = EndpointView(generation=1, versions=(BLUE,), default_version="blue")
WALL = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class World:
    """The board, the API server and the clock, in one."""

    def __init__(self) -> None:
        self.views: dict[tuple[str, str], EndpointView] = {KEY: IDLE}
        self.uids = {KEY: "uid-1"}
        self.stands: dict[tuple[str, str], dict] = {}
        self.writes: list[tuple[tuple[str, str], dict]] = []
        self.told: list[str] = []
        self.ledger = Writes()
        self.away = False
        self.now = 0.0
        self.until = 0.0
        self.pauses: list[float] = []
        self.looked = asyncio.Event()

    def reported(self):
        return list(self.uids)

    def uid(self, key):
        return self.uids.get(key)

    def mark(self, key):
        return self.views[key]

    def view(self, key, now):
        return self.views[key]

    def standing(self, key):
        return self.stands.get(key, {})

    async def patch(self, key, said):
        if self.away:
            raise httpx2.ConnectError("connection refused")
        self.writes.append((key, said))

    def tell(self, key, reason, message, *, warning=False):
        self.told.append(reason)

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        if self.now >= self.until:
            self.looked.set()
            await asyncio.Event().wait()
        self.now += seconds

    async def run(self, seconds: float = 0.0, reporter: StatusReporter | None = None) -> StatusReporter:
        """A term that lasts for so long."""
        reporter = reporter or StatusReporter(
            self,
            self.patch,
            writes=self.ledger,
            tell=self.tell,
            now=lambda: self.now,
            wall=lambda: WALL,
            sleep=self.sleep,
        )
        self.until = self.now + seconds
        self.looked.clear()
        task = asyncio.get_running_loop().create_task(reporter.run())
        await asyncio.wait_for(self.looked.wait(), 5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return reporter


@pytest.fixture
def world():
    return World()


async def test_a_resource_without_a_status_gets_one_and_is_then_left_alone(world):
    await world.run(60)
    assert [key for key, _ in world.writes] == [KEY]
    assert world.writes[0][1]["ready"] == "2/2"
    assert world.told == []


async def test_what_stands_there_already_is_not_written_again_by_a_new_leader(world):
    world.stands[KEY] = status(IDLE, (), WALL)
    await world.run(60)
    assert world.writes == []


async def test_nor_of_one_that_never_was_in_force(world):
    world.views[KEY] = EndpointView(generation=1, problems=("bad",))
    said = status(world.views[KEY], (), WALL)
    world.stands[KEY] = {key: value for key, value in said.items() if value is not None}
    await world.run(60)
    assert world.writes == []


async def test_a_status_that_is_refused_holds_up_no_other(world):
    """By the schema of an older definition, say. It is tried again, but not at each look."""
    other, attempts = ("default", "other"), []
    world.uids[other], world.views[other] = "uid-2", IDLE
    write = world.patch

    async def patch(key, said):
        if key == KEY:
            attempts.append(world.now)
            raise refusal(422, "Invalid")
        await write(key, said)

    world.patch = patch
    await world.run(2 * NUMBERS_S)
    assert [key for key, _ in world.writes] == [other]
    assert PAUSE_S not in world.pauses
    assert attempts == [0, NUMBERS_S, 2 * NUMBERS_S]


async def test_a_resource_that_was_made_anew_gets_a_status_of_its_own(world):
    reporter = await world.run()
    world.uids[KEY] = "uid-2"
    await world.run(0, reporter)
    assert len(world.writes) == 2


@pytest.mark.parametrize(
    "change",
    [{"ready": 1}, {"desired": 3}, {"traffic": 50.0}, {"workload": WorkloadView(hpa="cpu")}],
)
async def test_what_matters_is_written_at_the_next_look(world, change):
    looked = world.sleep

    async def sleep(seconds):
        world.views[KEY] = replace(IDLE, versions=(replace(BLUE, **change),))
        await looked(seconds)

    world.sleep = sleep
    await world.run(LOOK_S)
    assert len(world.writes) == 2


async def test_numbers_are_written_now_and_then(world):
    looked, busy = world.sleep, iter(range(1000))

    async def sleep(seconds):
        world.views[KEY] = replace(IDLE, rps=next(busy), versions=(replace(BLUE, busy=next(busy)),))
        await looked(seconds)

    world.sleep = sleep
    await world.run(4 * NUMBERS_S)
    assert 4 <= len(world.writes) <= 6


async def test_numbers_go_back_to_zero_though_nothing_happens_any_more(world):
    world.views[KEY] = replace(IDLE, rps=9.0)
    world.mark = lambda key: "the same"
    looked = world.sleep

    async def sleep(seconds):
        if world.writes:
            world.views[KEY] = IDLE
        await looked(seconds)

    world.sleep = sleep
    await world.run(2 * NUMBERS_S)
    assert [said["rps"] for _, said in world.writes] == ["9.0", "0.0"]


async def test_an_api_server_that_is_away_is_asked_now_and_then_and_nothing_is_lost(world):
    world.uids |= {("default", f"e{n}"): f"uid-{n}" for n in range(99)}
    world.views |= dict.fromkeys(world.uids, IDLE)
    world.away = True
    asked = 0
    patch = world.patch

    async def counting(key, said):
        nonlocal asked
        asked += 1
        await patch(key, said)

    world.patch = counting
    looked = world.sleep

    async def sleep(seconds):
        world.away = len(world.pauses) < 3
        await looked(seconds)

    world.sleep = sleep
    await world.run(4 * PAUSE_S)
    assert asked <= 101 + 4 * 8
    assert {key for key, _ in world.writes} == world.uids.keys()


async def test_many_are_looked_at_in_stretches_and_none_is_left_out(world):
    world.uids |= {("default", f"e{n}"): f"uid-{n}" for n in range(7 * STRETCH)}
    world.views |= dict.fromkeys(world.uids, IDLE)
    looks = []
    mark = world.mark

    def marked(key):
        looks.append(world.now)
        return mark(key)

    world.mark = marked
    await world.run(9 * PACE_S)
    assert sorted(key for key, _ in world.writes) == sorted(world.uids)
    assert max(Counter(looks).values()) <= STRETCH
    assert world.pauses == pytest.approx([PACE_S] * len(world.pauses))


async def test_a_few_hundred_are_looked_at_every_half_second(world):
    world.uids |= {("default", f"e{n}"): f"uid-{n}" for n in range(2 * STRETCH)}
    world.views |= dict.fromkeys(world.uids, IDLE)
    await world.run(LOOK_S)
    assert world.pauses[:3] == pytest.approx([LOOK_S / 3] * 3)


async def test_a_resource_that_goes_while_the_others_are_looked_at(world):
    world.uids |= {("default", f"e{n}"): f"uid-{n}" for n in range(STRETCH)}
    world.views |= dict.fromkeys(world.uids, IDLE)
    last = list(world.uids)[-1]
    looked = world.sleep

    async def sleep(seconds):
        world.uids.pop(last, None)
        await looked(seconds)

    world.sleep = sleep
    await world.run(LOOK_S)
    assert sorted(key for key, _ in world.writes) == sorted(world.uids)


async def test_nothing_is_said_before_the_workloads_are_known(world):
    world.stands[KEY] = status(IDLE, (), WALL)
    world.views[KEY] = replace(IDLE, versions=(replace(BLUE, ready=0, workload=WorkloadView(pending=True)),))
    looked = world.sleep

    async def sleep(seconds):
        if len(world.pauses) == 2:
            world.views[KEY] = IDLE
        await looked(seconds)

    world.sleep = sleep
    await world.run(10)
    assert (world.writes, world.told) == ([], [])


def test_conditions_that_turn_are_told():
    full = replace(IDLE, versions=(replace(BLUE, workload=WorkloadView(unschedulable=2)),))
    fuller = replace(IDLE, versions=(replace(BLUE, workload=WorkloadView(unschedulable=3)),))
    conditions = [status(view, (), WALL)["conditions"] for view in (IDLE, full, fuller, IDLE)]
    told = [[turn.reason for turn in turns(*pair)] for pair in itertools.pairwise(conditions)]
    assert told == [["ClusterFull"], [], ["ClusterHasRoom"]]


def test_of_a_new_resource_only_what_is_wrong_is_told():
    starting = replace(IDLE, versions=(replace(BLUE, ready=0, workload=WorkloadView(hpa="cpu")),))
    assert [(turn.reason, turn.warning) for turn in turns((), status(starting, (), WALL)["conditions"])] == [
        ("NotReady", True),
        ("HpaConflict", True),
    ]
    assert not list(turns((), status(IDLE, (), WALL)["conditions"]))
