"""Admission with leased slots: lending, recalls, what the lessor hears. The random walk is in test_admission.py."""

import pytest

from router.core.admission import Admission, Limits, Term
from router.errors import SlotMisuse


class Listener:
    """A lessor that writes down what it is told."""

    def __init__(self):
        self.starved = 0
        self.falls = []

    def starving(self):
        self.starved += 1

    def lowered(self, replica):
        self.falls.append((replica.id, replica.bound))


@pytest.fixture
def lessor():
    return Listener()


def leasing(lessor, limits, **settings):
    version = Admission(Limits(**settings), lessor)
    for id, limit in limits.items():
        version.add_replica(id, f"to {id}", 0.0, limit)
    return version


def hold_all(version):
    held = []
    while (slot := version.acquire(len(held), "client", 0.0)) is not None:
        held.append(slot)
    return held


def limits(version, ids):
    return [version.replica(id).limit for id in ids]


def told(grants):
    return [(waiter, slot is not None) for waiter, slot in grants]


# -- lending -----------------------------------------------------------------------------------------------------------


def test_a_replica_of_which_nothing_is_lent_has_requests_wait_for_its_slots(lessor):
    version = leasing(lessor, {"x": 0})
    assert version.acquire("a", "client", 0.0) is None
    version.enqueue("a", "client", 0.0)
    assert (version.total, version.busy, version.queued) == (1, 0, 1)
    assert told(version.lend("x", 1, 0.1)) == [("a", True)]


def test_what_is_lent_serves_as_many_as_it_has_slots(lessor):
    version = leasing(lessor, {"x": 1})
    hold_all(version)
    for waiter in "abc":
        version.enqueue(waiter, "client", 0.0)
    assert told(version.lend("x", 3, 0.1)) == [("a", True), ("b", True)]
    assert told(version.lend("x", 3, 0.1)) == []


def test_what_is_lent_of_a_replica_that_is_not_here_or_leaves_is_no_matter(lessor):
    version = leasing(lessor, {"x": 1})
    assert version.lend("y", 1, 0.0) == ()
    hold_all(version)
    version.retire_replica("x")
    assert version.lend("x", 2, 0.0) == ()
    assert (version.bound("x"), version.bound("y")) == (1, 0)


def test_other_settings_do_not_change_what_is_lent(lessor):
    version = leasing(lessor, {"x": 2})
    version.apply(Limits(slots=8), 0.0)
    assert len(hold_all(version)) == 2


def test_the_bound_is_what_may_be_held_or_is(lessor):
    version = leasing(lessor, {"x": 2})
    held = hold_all(version)
    assert version.bound("x") == 2
    version.lend("x", 0, 0.0)
    assert (version.bound("x"), lessor.falls) == (2, [])
    version.release(held[0], 0, 0.0)
    assert (version.bound("x"), lessor.falls) == (1, [("x", 1)])
    version.lend("x", 4, 0.0)
    assert version.bound("x") == 4


def test_what_a_retired_replica_runs_is_its_bound(lessor):
    version = leasing(lessor, {"x": 3})
    slot = version.acquire("a", "client", 0.0)
    version.retire_replica("x")
    assert version.held_by_replica() == {"x": 1}
    version.release(slot, "a", 0.0)
    assert lessor.falls == [("x", 1), ("x", 0)]
    assert (version.bound("x"), version.held_by_replica()) == (0, {})


# -- starving ----------------------------------------------------------------------------------------------------------


def test_who_waits_or_is_refused_for_want_of_a_slot_starves(lessor):
    version = leasing(lessor, {"x": 0}, queue_length=1)
    version.enqueue("a", "client", 0.0)
    assert lessor.starved == 1
    version.enqueue("b", "client", 0.0)  # refused
    assert lessor.starved == 2


def test_without_replicas_nobody_could_lend_a_slot(lessor):
    version = leasing(lessor, {})
    version.enqueue("a", "client", 0.0)  # refused
    version.expecting = True
    version.enqueue("b", "client", 0.0)
    assert lessor.starved == 0


def test_who_waited_for_the_first_replica_starves_when_it_comes_without_slots(lessor):
    version = leasing(lessor, {})
    version.expecting = True
    version.enqueue("a", "client", 0.0)
    assert version.add_replica("x", None, 0.1, 0) == []
    assert lessor.starved == 1


def test_who_finds_a_slot_does_not_starve(lessor):
    hold_all(leasing(lessor, {"x": 2}))
    assert lessor.starved == 0


# -- recalls -----------------------------------------------------------------------------------------------------------


def test_the_hungry_get_idle_slots_at_once(lessor):
    version = leasing(lessor, {"x": 2, "y": 2})
    slot = version.acquire("a", "client", 0.0)
    version.recall(hungry=2, yields=0)
    assert slot.replica.id == "x"
    assert limits(version, "xy") == [2, 0]  # of the least busy replica
    assert lessor.falls == [("y", 1), ("y", 0)]


def test_the_hungry_get_what_falls_idle_until_they_have_enough(lessor):
    version = leasing(lessor, {"x": 3})
    held = hold_all(version)
    version.recall(hungry=2, yields=0)
    assert lessor.falls == []
    for waiter, slot in enumerate(held):
        assert version.release(slot, waiter, 0.1) == ()
    assert lessor.falls == [("x", 2), ("x", 1)]
    assert len(hold_all(version)) == 1


