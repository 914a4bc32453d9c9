"""All workers as the control process sees them: what they are told, in which order, and what becomes of who leaves."""

import asyncio

import pytest

from router.core.leases import Bound, Demand, Lease
from router.model.spec import KeySource
from router.serving.crew import FLUSH_S, SILENT_S, Crew
from router.serving.messages import (
    Configure,
    Counted,
    Emptied,
    Expect,
    Forget,
    Holdings,
    InForce,
    IssuerKeys,
    Load,
    Loads,
    Place,
    QueuePart,
    Rose,
    Ship,
    Shipped,
    TermEnds,
    UnknownKey,
    Withdraw,
)
from router.telemetry.counters import EndpointMetrics
from router.telemetry.source import Clients
from tests.core.test_outside_tokens import EC256
from tests.fakes.tokens import key_document, public_jwk
from tests.serving.crew_stage import BLUE, GREEN, Stage

KINDS = ("local", "channel")
ISSUER = KeySource("https://id.example", None)
KEYS = key_document(public_jwk(EC256, "ec"))


@pytest.fixture
def stage():
    stage = Stage()
    yield stage
    stage.close()


def in_use(stage, replica="a", group=BLUE):
    return stage.crew.in_use(group, replica)


# -- who comes and goes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_who_comes_late_is_told_everything_in_force_before_its_first_lease(stage, kind):
    blue, green = stage.serve("blue", "green")
    blue.add("a", "127.0.0.1", 5001, None)
    blue.add("b", "127.0.0.1", 5002, None)
    blue.retire("b")
    green.expect(True)
    stage.crew.term_ends(2000.0)
    told = stage.join(kind).told
    kinds = [type(message) for message in told]
    assert kinds[:5] == [QueuePart, TermEnds, Configure, Place, Expect]
    assert told[1].at == 2000.0
    assert told[3].replica == "a"
    assert told[4] == Expect(GREEN, True)
    assert {type(message) for message in told[5:]} == {Lease}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_served_alike_over_both_links(stage, kind):
    worker = stage.join(kind)
    (blue,) = stage.serve("blue")
    blue.add("a", "127.0.0.1", 5001, None)
    stage.loop.run()
    first, second = worker.begin(), worker.begin()
    stage.loop.run(0.2)
    assert (first.slot is not None, second.slot) == (True, None)
    assert (blue.in_flight, blue.queued, blue.busy, blue.total, blue.held("a")) == (1, 1, 1, 1, 1)
    assert stage.rose == [BLUE]
    worker.end(first)
    assert second.slot is not None
    worker.end(second)
    blue.retire("a")
    stage.loop.run(1.0)
    assert worker.words(Emptied) == [Emptied(BLUE, "a", 1)]
    assert (blue.in_flight, blue.total, in_use(stage)) == (0, 0, 0)


def test_slots_of_who_has_gone_are_free_in_the_same_turn(stage):
    first, second = stage.join(), stage.join()
    (blue,) = stage.serve("blue")
    blue.add("a", "127.0.0.1", 5001, None)
    stage.loop.run()
    running = first.begin()
    stage.loop.run(0.2)
    waiting = second.begin()
    stage.loop.run(0.2)
    assert (running.slot is None, waiting.slot is None) == (False, True)
    first.leave()
    stage.loop.run()
    assert waiting.slot is not None


def test_who_has_gone_is_not_heard_any_more(stage):
    worker = stage.join()
    (blue,) = stage.serve("blue")
    stage.crew.left(worker.name)
    stage.crew.left(worker.name)
    stage.crew.heard(worker.name, Loads((Load(BLUE, queued=3),)))
    assert blue.queued == 0


def test_what_those_who_have_gone_counted_stays(stage):
    worker, other = stage.join(), stage.join()
    (blue,) = stage.serve("blue")
    stage.loop.run()
    worker.clients = Clients(5, 2, 1)
    other.clients = Clients(1, 0, 0)
    worker.lane().metrics.finished("answered", 200, 0.1, 0.1, 0.0, 0.0)
    worker.side.front.unrouted.finished("not_found", 404, 0.1)
    worker.begin()
    other.begin()
    stage.crew.tell(Ship(1))
    stage.loop.run()
    assert stage.crew.clients == Clients(6, 2, 1)
    offered, counted = blue.offered, blue.metrics.snapshot()
    worker.leave()
    assert stage.crew.clients == Clients(1, 2, 1)
    assert blue.offered == offered
    assert blue.metrics.snapshot() == counted
    assert counted.requests == {("answered", 200): 1}
    assert stage.crew.counted("").snapshot().requests == {("not_found", 404): 1}


