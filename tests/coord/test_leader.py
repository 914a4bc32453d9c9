"""The election's shell against a clock that the test moves and a Lease whose calls hang, fail and lose answers."""

import asyncio
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from router.coord.election import FREE, Record
from router.coord.handshake import MAX_NAME_BYTES
from router.coord.identity import identity_of, pod_of, pod_uid_of
from router.coord.leader import Leader
from tests.fakes.clock import FakeClock
from tests.fakes.lease import FakeLease, LeaseStore, fail, hang, straight


@pytest.fixture
def clock():
    return FakeClock(start=100.0)


@pytest.fixture
def store():
    store = LeaseStore()
    store.put(Record(FREE))
    return store


class Candidate:
    """A Leader, its port, and what it said, when."""

    def __init__(self, store, clock, name):
        self.lease = FakeLease(store)
        self.said = []
        self.drawn = 0.0
        self.clock = clock
        self.stopped_s = 0.0
        """Time that passed while this process did not run: no timer of it has fired in it."""
        self.leader = Leader(
            self.lease,
            name,
            lambda leading: self.said.append((self.now(), leading)),
            now=self.now,
            sleep=clock.sleep,
            draw=lambda: self.drawn,
        )

    def now(self):
        return self.clock.now() + self.stopped_s


@asynccontextmanager
async def running(clock, *candidates):
    tasks = [asyncio.get_running_loop().create_task(candidate.leader.run()) for candidate in candidates]
    await clock.settle()
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_one_leads_and_renews_and_the_other_looks_on(clock, store):
    one, other = Candidate(store, clock, "one"), Candidate(store, clock, "other")
    async with running(clock, one, other):
        await clock.advance(60.0)
        assert (one.leader.leading, other.leader.leading) == (True, False)
        assert one.said == [(100.0, True)]
        assert one.lease.calls == ["read", *["write one"] * 61]
        assert set(other.lease.calls[1:]) <= {"read", "write other"}
        assert other.lease.calls.count("write other") <= 1  # the race at the start
        assert (one.leader.transitions, other.leader.transitions) == (1, 1)
    assert one.said == [(100.0, True), (160.0, False)]


async def test_a_killed_leader_is_replaced_when_the_duration_is_over(clock, store):
    one, other = Candidate(store, clock, "one"), Candidate(store, clock, "other")
    async with running(clock, one), running(clock, other):
        await clock.advance(10.0)
        one.lease.way = hang
        await clock.advance(5.0)
        assert other.leader.leading
        assert other.leader.transitions == 2
        ((lost, _),) = one.said[1:]
        assert lost < other.said[0][0] <= 110.0 + 4.75


@pytest.mark.parametrize("fault", [hang, fail])
async def test_a_loss_by_deadline_is_told_when_it_comes_whatever_the_api_server_does(clock, store, fault):
    one = Candidate(store, clock, "one")
    one.drawn = 0.5  # so that no call ends in the moment of the deadline
    async with running(clock, one):
        await clock.advance(0.5)
        one.lease.way = fault
        await clock.advance(2.4)
        assert one.leader.leading
        await clock.advance(0.2)
        assert not one.leader.leading
        assert one.said == [(100.0, True), (103.0, False)]


async def test_leadership_is_kept_over_a_call_that_hangs(clock, store):
    one = Candidate(store, clock, "one")
    async with running(clock, one):
        await clock.advance(0.5)
        one.lease.way = hang
        await clock.advance(1.4)
        one.lease.way = straight
        await clock.advance(10.0)
        assert one.said == [(100.0, True)]
        assert one.lease.calls[:5] == ["read", "write one", "write one", "read", "write one"]


async def test_a_renewal_that_was_made_but_not_answered_is_found(clock, store):
    one = Candidate(store, clock, "one")
    async with running(clock, one):
        one.lease.way_back = hang
        await clock.advance(1.9)
        one.lease.way_back = straight
        await clock.advance(10.0)
        assert one.said == [(100.0, True)]


async def test_one_that_was_stopped_leads_no_more_at_once_and_says_so_before_it_writes(clock, store):
    one = Candidate(store, clock, "one")

    async def note():
        one.said.append(one.lease.calls[-1])

    async with running(clock, one):
        one.lease.way = note
        one.stopped_s = 10.0
        assert not one.leader.leading
        await clock.advance(1.0)
        assert one.said == [(100.0, True), (111.0, False), "write one", (111.0, True)]


