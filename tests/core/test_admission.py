"""Admission: who gets a slot, who waits, who is refused; first rule by rule, then random schedules against a model."""

from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from router.core.admission import Admission, Limits, Queued, Refused
from router.core.offered import RETRY_MEMORY_S
from router.errors import Outcome, SlotMisuse
from router.telemetry.source import VersionLoad


def admission(*replicas, **limits):
    admitted = Admission(Limits(**limits))
    for id in replicas:
        admitted.add_replica(id, f"to {id}", 0.0)
    return admitted


def full(*replicas, **limits):
    """An admission of which all slots are held, by 0, 1, 2…"""
    admitted = admission(*replicas, **limits)
    held = []
    while (slot := admitted.acquire(len(held), "client", 0.0)) is not None:
        held.append(slot)
    return admitted, held


def told(grants):
    return [(waiter, slot is not None) for waiter, slot in grants]


# -- requests ----------------------------------------------------------------------------------------------------------


def test_a_free_slot_is_had_at_once():
    version = admission("x")
    slot = version.acquire("a", "client", 0.0)
    assert slot is not None
    assert (slot.replica.id, slot.holder) == ("x", "a")
    assert (version.busy, version.total, version.in_flight, version.queued) == (1, 1, 1, 0)


def test_who_finds_none_waits():
    version, _ = full("x", queue_wait_s=0.5)
    assert version.enqueue("a", "client", 10.0) == Queued(deadline=10.5)
    assert version.queued == 1


def test_a_slot_that_comes_back_goes_to_the_first_waiter():
    version, [slot] = full("x")
    version.enqueue("a", "client", 0.0)
    version.enqueue("b", "client", 0.0)
    assert version.release(slot, 0, 0.1) == [("a", slot)]
    assert slot.holder == "a"
    assert version.acquire("newcomer", "client", 0.1) is None
    assert version.release(slot, "a", 0.2) == [("b", slot)]
    assert version.release(slot, "b", 0.3) == ()
    assert (version.in_flight, version.queued) == (0, 0)


def test_those_before_the_first_in_time_are_told_that_they_are_late():
    version, [slot] = full("x", queue_wait_s=0.5)
    for waiter, now in (("a", 0.0), ("b", 0.1), ("c", 0.2)):
        version.enqueue(waiter, "client", now)
    assert version.release(slot, 0, 0.6) == [("a", None), ("b", None), ("c", slot)]


def test_a_slot_that_only_late_waiters_could_have_is_free():
    version, [slot] = full("x", queue_wait_s=0.5)
    version.enqueue("a", "client", 0.0)
    assert version.release(slot, 0, 0.5) == [("a", None)]
    assert version.acquire("b", "client", 0.5) is slot


def test_a_slot_is_released_once_and_by_its_holder():
    version, [slot] = full("x")
    version.enqueue("a", "client", 0.0)
    with pytest.raises(SlotMisuse):
        version.release(slot, "somebody", 0.1)
    assert version.queued == 1  # and whoever waits does not suffer from it
    version.release(slot, 0, 0.1)


def test_who_went_away_is_passed_over():
    version, [slot] = full("x")
    version.enqueue("a", "client", 0.0)
    version.enqueue("b", "client", 0.0)
    assert version.withdraw("a")
    assert not version.withdraw("a")
    assert told(version.release(slot, 0, 0.1)) == [("b", True)]


def test_a_full_queue_refuses():
    version, _ = full("x", queue_length=1)
    assert version.enqueue("a", "client", 0.0) == Queued(0.5)
    assert version.enqueue("b", "client", 0.0) == Refused(Outcome.QUEUE_FULL)
    assert version.withdraw("a")
    assert version.enqueue("c", "client", 0.0) == Queued(0.5)


def test_no_queue_refuses_all_that_find_no_slot():
    version, _ = full("x", queue_length=0)
    assert version.enqueue("a", "client", 0.0) == Refused(Outcome.QUEUE_FULL)


def test_who_waited_too_long_is_told_why():
    version, _ = full("x")
    version.enqueue("a", "client", 0.0)
    assert version.lapse("a", "client", 0.5) is Outcome.QUEUE_TIMEOUT
    assert version.queued == 0
    version.retire_replica("x")
    assert version.lapse("b", "client", 0.5) is Outcome.NO_REPLICAS