def test_one_that_comes_under_a_name_that_was_there_before_counts_from_0_and_no_sum_falls(stage):
    ended = EndpointMetrics()
    ended.finished("not_found", 404, 0.1)
    for times in (1, 2):
        stage.crew.joined(SilentLink("0"))
        stage.crew.heard("0", Counted({}, {}, {"": ended.snapshot()}, Clients(0, 0, 0)))
        assert stage.crew.counted("").snapshot().requests == {("not_found", 404): times}
        stage.crew.left("0")


def test_a_replica_that_was_running_only_in_who_has_gone_is_empty(stage):
    worker = stage.join()
    (blue,) = stage.serve("blue")
    blue.add("a", "127.0.0.1", 5001, None)
    stage.loop.run()
    assert worker.begin().slot is not None
    blue.retire("a")
    stage.loop.run()
    assert "a" in blue._leaving
    worker.leave()
    assert "a" not in blue._leaving


# -- queue parts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 2, 7, 1000])
def test_the_parts_of_a_queue_are_the_whole_whoever_comes_and_goes(stage, length):
    stage.serve("blue", maxQueueLength=length)
    workers = [stage.join() for _ in range(3)]

    def parts(workers):
        stage.loop.run()
        return sum(worker.admission().limits.queue_length for worker in workers)

    assert parts(workers) == length
    workers[1].leave()
    assert parts([workers[0], workers[2]]) == length
    workers.append(stage.join())
    assert parts([workers[0], workers[2], workers[3]]) == length


def test_an_adopted_worker_has_its_part_of_the_queues_and_the_term(stage):
    stage.serve("blue")
    stage.crew.term_ends(2000.0)
    first, orphan = stage.join(), stage.worker()
    stage.crew.adopted(orphan.link, Holdings(()))
    stage.loop.run()
    assert first.heard(QueuePart)[-1] == QueuePart(0, 2)
    assert orphan.heard(QueuePart) == [QueuePart(1, 2)]
    assert orphan.heard(TermEnds) == [TermEnds(2000.0)]


def test_nothing_is_leased_before_all_who_were_left_behind_have_said_what_they_have(stage):
    """The first to be heard would get what the second is using."""
    (blue,) = stage.serve("blue", maxConcurrentRequestsPerReplica=16)
    blue.add("a", "127.0.0.1", 5001, None)
    first, second, newcomer = (stage.worker() for _ in range(3))
    stage.crew.awaits([first.name, second.name])
    stage.crew.adopted(first.link, Holdings((Bound(BLUE, "a", 7, 6),)))
    stage.crew.heard(first.name, Demand(BLUE, 20, 6))
    newcomer.join()
    stage.loop.run(30.0)
    assert first.heard(Lease) == newcomer.heard(Lease) == []
    stage.crew.adopted(second.link, Holdings((Bound(BLUE, "a", 9, 8),)))
    stage.loop.run()
    had = {first: 6, second: 8, newcomer: 0}
    more = [worker.heard(Lease)[0].limit - had[worker] for worker in had if worker.heard(Lease)]
    assert sum(more) == 16 - 6 - 8


def test_one_that_was_left_behind_and_dies_before_it_has_said_what_it_has_holds_nothing_back(stage):
    (blue,) = stage.serve("blue", maxConcurrentRequestsPerReplica=16)
    blue.add("a", "127.0.0.1", 5001, None)
    stage.crew.awaits(["gone"])
    worker = stage.join()
    assert not worker.heard(Lease)
    stage.crew.left("gone")
    stage.loop.run()
    assert worker.heard(Lease)[-1].limit == 16


# -- replicas that come back ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_slot_that_outlived_a_withdrawal_comes_back(stage, kind):
    """As of a fixed url whose probe fails once while it computes."""
    worker = stage.join(kind)
    (blue,) = stage.serve("blue")
    blue.add("a", "127.0.0.1", 5001, None)
    stage.loop.run()
    request = worker.begin()
    blue.retire("a")
    stage.loop.run()
    blue.add("a", "127.0.0.1", 5001, None)
    stage.loop.run()
    assert worker.begin().slot is None, "it has one slot, which is held"
    worker.end(request)
    stage.loop.run(3.0)
    assert in_use(stage) == 1, "leased anew"
    assert worker.admission().bound("a") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_replica_that_comes_back_in_the_same_turn_is_leased_again(stage, kind):
    worker = stage.join(kind)
    (blue,) = stage.serve("blue")
    for _ in range(3):
        blue.add("a", "127.0.0.1", 5001, None)
        blue.retire("a")
    blue.add("a", "127.0.0.1", 5001, None)
    stage.loop.run(3.0)
    assert worker.begin().slot is not None