async def test_a_term_that_ended_during_the_call_that_begins_the_next_is_told_as_two(clock, store):
    one = Candidate(store, clock, "one")

    async def stopped_meanwhile():
        one.stopped_s = 2.5  # past the old term, within the new one

    async with running(clock, one):
        await clock.advance(0.5)
        one.lease.way_back = stopped_meanwhile
        await clock.advance(0.5)
        one.lease.way_back = straight
        await clock.advance(1.0)
        assert [leading for _, leading in one.said] == [True, False, True]


async def test_a_clean_stop_frees_the_lease_and_the_next_one_takes_it(clock, store):
    one, other = Candidate(store, clock, "one"), Candidate(store, clock, "other")
    async with running(clock, other), running(clock, one):
        leader, follower = (one, other) if one.leader.leading else (other, one)
        await clock.advance(5.0)
        await leader.leader.release()
        assert store.stands.record == Record(FREE, transitions=1)
        assert leader.said[-1] == (105.0, False)
        await clock.advance(0.5)
        assert follower.leader.leading
        await clock.advance(60.0)
        assert not leader.leader.leading


async def test_released_it_runs_no_more(clock, store):
    one = Candidate(store, clock, "one")
    async with running(clock, one) as (task,):
        await one.leader.release()
        await clock.advance(1.0)
        assert task.done()


async def test_cancelled_in_the_middle_of_a_renewal_it_frees_what_was_made(clock, store):
    one = Candidate(store, clock, "one")
    async with running(clock, one):
        one.lease.way_back = hang
        await clock.advance(1.5)
    assert not one.leader.leading
    one.lease.way_back = straight
    await one.leader.release()
    assert store.stands.record.holder == FREE
    assert one.lease.calls[-2:] == ["read", "write nobody"]


@pytest.mark.parametrize("fault", [hang, fail])
async def test_a_release_that_gets_no_answer_is_given_up(clock, store, fault):
    one = Candidate(store, clock, "one")
    async with running(clock, one):
        pass
    one.lease.way = fault
    release = asyncio.get_running_loop().create_task(one.leader.release())
    await clock.advance(1.1)
    assert release.done()
    assert store.stands.record.holder == "one"


async def test_a_release_while_a_call_hangs_waits_for_that_one_alone(clock, store):
    one = Candidate(store, clock, "one")
    async with running(clock, one):
        one.lease.way = hang
        await clock.advance(1.5)  # half of what a renewal may take
        release = asyncio.get_running_loop().create_task(one.leader.release())
        await clock.advance(0.6)
        assert release.done()


async def test_a_follower_that_stops_leaves_the_lease_alone(clock, store):
    store.put(Record("somebody"))
    one = Candidate(store, clock, "one")
    async with running(clock, one):
        await clock.advance(1.0)
    await one.leader.release()
    assert set(one.lease.calls) == {"read"}


async def test_the_log_tells_transitions_and_trouble_once(clock, store, caplog):
    caplog.set_level("INFO", "maitre.leader")
    one = Candidate(store, clock, "one")
    async with running(clock, one):
        await clock.advance(0.5)
        one.lease.way = fail
        await clock.advance(20.0)
        one.lease.way = straight
        store.put(Record("somebody"))
        await clock.advance(1.0)
    assert [record.getMessage() for record in caplog.records] == [
        "this router leads",
        "the Lease is out of reach",
        "this router leads no more",
        "the Lease is in reach again",
        "another router leads",
    ]


async def test_that_it_may_read_and_not_write_the_lease_is_told_once(clock, store, caplog):
    """Reads that work in between say nothing of the writes."""
    one = Candidate(store, clock, "one")
    async with running(clock, one):
        one.lease.may_write = False
        await clock.advance(30.0)
        assert one.leader.problem == "cannot update leases"
        store.put(Record("somebody"))
        await clock.advance(2.0)
        assert one.leader.problem == "", "it follows somebody, and has nothing to write"
    messages = [record.getMessage() for record in caplog.records]
    assert messages.count("the Lease is out of reach") == 1


def test_no_two_processes_have_one_identity():
    assert identity_of("maitre-0") != identity_of("maitre-0")
    assert identity_of("maitre-0").startswith("maitre-0_")


@pytest.mark.parametrize("pod", ["maitre-0", "maitre.0", "a_laptop"])
@pytest.mark.parametrize("uid", [None, "8f14e45f-ceea-467f-a0e6-6bda28411ef4"])
def test_an_identity_says_of_which_pod_it_is(pod, uid):
    identity = identity_of(pod, uid)
    assert (pod_of(identity), pod_uid_of(identity)) == (pod, uid)
    assert len(identity_of("p" * 253, str(uuid4())).encode()) <= MAX_NAME_BYTES


async def test_it_shows_itself(clock, store):
    one = Candidate(store, clock, "one")
    assert repr(one.leader) == "<Leader leading=False <Election one holder=? term_ends=-inf>>"