def test_without_replicas_it_waits_only_if_one_is_on_its_way():
    version = admission(queue_wait_s=0.5, cold_start_s=60.0)
    assert version.enqueue("a", "client", 0.0) == Refused(Outcome.NO_REPLICAS)
    version.expecting = True
    assert version.enqueue("b", "client", 0.0) == Queued(60.0)
    assert told(version.add_replica("x", None, 59.9)) == [("b", True)]


def test_who_waits_keeps_the_deadline_it_was_given():
    version, [slot] = full("x", queue_wait_s=10.0)
    version.enqueue("a", "client", 0.0)
    assert version.apply(Limits(queue_wait_s=0.1), 1.0) == []
    assert version.limits.queue_wait_s == 0.1
    assert version.release(slot, 0, 9.9) == [("a", slot)]


def test_who_lost_its_slot_without_fault_waits_first():
    version, _ = full("x")
    version.enqueue("a", "client", 0.0)
    version.enqueue("again", "client", 0.0, first=True)
    assert told(version.add_replica("y", None, 0.1)) == [("again", True)]


# -- another replica ---------------------------------------------------------------------------------------------------


def test_a_slot_elsewhere_is_on_another_replica_though_the_failed_one_is_the_least_busy():
    version, held = full("x", "y", slots=3)  # x y x y x y
    for n in (2, 4, 5):
        version.release(held[n], n, 0.0)  # x 1/3, y 2/3
    slot = version.acquire_elsewhere(0, held[0].replica)
    assert slot is not None
    assert slot.replica.id == "y"
    assert version.acquire_elsewhere(0, held[0].replica) is None
    assert (version.total, version.in_flight, held[0].replica.held) == (2, 4, 1)


def test_there_is_no_slot_elsewhere_where_there_is_no_other_replica():
    version = admission("x", slots=2)
    slot = version.acquire("a", "client", 0.0)
    assert version.acquire_elsewhere("a", slot.replica) is None
    assert (version.in_flight, version.total) == (1, 1)


def test_a_slot_elsewhere_when_the_failed_replica_is_ejected():
    version = admission("x", "y")
    slot = version.acquire("a", "client", 0.0)
    version.connect_failed(slot.replica, 0.0)
    assert version.acquire_elsewhere("a", slot.replica).replica.id == "y"
    assert version.acquire_elsewhere("a", slot.replica) is None


# -- replicas ----------------------------------------------------------------------------------------------------------


def test_a_new_replica_serves_as_many_as_it_has_slots():
    version = admission(slots=2, cold_start_s=1.0)
    version.expecting = True
    for waiter, now in (("late", 0.0), ("a", 1.0), ("b", 1.0), ("c", 1.0)):
        version.enqueue(waiter, "client", now)
    assert told(version.add_replica("x", None, 1.5)) == [("late", False), ("a", True), ("b", True)]
    assert (version.in_flight, version.queued) == (2, 1)


def test_a_new_replica_may_find_nobody_in_time():
    version = admission(cold_start_s=1.0)
    version.expecting = True
    version.enqueue("late", "client", 0.0)
    assert told(version.add_replica("x", None, 1.0)) == [("late", False)]
    assert version.acquire("a", "client", 1.0) is not None


def test_a_retired_replica_finishes_what_it_runs():
    version, [slot] = full("x")
    left = []
    version.enqueue("a", "client", 0.0)
    assert version.retire_replica("x", emptied=lambda: left.append("x")) is slot.replica
    assert version.retire_replica("x") is None
    assert version.release(slot, 0, 0.1) == ()
    assert (left, version.queued, version.replica("x")) == (["x"], 1, None)


def test_more_slots_serve_those_who_wait():
    version, _ = full("x")
    version.enqueue("a", "client", 0.0)
    assert told(version.apply(Limits(slots=2), 0.1)) == [("a", True)]