def test_an_answer_to_an_earlier_withdrawal_does_not_count(stage):
    worker = stage.join()
    (blue,) = stage.serve("blue")
    blue.add("a", "127.0.0.1", 5001, None)
    stage.loop.run()
    worker.begin()
    blue.retire("a")
    blue.add("a", "127.0.0.1", 5001, None)
    blue.retire("a")
    stage.loop.run()
    stage.crew.heard(worker.name, Emptied(BLUE, "a", 1))
    assert "a" in blue._leaving


# -- versions of one name ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_that_comes_again_while_its_namesake_ends_is_another_group(stage, kind):
    worker = stage.join(kind)
    (old,) = stage.serve("blue")
    old.add("a", "127.0.0.1", 5001, None)
    stage.loop.run()
    request = worker.begin()
    (new,) = stage.serve("blue")
    assert (new.group, new.key) == (("digits", "blue~2"), BLUE)
    new.add("a", "127.0.0.1", 5001, None)
    stage.loop.run(0.2)
    assert worker.begin(new.group).slot is not None
    stage.loop.run(0.2)
    assert (old.in_flight, new.in_flight) == (1, 1)
    old.retire("a")
    stage.crew.drop(old)
    stage.loop.run()
    assert worker.heard(Forget) == [Forget(BLUE)]
    assert set(worker.side.front.lanes) == {new.group}
    worker.end(request)
    stage.loop.run(3.0)
    assert in_use(stage) == 0
    assert in_use(stage, group=new.group) == 1
    assert stage.crew.open("digits", "blue", 1).group == BLUE, "the name is free again"


@pytest.mark.parametrize("kind", KINDS)
def test_what_outlived_a_forgotten_version_is_not_taken_for_its_successor(stage, kind):
    worker = stage.join(kind)
    (old,) = stage.serve("blue")
    old.add("a", "127.0.0.1", 5001, None)
    stage.loop.run()
    worker.lane().metrics.finished("answered", 200, 0.1, 0.1, 0.0, 0.0)
    request = worker.begin()
    old.retire("a")
    stage.crew.drop(old)
    (new,) = stage.serve("blue")
    new.add("b", "127.0.0.1", 5002, None)
    stage.loop.run(0.2)
    own = worker.begin()
    stage.crew.tell(Ship(1))
    stage.loop.run(3.0)
    assert new.metrics.snapshot() is None
    assert (new.in_flight, new.offered.arrivals) == (1, 1)
    worker.end(request)
    stage.loop.run(3.0)
    assert new.metrics.snapshot() is None
    assert (new.in_flight, new.offered.arrivals) == (1, 1)
    worker.end(own)
    stage.loop.run(3.0)
    assert (new.in_flight, new.offered.arrivals) == (0, 1)
    assert in_use(stage, "a") == 0


def test_who_comes_while_a_version_ends_does_not_begin_an_endless_conversation(stage):
    """It has no such version, so it hands back at once what it is leased of it."""
    first, leaving = stage.join(), stage.join()
    old, green = stage.serve("blue", "green")
    for number in range(4):
        old.add(str(number), "127.0.0.1", 5001, None)
    stage.loop.run()
    stage.configure([green])
    last = stage.join()
    leaving.leave()
    stage.loop.run(1.0)
    assert len(last.words(Bound)) < 10
    requests = [first.begin() for _ in range(4)]
    stage.loop.run(0.1)
    assert all(request.slot for request in requests)


# -- fresh numbers ----------------------------------------------------------------------------------------------------


def test_numbers_are_as_old_as_the_word_of_the_most_silent_worker(stage):
    first, second = stage.join(), stage.join()
    stage.loop.now += SILENT_S
    assert stage.crew.heard_at(stage.loop.now) == stage.loop.now, "it may be silent for so long"
    begun = stage.loop.now - SILENT_S
    stage.crew.alive(first.name)
    stage.loop.now += 0.1
    assert stage.crew.heard_at(stage.loop.now) == begun
    stage.crew.left(second.name)
    assert stage.crew.heard_at(stage.loop.now) == stage.loop.now