def test_the_hungry_get_nothing_from_those_who_wait_themselves(lessor):
    version = leasing(lessor, {"x": 1})
    [slot] = hold_all(version)
    version.recall(hungry=1, yields=0)
    version.enqueue("a", "client", 0.0)
    assert told(version.release(slot, 0, 0.1)) == [("a", True)]
    assert version.release(slot, "a", 0.2) == ()
    assert lessor.falls == [("x", 0)]


def test_the_hungry_get_what_only_late_waiters_could_have_had(lessor):
    version = leasing(lessor, {"x": 1}, queue_wait_s=0.5)
    [slot] = hold_all(version)
    version.recall(hungry=1, yields=0)
    version.enqueue("a", "client", 0.0)
    assert told(version.release(slot, 0, 0.5)) == [("a", False)]
    assert lessor.falls == [("x", 0)]


def test_what_is_yielded_goes_before_those_who_wait(lessor):
    version = leasing(lessor, {"x": 3})
    held = hold_all(version)
    version.enqueue("a", "client", 0.0)
    version.recall(hungry=0, yields=2)
    assert version.release(held[0], 0, 0.1) == ()
    assert version.release(held[1], 1, 0.1) == ()
    assert told(version.release(held[2], 2, 0.1)) == [("a", True)]
    assert lessor.falls == [("x", 2), ("x", 1)]


def test_what_is_idle_is_yielded_at_once(lessor):
    version = leasing(lessor, {"x": 2})
    version.recall(hungry=0, yields=1)
    assert limits(version, "x") == [1]


def test_a_slot_that_is_handed_back_counts_for_both(lessor):
    version = leasing(lessor, {"x": 4})
    version.recall(hungry=3, yields=2)
    assert limits(version, "x") == [1]


def test_a_recall_ends_when_the_next_one_says_so(lessor):
    version = leasing(lessor, {"x": 2})
    held = hold_all(version)
    version.recall(hungry=5, yields=5)
    version.recall(hungry=1, yields=0)
    version.recall(hungry=0, yields=0)
    for waiter, slot in enumerate(held):
        version.release(slot, waiter, 0.1)
    assert lessor.falls == []


def test_a_slot_that_is_lent_while_others_are_hungry_goes_on_to_them_if_nobody_waits(lessor):
    version = leasing(lessor, {"x": 0})
    version.recall(hungry=1, yields=0)
    assert version.lend("x", 1, 0.0) == []
    assert (version.bound("x"), lessor.falls) == (0, [("x", 0)])
    assert version.lend("x", 1, 0.0) == []
    assert version.bound("x") == 1


def test_a_slot_above_a_limit_that_fell_is_not_handed_back_once_more(lessor):
    version = leasing(lessor, {"x": 2})
    held = hold_all(version)
    version.lend("x", 1, 0.0)
    version.recall(hungry=0, yields=1)
    version.release(held[0], 0, 0.1)
    assert limits(version, "x") == [1]
    version.release(held[1], 1, 0.1)
    assert limits(version, "x") == [0]
    assert lessor.falls == [("x", 1), ("x", 0)]


def test_a_replica_that_cannot_be_reached_is_handed_back_when_it_is_readmitted(lessor):
    version = leasing(lessor, {"x": 1, "y": 1})
    slot, _ = hold_all(version)
    until = version.connect_failed(slot.replica, 0.0)
    version.recall(hungry=1, yields=1)
    assert version.release(slot, 0, 0.0) == ()
    assert lessor.falls == []
    assert version.readmit(slot.replica, until) == []
    assert lessor.falls == [("x", 0)]


def test_a_slot_is_handed_back_by_its_holder_and_once(lessor):
    version = leasing(lessor, {"x": 1})
    [slot] = hold_all(version)
    version.recall(hungry=1, yields=1)
    with pytest.raises(SlotMisuse):
        version.release(slot, "somebody", 0.1)
    version.release(slot, 0, 0.1)
    with pytest.raises(SlotMisuse):
        version.release(slot, 0, 0.1)
    assert lessor.falls == [("x", 0)]


# -- waking ------------------------------------------------------------------------------------------------------------


def test_the_first_request_wakes_it_and_those_after_it_do_not():
    woken = []
    version = Admission(Limits(), woken=woken.append)
    assert not version.awake
    for waiter in "ab":
        version.acquire(waiter, "client", 0.0)
    assert (version.awake, woken) == (True, [version])
    version.awake = False
    version.acquire("c", "client", 0.0)
    assert woken == [version, version]


def test_nothing_begins_after_the_term_whatever_comes_first():
    term = Term()
    admission = Admission(Limits(slots=2), term=term)
    admission.add_replica("a", "upstream", 0.0, limit=2)
    term.ends = 10.0
    running = admission.acquire("running", "client", 9.9)
    assert admission.acquire("late", "client", 10.0) is None
    assert admission.enqueue("late", "client", 10.0).deadline == 10.5
    assert admission.bound("a") == 1, "what runs may end"
    assert admission.release(running, "running", 10.1) == ()
    assert admission.bound("a") == 0
    assert not admission.lend("a", 2, 10.2), "a lease of the term that has ended"
    term.ends = 20.0
    assert [waiter for waiter, _ in admission.lend("a", 2, 10.3)] == ["late"]