def test_a_replica_that_cannot_be_reached_is_left_alone_for_longer_and_longer():
    version = admission("x", "y")
    x = version.replica("x")
    assert version.connect_failed(x, 10.0) == pytest.approx(10.1)
    assert version.connect_failed(x, 10.0) is None  # it is away already
    assert version.total == 1
    assert version.readmit(x, 10.1) == []
    assert version.connect_failed(x, 20.0) == pytest.approx(20.2)
    version.readmit(x, 20.2)
    version.connected(x)
    assert version.connect_failed(x, 30.0) == pytest.approx(30.1)


def test_the_last_replica_is_never_left_alone():
    version = admission("x")
    assert version.connect_failed(version.replica("x"), 0.0) is None
    assert version.total == 1


def test_a_replica_that_left_and_came_back_has_no_past():
    version = admission("x", "y")
    version.connect_failed(version.replica("x"), 0.0)
    version.retire_replica("x")
    version.add_replica("x", None, 0.0)
    assert version.connect_failed(version.replica("x"), 0.0) == pytest.approx(0.1)


def test_when_only_ejected_replicas_are_left_they_are_tried():
    version, held = full("x", "y")
    x, y = (slot.replica for slot in held)
    version.connect_failed(x, 0.0)
    version.release(held[0], 0, 0.0)
    version.enqueue("a", "client", 0.0)
    assert version.readmit_all_if_none(0.1) == ()  # y is left
    version.retire_replica(y.id)
    assert told(version.readmit_all_if_none(0.1)) == [("a", True)]
    assert version.total == 1


def test_an_ejection_that_ends_serves_those_who_wait():
    version, held = full("x", "y")
    x = held[0].replica
    version.connect_failed(x, 0.0)
    assert version.release(held[0], 0, 0.0) == ()
    version.enqueue("a", "client", 0.0)
    assert told(version.readmit(x, 0.1)) == [("a", True)]


# -- numbers -----------------------------------------------------------------------------------------------------------


def utilization(version):
    """As the metrics page has it, of these numbers."""
    slots = version.total * version.limits.slots
    load = VersionLoad(version.busy, version.total, slots, version.in_flight, version.queued, None, 100.0)
    return load.utilization


def test_utilization_is_demand_by_room():
    version = admission("x", "y", slots=2)
    assert utilization(version) == 0.0
    version.acquire("a", "client", 0.0)
    assert utilization(version) == 0.25
    for n in range(4):
        if version.acquire(n, "client", 0.0) is None:
            version.enqueue(n, "client", 0.0)
    assert utilization(version) == 1.25


def test_utilization_without_replicas_is_all_or_nothing():
    version = admission()
    assert utilization(version) == 0.0
    version.expecting = True
    version.enqueue("a", "client", 0.0)
    assert utilization(version) == 1.0


def test_what_is_refused_is_load_as_well():
    version, _ = full("x", queue_length=0)
    arrivals = version.load.arrivals
    for n in range(3):
        assert version.acquire(n, "stubborn", 1.0 + n) is None
        version.enqueue(n, "stubborn", 1.0 + n)
    assert (version.load.arrivals, version.load.repeats) == (arrivals + 1, 2)
    assert version.load.retrying(4.0) == 1


def test_numbers_are_printed():
    version, _ = full("x")
    version.enqueue("a", "client", 0.0)
    assert repr(version) == "<Admission busy=1 total=1 in_flight=1 queued=1>"


# -- random schedules --------------------------------------------------------------------------------------------------


class Waiter:
    def __init__(self, number, client):
        self.number = number
        self.client = client
        self.ends = []  # of its waiting; exactly one in the end

    def __repr__(self):
        return f"w{self.number}"


class Seat:
    """A replica as the machine below sees it. `lease`: its limit, or None where it has all slots."""

    def __init__(self, replica, lease):
        self.replica = replica
        self.lease = lease
        self.held = 0
        self.available = True
        self.retired = False
        self.until = 0.0  # when its last ejection ends