def test_numbers_of_a_worker_in_this_process_are_never_old(stage):
    stage.join("local")
    (blue,) = stage.serve("blue")
    stage.loop.now += 100.0
    blue.refresh()
    assert blue.heard_at(stage.loop.now) == stage.loop.now


def test_routers_that_cannot_be_heard_are_counted(stage):
    class Upper:
        unheard = 2

    (blue,) = stage.serve("blue")
    assert blue.unheard == 0
    stage.crew.lease_from(Upper())
    assert blue.unheard == 2


def test_a_rise_of_load_is_passed_on_under_the_versions_own_name(stage):
    worker = stage.join()
    stage.serve("blue")
    (again,) = stage.serve("blue")
    stage.crew.heard(worker.name, Rose(again.group))
    stage.crew.heard(worker.name, Rose(("digits", "unknown")))
    assert stage.rose == [BLUE]


class SilentLink:
    def __init__(self, name):
        self.name, self.sent = name, []

    def send(self, message):
        self.sent.append(message)

    def refresh(self, group):
        return False


@pytest.fixture
async def crew():
    loop = asyncio.get_running_loop()
    crew = Crew(loop, loop.time, lambda _: None)
    crew.joined(SilentLink("0"))
    crew.joined(SilentLink("1"))
    yield crew
    crew.close()


@pytest.mark.parametrize(("ask", "answer"), [(Crew.ship, Shipped), (Crew.in_force, InForce)])
async def test_whoever_wants_to_know_waits_for_all_workers(crew, ask, answer):
    crew.configure(())
    asking = asyncio.get_running_loop().create_task(ask(crew))
    await asyncio.sleep(0)
    crew.heard("0", answer(1))
    crew.heard("1", answer(0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not asking.done()
    crew.heard("1", answer(1))
    await asyncio.wait_for(asking, FLUSH_S / 2)


@pytest.mark.parametrize(("ask", "answer"), [(Crew.ship, Shipped), (Crew.in_force, InForce)])
async def test_nobody_waits_for_a_worker_that_has_gone(crew, ask, answer):
    crew.configure(())
    asking = asyncio.get_running_loop().create_task(ask(crew))
    await asyncio.sleep(0)
    crew.heard("0", answer(1))
    for _ in range(5):
        await asyncio.sleep(0)
    crew.left("1")
    await asyncio.wait_for(asking, FLUSH_S / 2)


@pytest.mark.parametrize("ask", [Crew.ship, Crew.in_force])
async def test_a_worker_that_does_not_answer_is_not_waited_for_for_long(crew, ask):
    crew.configure(())
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.wait_for(ask(crew), 10 * FLUSH_S)
    assert loop.time() - begun >= FLUSH_S * 0.9


async def test_with_nobody_there_nobody_is_waited_for():
    loop = asyncio.get_running_loop()
    crew = Crew(loop, loop.time, lambda _: None)
    crew.configure(())
    await crew.in_force()
    await crew.ship()


def test_counts_of_what_is_not_served_any_more_are_dropped(stage):
    worker = stage.join()
    stage.crew.heard(worker.name, Counted({BLUE: None}, {BLUE: None}, {}, Clients(1, 0, 0)))
    assert stage.crew.clients == Clients(1, 0, 0)


def test_a_withdrawal_is_told_before_the_lease_that_ends_it(stage):
    worker = stage.join()
    (blue,) = stage.serve("blue")
    blue.add("a", "127.0.0.1", 5001, None)
    stage.loop.run()
    worker.begin()
    del worker.told[:]
    blue.retire("a")
    stage.loop.run()
    assert [type(message) for message in worker.told[:2]] == [Withdraw, Lease]
    assert worker.told[1].limit == 0


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_issuers_reach_every_worker_that_comes_and_unknown_ones_are_asked_for(stage, kind):
    other = KeySource("https://other.example", None)
    early = stage.join(kind)
    stage.crew.issuer_keys(ISSUER, KEYS)
    stage.crew.issuer_keys(other, KEYS)
    stage.crew.issuer_keys(other, None)
    stage.loop.run()
    late = stage.join(kind)
    assert early.heard(IssuerKeys)[0] == late.heard(IssuerKeys)[0] == IssuerKeys(ISSUER, KEYS)
    assert (len(early.heard(IssuerKeys)), len(late.heard(IssuerKeys))) == (3, 1)
    asked = []
    stage.crew.ask_for_keys(asked.append)
    late.side._say(UnknownKey(ISSUER))
    stage.loop.run()
    assert asked == [ISSUER]
