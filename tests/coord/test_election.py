"""The election without a network: what a candidate asks for, when it leads, and that never two do, come what may.

`ThreeRouters` is the property: clocks of different offset and rate, calls that arrive late or never, answers that come
late or never, processes that hang and go on or begin anew, a Lease that strangers touch and delete.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from router.coord.election import (
    DURATION_S,
    FREE,
    RENEW_DEADLINE_S,
    RENEW_S,
    RETRY_JITTER,
    RETRY_S,
    UNKNOWN,
    Done,
    Election,
    Read,
    Record,
    Version,
    Wait,
    Write,
)
from router.coord.leader import CALL_S
from router.coord.lease import LeaseChanged
from tests.fakes.lease import LeaseStore

V1, V2, V3 = (Version("uid", revision) for revision in "123")
OTHERS = Record("other", transitions=4)
MINE = Record("me", transitions=5)
LONGEST_PAUSE_S = RETRY_S * (1 + RETRY_JITTER)


@pytest.fixture
def me():
    return Election("me")


def follow(me, record=OTHERS, version=V1, *, at=100.0):
    assert me.step(at, 0.0) == Read()
    me.found(record, version, at)


def lead(me, *, at=100.0):
    """Take a free Lease; the write is sent `at`."""
    follow(me, Record(FREE, transitions=4), V1, at=at)
    assert me.step(at, 0.0) == Write(MINE, V1)
    me.accepted(V2)


def test_it_reads_before_anything_else_and_leads_not(me):
    assert not me.leads(100.0)
    assert me.step(100.0, 0.0) == Read()


def test_a_free_lease_is_taken_at_once_and_counted_as_a_transition(me):
    lead(me)
    assert me.leads(100.0)
    assert (me.holder, me.transitions) == ("me", 5)


def test_the_term_is_counted_from_before_the_write_was_sent(me):
    follow(me, Record(FREE), V1, at=100.0)
    assert isinstance(me.step(102.0, 0.0), Write)
    me.accepted(V2)  # whenever the answer came
    assert me.term_ends == 102.0 + RENEW_DEADLINE_S
    assert me.leads(104.9)
    assert not me.leads(105.0)


def test_a_leader_renews_under_the_version_of_its_last_write_keeping_the_count(me):
    lead(me)
    assert me.step(100.1, 0.0) == Wait(101.0)
    assert me.step(101.0, 0.0) == Write(MINE, V2)
    me.accepted(V3)
    assert me.step(101.0, 0.0) == Wait(102.0)
    assert me.term_ends == 104.0


def test_a_write_without_an_answer_renews_nothing_and_is_looked_for_before_the_next(me):
    lead(me)
    assert me.step(101.0, 0.0) == Write(MINE, V2)
    assert me.step(101.1, 0.0) == Wait(101.5)  # refused at once: not asked again at once
    assert me.step(102.0, 0.0) == Read()
    me.found(MINE, V3, 102.1)  # it was made
    assert me.term_ends == 103.0
    assert me.step(102.2, 0.0) == Write(MINE, V3)


def test_an_answer_that_comes_when_it_is_no_longer_waited_for_renews_nothing(me):
    lead(me)
    assert me.step(101.0, 0.0) == Write(MINE, V2)
    assert me.step(102.0, 0.0) == Read()
    me.accepted(V3)
    assert me.term_ends == 103.0
    me.found(MINE, V3, 102.1)
    assert me.step(102.1, 0.0) == Write(MINE, V3)


def test_a_write_that_made_no_new_version_renews_nothing(me):
    lead(me)
    me.step(101.0, 0.0)
    me.accepted(V2)
    assert me.term_ends == 103.0
    assert me.step(101.0, 0.0) == Wait(101.5)


def test_a_term_that_ended_begins_anew_with_the_next_write_without_a_transition(me):
    lead(me)
    assert not me.leads(110.0)
    assert me.step(110.0, 0.0) == Write(MINE, V2)
    me.accepted(V3)
    assert me.leads(110.0)


def test_a_leader_that_reads_another_name_stops_before_its_term_ends(me):
    lead(me)
    me.step(101.0, 0.0)
    me.conflicted()
    assert me.leads(101.6)  # somebody may have labelled the Lease
    assert me.step(101.5, 0.0) == Read()
    me.found(OTHERS, V3, 101.6)
    assert not me.leads(101.6)


def test_a_leader_whose_lease_was_touched_by_a_stranger_goes_on(me):
    lead(me)
    me.step(101.0, 0.0)
    me.conflicted()
    assert me.step(101.5, 0.0) == Read()
    me.found(MINE, V3, 101.6)
    assert me.step(101.6, 0.0) == Write(MINE, V3)


def test_a_follower_looks_at_its_pace_and_takes_over_when_the_duration_is_over(me):
    follow(me, at=100.0)
    assert me.step(100.0, 0.0) == Wait(100.5)
    for at in (100.5, 101.0, 101.5, 102.0, 102.5, 103.0, 103.5):
        assert me.step(at, 0.0) == Read()
        me.found(OTHERS, V1, at)
    assert me.step(103.9, 0.9) == Wait(104.0)
    assert me.step(104.0, 0.0) == Write(MINE, V1)


def test_the_pause_is_drawn(me):
    assert me.step(100.0, 1.0) == Read()
    me.found(OTHERS, V1, 100.0)
    assert me.step(100.0, 0.0) == Wait(100.75)


def test_a_holder_is_timed_from_the_answer_that_first_showed_its_write(me):
    assert me.step(100.0, 0.0) == Read()
    me.found(OTHERS, V1, 100.9)
    assert me.step(104.0, 0.0) == Read()
    me.found(OTHERS, V1, 104.0)
    assert me.step(104.0, 0.0) == Wait(104.5)
    assert isinstance(me.step(104.9, 0.0), Write)


def test_every_change_begins_the_timing_anew(me):
    follow(me, at=100.0)
    me.step(103.0, 0.0)
    me.found(OTHERS, V2, 103.0)
    assert isinstance(me.step(106.9, 0.0), Read)
    me.found(OTHERS, V2, 106.9)
    assert isinstance(me.step(107.0, 0.0), Write)


def test_a_conflict_is_followed_by_a_read_and_the_timing_begins_anew(me):
    follow(me, at=100.0)
    assert isinstance(me.step(104.0, 0.0), Write)
    me.conflicted()
    assert me.step(104.0, 0.0) == Wait(104.5)
    assert me.step(104.5, 0.0) == Read()
    me.found(OTHERS, V1, 104.5)
    assert me.step(108.4, 0.0) == Read()
    me.found(OTHERS, V1, 108.4)
    assert isinstance(me.step(108.5, 0.0), Write)


def test_a_holder_that_declares_a_longer_duration_is_given_it(me):
    follow(me, Record("other", duration_s=15), at=100.0)
    assert me.step(114.9, 0.0) == Read()
    me.found(Record("other", duration_s=15), V1, 114.9)
    assert isinstance(me.step(115.0, 0.0), Write)


@pytest.mark.parametrize("duration_s", [0, 1])
def test_a_holder_that_declares_a_shorter_one_is_given_ours(me, duration_s):
    follow(me, Record("other", duration_s), at=100.0)
    assert me.step(103.9, 0.0) == Read()


def test_a_lease_is_made_for_an_unknown_holder_who_is_waited_out(me):
    follow(me, None, None, at=100.0)
    assert me.step(100.0, 0.0) == Write(Record(UNKNOWN), None)
    me.accepted(V1)
    assert not me.leads(100.0)
    assert me.step(100.1, 0.0) == Read()
    me.found(Record(UNKNOWN), V1, 100.2)
    assert me.step(104.1, 0.0) == Read()
    me.found(Record(UNKNOWN), V1, 104.1)
    assert me.step(104.2, 0.0) == Write(Record("me", transitions=1), V1)


def test_a_leader_whose_lease_was_deleted_leads_no_more(me):
    lead(me)
    me.step(101.0, 0.0)
    me.conflicted()
    assert me.step(101.5, 0.0) == Read()
    me.found(None, None, 101.5)
    assert not me.leads(101.5)
    assert me.step(101.5, 0.0) == Write(Record(UNKNOWN), None)
    me.conflicted()  # another one was faster
    assert me.step(101.6, 0.0) == Wait(102.0)


def test_one_who_resigned_frees_what_is_its_own_and_does_nothing_more(me):
    lead(me)
    me.resign()
    assert not me.leads(100.0)
    assert me.step(100.1, 0.0) == Write(Record(FREE, transitions=5), V2)
    me.accepted(V3)
    assert me.step(100.2, 0.0) == Done()
    assert me.step(200.0, 0.0) == Done()
    assert not me.leads(100.2)


def test_one_who_resigned_looks_first_if_a_write_of_its_own_may_have_been_made(me):
    lead(me)
    me.step(101.0, 0.0)
    me.resign()
    assert me.step(101.0, 0.0) == Read()
    me.found(MINE, V3, 101.1)
    assert me.step(101.1, 0.0) == Write(Record(FREE, transitions=5), V3)


def test_an_answer_to_one_who_resigned_meanwhile_begins_no_term(me):
    lead(me)
    me.step(101.0, 0.0)
    me.resign()
    me.accepted(V3)
    assert not me.leads(101.0)


def test_one_who_resigned_leaves_alone_what_is_not_its_own(me):
    follow(me)
    me.resign()
    assert me.step(100.0, 0.0) == Done()


# -- what the Lease says of the coordination -------------------------------------------------------------------------


def coordinator():
    return Election("me", "10.0.0.1:8082")


def test_who_takes_the_lease_says_where_it_coordinates_and_adds_itself_to_those_who_may_use_slots():
    me = coordinator()
    follow(me, Record(FREE, transitions=4, address="10.0.0.9:1", routers=("other",)))
    assert me.leader_address == "10.0.0.9:1"
    write = me.step(100.0, 0.0)
    assert write.record == Record("me", transitions=5, address="10.0.0.1:8082", routers=("me", "other"))
    assert me.routers == ("other",)
    me.accepted(V2)
    assert me.routers == ("me", "other")
    assert me.leader_address == "10.0.0.1:8082"


def test_who_leads_lists_whom_it_announced_with_the_next_renewal():
    me = coordinator()
    follow(me, Record(FREE, transitions=4))
    me.step(100.0, 0.0)
    me.accepted(V2)
    me.announced = ("me", "new")
    assert me.routers == ("me",)
    assert me.step(100.0 + RENEW_S, 0.0).record.routers == ("me", "new")
    assert me.routers == ("me",)  # it may not have been made
    me.accepted(V3)
    assert me.routers == ("me", "new")


def test_the_list_outlives_a_leader_that_resigns_and_the_address_does_not():
    me = coordinator()
    follow(me, Record(FREE, transitions=4))
    me.step(100.0, 0.0)
    me.accepted(V2)
    me.announced = ("other",)
    me.resign()
    assert me.step(100.5, 0.0) == Write(Record(FREE, transitions=5, routers=("other",)), V2)


def test_what_was_announced_in_a_term_that_ended_is_not_listed_in_the_next_one():
    me = coordinator()
    follow(me, Record(FREE, transitions=4))
    me.step(100.0, 0.0)
    me.accepted(V2)
    me.announced = ("me",)
    assert me.step(100.0 + RENEW_DEADLINE_S, 0.0).record.routers == ("me",)
    assert me.announced is None
    assert me.step(100.0 + RENEW_DEADLINE_S + 1.0, 0.0) == Read()
    me.found(Record("me", transitions=5, routers=("me", "other")), V3, 104.0)
    assert me.step(104.0, 0.0).record.routers == ("me", "other")


def test_a_lease_that_is_made_anew_lists_those_of_the_one_that_was_deleted():
    me = coordinator()
    follow(me, Record("other", routers=("other", "third")))
    me.step(101.0, 0.0)
    me.found(None, None, 101.0)
    assert me.step(101.0, 0.0) == Write(Record(UNKNOWN, routers=("other", "third")), None)


def test_it_shows_itself(me):
    assert repr(me) == "<Election me holder=? term_ends=-inf>"
    lead(me)
    assert repr(me) == "<Election me holder='me' term_ends=103>"


def test_the_constants_keep_what_the_module_promises():
    assert RENEW_DEADLINE_S / 0.9 < DURATION_S / 1.1
    assert RENEW_S + 2 * CALL_S <= RENEW_DEADLINE_S  # a renewal and the read after it may both go without an answer
    assert LONGEST_PAUSE_S + DURATION_S < 5.0


class Router:
    """A process: its election, its clock, and the one call that it may have under way."""

    def __init__(self, name, offset_s, rate):
        self.election = Election(name)
        self.offset_s = offset_s
        self.rate = rate
        self.call = None
        self.hangs = False
        self.resigned = False
        self.waits_until = None

    def clock(self, now):
        return self.offset_s + self.rate * now

    def real(self, clock):
        return (clock - self.offset_s) / self.rate


class Call:
    """A step on its way: not arrived yet, or with its answer on the way back."""

    def __init__(self, router, step, sent_at):
        self.router = router
        self.step = step
        self.sent_at = sent_at
        self.answer = None

    def arrive(self, store):
        """The answer: what is to be told to the election, and when."""
        election = self.router.election
        if isinstance(self.step, Read):
            record, version = store.read() or (None, None)
            self.answer = lambda clock: election.found(record, version, clock)
            return
        try:
            version = store.write(self.step.record, self.step.under)
        except LeaseChanged:
            self.answer = lambda clock: election.conflicted()
        else:
            self.answer = lambda clock: election.accepted(version)


ROUTERS = st.integers(0, 2)
SOMEBODY = st.one_of(st.none(), ROUTERS)
WAYS = st.sampled_from([0.001, 0.02, 0.45, 0.9])
MOMENTS = st.sampled_from([0.001, 0.1, 0.5, 1.0, 2.0, 2.9, 3.1, 4.0, 4.5])


class ThreeRouters(RuleBasedStateMachine):
    """Real time is `self.now`; routers know only their own clocks. `self.arriving` are calls that may still arrive."""

    @initialize(
        offsets=st.tuples(*[st.floats(-1e6, 1e6)] * 3),
        rates=st.tuples(*[st.sampled_from([0.9, 1.0, 1.1])] * 3),
    )
    def begin(self, offsets, rates):
        self.now = 0.0
        self.store = LeaseStore()
        self.away = False
        self.names = iter(range(1000))
        self.routers = [Router(f"r{next(self.names)}", *of) for of in zip(offsets, rates, strict=True)]
        self.arriving = []

    @rule(seconds=MOMENTS)
    def time_passes(self, seconds):
        self.now += seconds

    @rule(index=ROUTERS, u=st.sampled_from([0.0, 0.5, 1.0]))
    def acts(self, index, u):
        """Make the next step, unless one waits for its answer still."""
        router = self.routers[index]
        now = router.clock(self.now)
        if router.hangs or (router.call and now < router.call.sent_at + CALL_S):
            return
        router.call = None
        step = router.election.step(now, u)
        router.waits_until = step.until if isinstance(step, Wait) else None
        if isinstance(step, Read | Write):
            router.call = Call(router, step, now)
            self.arriving.append(router.call)

    @rule(data=st.data())
    @precondition(lambda self: self.arriving and not self.away)
    def a_call_arrives(self, data):
        """Any of those under way, the oldest ones too, also when nobody waits for the answer any more."""
        call = self.arriving.pop(data.draw(st.integers(0, len(self.arriving) - 1)))
        call.arrive(self.store)

    @rule(index=ROUTERS)
    def an_answer_comes(self, index):
        router = self.routers[index]
        if router.call and router.call.answer and not router.hangs:
            router.call.answer(router.clock(self.now))
            router.call = None

    @rule(index=ROUTERS, before=WAYS, first=SOMEBODY, after=WAYS, then=SOMEBODY, answered=st.sampled_from([1, 1, 0]))
    def an_exchange(self, index, before=0.001, first=None, after=0.001, then=None, answered=True):
        """The good case in one rule (but for the answer, perhaps), or it would be too rare to get anywhere.

        Another one may make an exchange while the call is on its way there, and while the answer is on its way back.
        """
        router = self.routers[index]
        self.acts(index, 0.5)
        call = router.call
        self._passes(before, first, index)
        if call in self.arriving and not self.away:
            self.arriving.remove(call)
            call.arrive(self.store)
            self._passes(after, then, index)
            if answered and call is router.call:
                self.an_answer_comes(index)

    def _passes(self, seconds, somebody, index):
        self.now += seconds
        if somebody not in (None, index):
            self.an_exchange(somebody)
            self.at_most_one_leads()

    @rule(index=ROUTERS, before=st.sampled_from([0.001, 0.9]), other=ROUTERS, after=st.sampled_from([0.001, 0.9]))
    def two_race_and_one_is_left_alone(self, index, before, other, after):
        """A slow exchange, with one of another while it is under way; after it that other one, or the same, alone."""
        self._waits(index)
        self.an_exchange(index, before, other, after, other)
        self.acts_alone_until_it_leads(other if after > before else index)

    @rule(index=ROUTERS)
    def acts_alone_until_it_leads(self, index):
        """Each step exactly when it is due, which is when a takeover is closest to the term that it ends."""
        router = self.routers[index]
        for _ in range(12):
            self._waits(index)
            self.an_exchange(index)
            self.at_most_one_leads()
            if router.election.leads(router.clock(self.now)):
                return

    def _waits(self, index):
        router = self.routers[index]
        if router.waits_until is not None:
            self.now = max(self.now, router.real(router.waits_until) + 1e-6)

    @rule(rounds=st.integers(1, 20))
    def all_goes_well_for_a_while(self, rounds):
        for _ in range(rounds):
            for index in range(3):
                self.an_exchange(index)
                self.at_most_one_leads()
            self.now += 0.25

    @rule()
    @precondition(lambda self: self.arriving)
    def a_call_is_lost(self):
        self.arriving.pop(0)

    @rule(index=ROUTERS)
    def hangs_or_goes_on(self, index):
        self.routers[index].hangs = not self.routers[index].hangs

    @rule(index=ROUTERS)
    def is_killed_and_started_again(self, index):
        old = self.routers[index]
        self.routers[index] = Router(f"r{next(self.names)}", old.offset_s, old.rate)

    @rule(index=ROUTERS, seconds=WAYS)
    def is_told_to_stop(self, index, seconds):
        self.routers[index].election.resign()
        self.routers[index].resigned = True
        self.now += seconds
        self.an_exchange(index)

    @rule()
    def the_api_server_goes_or_comes(self):
        self.away = not self.away

    @rule()
    def a_stranger_touches_the_lease(self):
        if self.store.stands:
            self.store.put(self.store.stands.record)

    @rule()
    def a_stranger_deletes_the_lease(self):
        self.store.delete()

    @rule(index=ROUTERS)
    def somebody_leads_when_all_is_well_for_one(self, index):
        """Liveness: with an API server and one live router, whatever was before, and whoever hangs."""
        self.away = False
        router = self.routers[index]
        if router.resigned:
            self.routers[index] = router = Router(f"r{next(self.names)}", router.offset_s, router.rate)
        router.hangs = False
        bound = self.now + (CALL_S + 3 * LONGEST_PAUSE_S + DURATION_S) / 0.9 + 0.1
        while not router.election.leads(router.clock(self.now)):
            assert self.now < bound
            self.an_exchange(index)
            self.at_most_one_leads()
            self.now += 0.01

    @invariant()
    def at_most_one_leads(self):
        """By their own clocks, those that hang too."""
        leaders = [router.election for router in self.routers if router.election.leads(router.clock(self.now))]
        assert len(leaders) <= 1, leaders


ThreeRouters.TestCase.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
TestThreeRouters = ThreeRouters.TestCase