class RandomSchedules(RuleBasedStateMachine):
    """The model serves by the rule itself: while somebody waits and a slot is free, the first in time gets it.

    Where slots are leased it is the lessor, too. Then what is recalled goes back as soon as it is idle, or comes back.
    """

    leased = False

    @initialize(slots=st.integers(1, 3), expecting=st.booleans())
    def begin(self, slots, expecting):
        self.now = 0.0
        self.limits = Limits(slots=slots, queue_wait_s=1.0, queue_length=3, cold_start_s=4.0)
        self.hungry = self.yields = 0
        self.starved = False  # told since somebody began to wait for a slot of a replica
        self.bounds = dict.fromkeys("xyz", 0)  # before this step
        self.lent = set()  # in this step
        self.fell = {}  # as told in this step
        self.woken = 0
        self.expected_woken = 0
        self.version = Admission(self.limits, lessor=self, woken=self._wake)
        self.version.expecting = expecting
        self.seats = {}
        self.waiting = []  # (waiter, deadline)
        self.holding = {}  # waiter -> slot
        self.numbers = count()
        self.offers = 0
        self.arrivals = 0
        self.refused_at = {}

    # what the version tells its lessor

    def starving(self):
        self.starved = True

    def lowered(self, replica):
        self.fell[replica.id] = replica.bound

    def _wake(self, version):
        assert version is self.version
        self.woken += 1

    # what the model says

    def _available(self):
        return [seat for seat in self.seats.values() if seat.available]

    def _seat(self, slot):
        return next(seat for seat in self.seats.values() if seat.replica is slot.replica)

    def _limit(self, seat):
        if seat.retired:
            return 0
        return self.limits.slots if seat.lease is None else seat.lease

    def _room(self, *seats):
        """Free slots, of all seats that are available, or of these."""
        return sum(max(0, self._limit(seat) - seat.held) for seat in seats or self._available())

    def _handed_back(self, slots):
        """Exactly so many slots have left since the model last looked."""
        gone = {seat: self._limit(seat) - seat.replica.limit for seat in self.seats.values()}
        assert min(gone.values(), default=0) >= 0
        assert sum(gone.values()) == slots
        for seat, lost in gone.items():
            if lost:
                seat.lease = seat.replica.limit
        self.hungry = max(0, self.hungry - slots)
        self.yields = max(0, self.yields - slots)

    def _obey(self, grants):
        """Checks grants against the rule, and takes them over."""
        room, expected = self._room(), []
        while self.waiting and room:
            waiter, deadline = self.waiting.pop(0)
            in_time = self.now < deadline
            expected.append((waiter, in_time))
            room -= in_time
        assert told(grants) == expected
        for waiter, slot in grants:
            if slot is None:
                self._lapse(waiter)
            else:
                waiter.ends.append("granted")
                self._hold(waiter, slot)
        self._handed_back(min(self._room(), max(self.hungry, self.yields)))

    def _hold(self, waiter, slot):
        seat = self._seat(slot)
        assert slot.holder is waiter
        assert seat.available
        seat.held += 1
        assert seat.held <= self._limit(seat)
        self.holding[waiter] = slot

    def _lapse(self, waiter):
        waiter.ends.append("late")
        outcome = self.version.lapse(waiter, waiter.client, self.now)
        assert outcome is (Outcome.QUEUE_TIMEOUT if self._available() else Outcome.NO_REPLICAS)
        self.refused_at[waiter.client] = self.now

    def _enqueue(self, waiter, first):
        decision = self.version.enqueue(waiter, waiter.client, self.now, first)
        if not self._available() and not self.version.expecting:
            assert decision == Refused(Outcome.NO_REPLICAS)
        elif len(self.waiting) >= self.limits.queue_length:
            assert decision == Refused(Outcome.QUEUE_FULL)
        else:
            wait = self.limits.queue_wait_s if self._available() else self.limits.cold_start_s
            assert decision == Queued(self.now + wait)
            self.waiting.insert(0 if first else len(self.waiting), (waiter, self.now + wait))
            waiter.ends = []
            return
        waiter.ends.append("refused")
        self.refused_at[waiter.client] = self.now

    def _release(self, waiter):
        slot = self.holding.pop(waiter)
        seat = self._seat(slot)
        of_use = seat.available and seat.held <= self._limit(seat)
        recalled = of_use and (self.yields > 0 or (self.hungry > 0 and not self.waiting))
        grants = self.version.release(slot, waiter, self.now)
        assert all(granted is slot for _, granted in grants if granted is not None)
        seat.held -= 1
        if recalled:
            assert grants == ()
            assert seat.replica.limit == self._limit(seat) - 1
            self._handed_back(1)
        else:
            self._obey(grants)
        if seat.retired and not seat.held:
            del self.seats[seat.replica.id]

    # what may happen

    @rule(clients=st.text("stu", min_size=1, max_size=4))
    def offer(self, clients):
        for client in clients:
            self._offer(client)

    def _offer(self, client):
        waiter = Waiter(next(self.numbers), client)
        self.offers += 1
        refused_at = self.refused_at.pop(client, None)
        self.arrivals += refused_at is None or self.now - refused_at > RETRY_MEMORY_S
        self.expected_woken += not self.version.awake
        room = self._room()
        slot = self.version.acquire(waiter, client, self.now)
        assert (slot is not None) == (room > 0)
        if slot is not None:
            self._hold(waiter, slot)
        else:
            self._enqueue(waiter, first=False)

    @precondition(lambda self: self.holding)
    @rule(data=st.data())
    def release(self, data):
        self._release(data.draw(st.sampled_from(list(self.holding))))

    @precondition(lambda self: self.holding)
    @rule(data=st.data())
    def try_elsewhere(self, data):
        """Its replica failed: another one's slot, or, where that one is ejected, first in the queue."""
        waiter = data.draw(st.sampled_from(list(self.holding)))
        seat = self._seat(self.holding[waiter])
        room = self._room() - (self._room(seat) if seat.available else 0)
        other = self.version.acquire_elsewhere(waiter, seat.replica)
        assert (other is not None) == (room > 0)
        if other is not None:
            assert other.replica is not seat.replica
            self._release(waiter)
            self._hold(waiter, other)
        elif not seat.available:
            self._release(waiter)
            self._enqueue(waiter, first=True)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data):
        waiter, deadline = data.draw(st.sampled_from(self.waiting))
        assert self.version.withdraw(waiter)
        assert not self.version.withdraw(waiter)
        self.waiting.remove((waiter, deadline))
        waiter.ends.append("withdrawn")

    @rule(seconds=st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule()
    def deadlines_pass(self):
        for waiter, deadline in list(self.waiting):
            if deadline <= self.now:
                self.waiting.remove((waiter, deadline))
                self._lapse(waiter)

    @rule(id=st.sampled_from("xyz"), limit=st.integers(0, 3))
    def add_replica(self, id, limit):
        seat = self.seats.get(id)
        if seat is not None and seat.available:
            return
        lease = limit if self.leased else None
        grants = self.version.add_replica(id, id, self.now, lease)
        if seat is None:
            seat = self.seats[id] = Seat(self.version.replica(id), lease)
        assert self.version.replica(id) is seat.replica
        seat.available, seat.retired, seat.lease = True, False, lease
        self.lent.add(id)
        self._obey(grants)

    @rule(id=st.sampled_from("xyz"))
    def retire_replica(self, id):
        seat = self.seats.get(id)
        retired = self.version.retire_replica(id)
        assert retired is (None if seat is None or seat.retired else seat.replica)
        if seat is not None:
            seat.available, seat.retired, seat.until = False, True, 0.0
            if not seat.held:
                del self.seats[id]
        grants = self.version.readmit_all_if_none(self.now)
        if not self._available():
            for seat in self.seats.values():
                seat.available = not seat.retired
        self._obey(grants)

    @precondition(lambda self: self.seats)
    @rule(data=st.data())
    def connect_failed(self, data):
        seat = self.seats[data.draw(st.sampled_from(sorted(self.seats)))]
        ejected = seat.available and len(self._available()) > 1
        until = self.version.connect_failed(seat.replica, self.now)
        assert (until is not None) == ejected
        if ejected:
            assert until > self.now
            seat.available, seat.until = False, until

    @precondition(lambda self: self.seats)
    @rule(data=st.data())
    def readmit(self, data):
        """Also by the end of an earlier ejection, which ends nothing."""
        seat = self.seats[data.draw(st.sampled_from(sorted(self.seats)))]
        grants = self.version.readmit(seat.replica, self.now)
        if self.now >= seat.until:
            seat.available = not seat.retired
        self._obey(grants)

    @precondition(lambda self: self.seats)
    @rule(data=st.data())
    def connected(self, data):
        seat = self.seats[data.draw(st.sampled_from(sorted(self.seats)))]
        self.version.connected(seat.replica)
        seat.until = 0.0

    @rule(slots=st.integers(1, 3), queue_length=st.integers(0, 3), queue_wait_s=st.sampled_from([0.0, 0.5, 1.0]))
    def apply(self, slots, queue_length, queue_wait_s):
        self.limits = Limits(slots=slots, queue_length=queue_length, queue_wait_s=queue_wait_s, cold_start_s=4.0)
        self.lent.update(() if self.leased else "xyz")
        self._obey(self.version.apply(self.limits, self.now))

    @precondition(lambda self: self.leased)
    @rule(id=st.sampled_from("xyz"), limit=st.integers(0, 4))
    def lend(self, id, limit):
        grants = self.version.lend(id, limit, self.now)
        seat = self.seats.get(id)
        if seat is None or seat.retired:
            assert grants == ()
            return
        seat.lease = limit
        self.lent.add(id)
        self._obey(grants)

    @precondition(lambda self: self.leased)
    @rule(hungry=st.integers(0, 4), yields=st.integers(0, 2))
    def recall(self, hungry, yields):
        self.version.recall(hungry, yields)
        self.hungry, self.yields = hungry, yields
        self._handed_back(min(self._room(), max(hungry, yields)))

    @rule()
    def fall_asleep(self):
        self.version.awake = False

    @rule(expecting=st.booleans())
    def expect(self, expecting):
        self.version.expecting = expecting

    # what holds at all times

    @invariant()
    def nobody_waits_while_a_slot_is_free(self):
        assert not (self.waiting and self._room())

    @invariant()
    def nothing_is_idle_while_others_want_it(self):
        assert not ((self.hungry or self.yields) and self._room())

    @invariant()
    def whoever_starves_is_heard(self):
        if self.waiting and self._available():
            assert self.starved
        else:
            self.starved = False

    @invariant()
    def bounds_rise_by_what_is_lent_alone_and_each_fall_is_heard(self):
        for id, before in self.bounds.items():
            seat, bound = self.seats.get(id), self.version.bound(id)
            assert bound == (max(seat.held, self._limit(seat)) if seat else 0)
            assert bound <= before or id in self.lent
            assert bound >= before or id in self.fell
            assert self.fell.get(id, bound) == bound
            self.bounds[id] = bound
        self.lent.clear()
        self.fell.clear()

    @invariant()
    def numbers_are_right(self):
        version, available = self.version, self._available()
        assert version.in_flight == len(self.holding) == sum(seat.held for seat in self.seats.values())
        assert version.queued == len(self.waiting)
        assert version.total == len(available)
        assert version.busy == sum(seat.held > 0 for seat in available)
        assert version.held_by_replica() == {id: seat.held for id, seat in self.seats.items() if seat.held}
        assert self.woken == self.expected_woken
        demand, room = len(self.holding) + len(self.waiting), len(available) * self.limits.slots
        assert utilization(version) == demand / max(1, room)

    @invariant()
    def every_slot_has_its_one_holder(self):
        assert all(slot.holder is waiter for waiter, slot in self.holding.items())
        assert len(set(self.holding.values())) == len(self.holding)
        assert all(seat.replica.held == seat.held for seat in self.seats.values())

    @invariant()
    def waiting_ends_in_one_way(self):
        assert all(waiter.ends == [] for waiter, _ in self.waiting)
        assert all(len(waiter.ends) <= 1 for waiter in self.holding)

    @invariant()
    def load_is_counted_by_client(self):
        load = self.version.load
        assert (load.arrivals, load.repeats) == (self.arrivals, self.offers - self.arrivals)
        assert load.retrying(self.now) == sum(self.now - at <= RETRY_MEMORY_S for at in self.refused_at.values())

    def teardown(self):
        if not hasattr(self, "version"):
            return
        while self.holding:
            self._release(next(iter(self.holding)))
        assert self.version.in_flight == 0
        assert self.version.busy == 0
        assert not (self.waiting and self._room())


class RandomLeases(RandomSchedules):
    leased = True


TestRandomSchedules = RandomSchedules.TestCase
TestRandomLeases = RandomLeases.TestCase
TestRandomLeases.settings = settings(max_examples=300)  # more rules, more to find
