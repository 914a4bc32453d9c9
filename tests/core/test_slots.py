"""Slots: the rules one by one, then random operations against a model that keeps plain lists."""

from itertools import count

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from router.core.slots import SlotTable
from router.errors import SlotMisuse


def table(*ids, capacity=1):
    slots = SlotTable(capacity)
    for id in ids:
        slots.add(id, f"to {id}")
    return slots


def take(slots, holder):
    slot = slots.take(holder)
    assert slot is not None
    return slot


def ids_taken(slots, times):
    return "".join(take(slots, object()).replica.id for _ in range(times))


def test_an_empty_table_gives_nothing():
    slots = table()
    assert slots.take("a") is None
    assert not slots.has_free
    assert (slots.busy, slots.total, slots.held) == (0, 0, 0)


def test_every_replica_gives_as_many_slots_as_it_has():
    slots = table("x", "y", capacity=2)
    assert ids_taken(slots, 4) == "xyxy"
    assert slots.take("e") is None


def test_the_least_busy_replica_is_taken_first():
    slots = table("x", "y", capacity=3)
    held = [take(slots, n) for n in range(4)]  # x y x y
    slots.give_back(held[1], 1)
    slots.give_back(held[3], 3)
    assert ids_taken(slots, 4) == "yyxy"


def test_among_equals_the_one_that_waited_longest():
    slots = table("x", "y", "z")
    first = take(slots, "a")
    slots.give_back(first, "a")
    assert ids_taken(slots, 3) == "yzx"


def test_a_slot_is_given_back_by_its_holder_and_once():
    slots = table("x")
    slot = take(slots, "a")
    with pytest.raises(SlotMisuse, match="does not hold it"):
        slots.give_back(slot, "b")
    slots.give_back(slot, "a")
    with pytest.raises(SlotMisuse):
        slots.give_back(slot, "a")
    with pytest.raises(SlotMisuse):
        slots.give_back(slot, None)
    assert slots.held == 0


def test_a_slot_handed_over_has_a_new_holder_and_was_never_free():
    slots = table("x")
    slot = take(slots, "a")
    slots.hand_over(slot, "a", "b")
    assert slots.take("c") is None
    with pytest.raises(SlotMisuse):
        slots.give_back(slot, "a")
    slots.give_back(slot, "b")
    assert slots.has_free


def test_a_retired_replica_leaves_with_its_last_slot():
    slots, left = table("x", capacity=2), []
    held = [take(slots, n) for n in range(2)]
    assert slots.retire("x", emptied=lambda: left.append("x")) is held[0].replica
    assert (slots.total, slots.busy, slots.held) == (0, 0, 2)
    slots.give_back(held[0], 0)
    assert slots.take("a") is None
    assert (left, slots.get("x")) == ([], held[0].replica)
    slots.give_back(held[1], 1)
    assert (left, slots.get("x"), slots.held) == (["x"], None, 0)


def test_an_idle_replica_leaves_at_once():
    slots, left = table("x"), []
    slots.retire("x", emptied=lambda: left.append("x"))
    assert left == ["x"]
    assert list(slots) == []


def test_nobody_need_be_told_that_a_replica_has_left():
    slots = table("x")
    slots.retire("x")
    assert slots.get("x") is None


def test_unknown_and_retired_replicas_are_not_retired():
    slots = table("x")
    take(slots, "a")
    assert slots.retire("y") is None
    assert slots.retire("x") is not None
    assert slots.retire("x") is None


def test_a_replica_that_is_there_is_not_added():
    with pytest.raises(ValueError, match="replica x is there already"):
        table("x", "x")


def test_a_retired_replica_that_is_added_again_keeps_its_requests_and_gets_the_new_upstream():
    slots, left = table("x", capacity=2), []
    slot = take(slots, "a")
    slots.retire("x", emptied=lambda: left.append("x"))
    assert slots.add("x", "new") is slot.replica
    assert slot.replica.upstream == "new"  # the old one was closed with the retirement
    assert (slots.total, slots.busy, slots.held) == (1, 1, 1)
    assert ids_taken(slots, 1) == "x"
    assert slots.take("c") is None
    slots.give_back(slot, "a")
    assert left == []  # it did not leave


def test_an_ejected_replica_gives_no_slot_until_it_is_readmitted():
    slots = table("x", "y", capacity=2)
    slot = take(slots, "a")
    x = slot.replica
    slots.eject(x)
    slots.eject(x)  # twice is once
    assert (slots.total, slots.busy, slots.held) == (1, 0, 1)
    assert ids_taken(slots, 2) == "yy"
    slots.give_back(slot, "a")
    assert slots.take("b") is None
    slots.readmit(x)
    slots.readmit(x)
    assert (slots.total, ids_taken(slots, 2)) == (2, "xx")


def test_a_retired_replica_is_not_readmitted():
    slots = table("x")
    slot = take(slots, "a")
    slots.retire("x")
    slots.readmit(slot.replica)
    assert slots.total == 0


def test_adding_an_ejected_replica_readmits_it():
    slots = table("x")
    x = slots.get("x")
    slots.eject(x)
    assert slots.add("x", "again") is x
    assert ids_taken(slots, 1) == "x"


def test_slots_above_a_smaller_capacity_vanish_as_they_come_back():
    slots = table("x", capacity=3)
    held = [take(slots, n) for n in range(3)]
    slots.resize(1)
    assert slots.capacity == 1
    for n in range(2):
        assert not slots.can_pass_on(held[n], n)
        slots.give_back(held[n], n)
        assert slots.take("a") is None
    assert slots.can_pass_on(held[2], 2)
    slots.give_back(held[2], 2)
    assert ids_taken(slots, 1) == "x"
    assert slots.take("a") is None


def test_a_larger_capacity_counts_at_once():
    slots = table("x")
    take(slots, "a")
    slots.resize(3)
    assert ids_taken(slots, 2) == "xx"
    assert slots.take("d") is None


def test_another_capacity_does_not_change_whose_turn_it_is():
    slots = table("x", "y", "z", capacity=2)
    slots.give_back(take(slots, "a"), "a")
    slots.resize(4)
    assert ids_taken(slots, 3) == "yzx"


def test_the_same_capacity_changes_nothing():
    slots = table("x")
    slots.resize(1)
    assert ids_taken(slots, 1) == "x"
    assert slots.take("b") is None


def leased(lowered=None, capacity=4, **limits):
    slots = SlotTable(capacity, lowered)
    for id, limit in limits.items():
        slots.add(id, f"to {id}", limit)
    return slots


def test_of_a_leased_replica_its_limit_is_given_out_and_no_more():
    slots = leased(x=1, y=3)
    assert ids_taken(slots, 4) == "xyyy"
    assert slots.take("e") is None
    assert repr(slots.get("y")) == "<Replica y 3/3 ready>"


def test_a_replica_of_which_nothing_is_leased_is_there_and_idle():
    slots = leased(x=0, y=1)
    assert (slots.total, slots.busy) == (2, 0)
    assert ids_taken(slots, 1) == "y"
    assert slots.take("b") is None
    assert (slots.total, slots.busy) == (2, 1)
    slots.eject(slots.get("x"))
    assert (slots.total, slots.busy) == (1, 1)
    slots.readmit(slots.get("x"))
    slots.retire("x")
    assert (slots.total, slots.busy) == (1, 1)


def test_a_limit_may_be_more_than_the_capacity_and_does_not_follow_it():
    slots = leased(capacity=1, x=2, y=None)
    slots.resize(3)
    assert [replica.limit for replica in slots] == [2, 3]
    slots.limit(slots.get("y"), 1)
    slots.resize(2)
    assert [replica.limit for replica in slots] == [2, 1]


def test_a_raised_limit_counts_at_once():
    slots = leased(x=0)
    x = slots.get("x")
    slots.limit(x, 2)
    assert ids_taken(slots, 2) == "xx"
    slots.limit(x, 5)
    assert ids_taken(slots, 3) == "xxx"
    assert slots.take("f") is None


def test_slots_held_above_a_lowered_limit_vanish_as_they_come_back():
    slots = leased(x=3)
    x, held = slots.get("x"), [take(slots, n) for n in range(3)]
    slots.limit(x, 0)
    for n in range(3):
        assert x.bound == 3 - n
        assert not slots.can_pass_on(held[n], n)
        slots.give_back(held[n], n)
        assert slots.take("a") is None
    assert (x.bound, slots.total, slots.busy) == (0, 1, 0)


def test_another_limit_does_not_change_whose_turn_it_is():
    slots = leased(x=2, y=2, z=2)
    slots.give_back(take(slots, "a"), "a")
    for id in "yx":
        slots.limit(slots.get(id), 3)
    assert ids_taken(slots, 3) == "yzx"


def test_a_replica_that_has_slots_to_give_again_is_the_last_of_its_level():
    slots = leased(x=0, y=2)
    slots.limit(slots.get("x"), 1)
    assert ids_taken(slots, 2) == "yx"


def test_whoever_leases_hears_of_each_bound_that_falls():
    heard = []
    slots = leased(lambda replica: heard.append((replica.id, replica.bound)), x=3)
    x, held = slots.get("x"), [take(slots, n) for n in range(2)]
    slots.limit(x, 4)
    assert heard == []
    slots.limit(x, 1)
    assert heard == [("x", 2)]  # two are held
    slots.give_back(held[0], 0)
    assert heard == [("x", 2), ("x", 1)]
    slots.limit(x, 2)
    slots.retire("x")
    slots.give_back(held[1], 1)
    assert heard == [("x", 2), ("x", 1), ("x", 1), ("x", 0)]


def test_a_retired_replica_comes_back_with_the_limit_that_it_is_added_with():
    slots = leased(x=3)
    held = [take(slots, n) for n in range(2)]
    slots.retire("x")
    x = slots.add("x", "again", 1)
    assert (x.limit, x.bound, slots.has_free) == (1, 2, False)
    for n in range(2):
        slots.give_back(held[n], n)
    assert ids_taken(slots, 1) == "x"
    assert slots.take("a") is None


def test_a_slot_of_a_replica_that_is_not_available_is_not_passed_on():
    slots = table("x", "y")
    slot = take(slots, "a")
    assert slots.can_pass_on(slot, "a")
    slots.eject(slot.replica)
    assert not slots.can_pass_on(slot, "a")
    with pytest.raises(SlotMisuse):
        slots.can_pass_on(slot, "b")


def test_numbers_are_printed():
    slots = table("x", "y", "z", capacity=2)
    slot = take(slots, "a")
    assert repr(slots) == "<SlotTable busy=1 total=3 held=1 capacity=2>"
    assert repr(slot.replica) == "<Replica x 1/2 ready>"
    slots.eject(slot.replica)
    assert repr(slot.replica) == "<Replica x 1/2 ejected>"
    slots.retire("x")
    assert repr(slot.replica) == "<Replica x 1/0 retired>"


class Model:
    """One replica as the machine below sees it. `lease`: its own limit, or None."""

    def __init__(self, replica):
        self.replica = replica
        self.held = 0
        self.available = True
        self.retired = False
        self.lease = None
        self.heard = 0  # its bound, as told


class RandomOperations(RuleBasedStateMachine):
    """`turns` is the naive order: the available replicas, at the end the one whose level changed last, or that had no
    slot to give and has one again."""

    @initialize(capacity=st.integers(1, 4))
    def begin(self, capacity):
        self.slots = SlotTable(capacity, self._hear)
        self.capacity = capacity
        self.models = {}
        self.turns = []
        self.holders = []  # (holder, slot)
        self.released = []  # (former holder, slot)
        self.left = []
        self.expected_left = []
        self.generations = count()

    def _end_of_turn(self, model):
        if model in self.turns:
            self.turns.remove(model)
        if model.available:
            self.turns.append(model)

    def _hear(self, replica):
        model = next(model for model in self.models.values() if model.replica is replica)
        assert replica.bound < model.heard
        model.heard = replica.bound

    def _limit(self, model):
        if model.retired:
            return 0
        return self.capacity if model.lease is None else model.lease

    def _has_room(self, model):
        return model.available and model.held < self._limit(model)

    def _raised(self, model):
        """After what may raise a limit: the bound may be more than was heard."""
        model.heard = max(model.heard, self._limit(model))

    def _model(self, slot):
        return next(model for model in self.models.values() if model.replica is slot.replica)

    @rule()
    def take(self):
        room = [model for model in self.turns if self._has_room(model)]
        holder = object()
        slot = self.slots.take(holder)
        if not room:
            assert slot is None
            return
        expected = min(room, key=lambda model: model.held)  # min takes the first of equals
        assert slot is not None
        assert slot.replica is expected.replica
        assert all(slot is not other for _, other in self.holders)
        expected.held += 1
        assert slot.replica.held == expected.held <= self._limit(expected)
        self._end_of_turn(expected)
        self.holders.append((holder, slot))

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def give_back(self, data):
        holder, slot = self.holders.pop(data.draw(st.integers(0, len(self.holders) - 1)))
        model = self._model(slot)
        self.slots.give_back(slot, holder)
        model.held -= 1
        self._end_of_turn(model)
        self.released.append((holder, slot))
        self._leave_if_done(model)

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def hand_over(self, data):
        at = data.draw(st.integers(0, len(self.holders) - 1))
        holder, slot = self.holders[at]
        successor = object()
        self.slots.hand_over(slot, holder, successor)
        self.holders[at] = (successor, slot)
        self.released.append((holder, slot))

    @precondition(lambda self: self.released)
    @rule(data=st.data(), hand_over=st.booleans())
    def misuse(self, data, hand_over):
        """A former holder, or a stranger, has no say over a slot."""
        holder, slot = data.draw(st.sampled_from(self.released))
        for who in (holder, object(), None):
            with pytest.raises(SlotMisuse):
                self.slots.hand_over(slot, who, object()) if hand_over else self.slots.give_back(slot, who)

    @rule(id=st.sampled_from("abcd"), lease=st.none() | st.integers(0, 5))
    def add(self, id, lease):
        model = self.models.get(id)
        if model is not None and model.available:
            with pytest.raises(ValueError, match="there already"):
                self.slots.add(id, id, lease)
            return
        replica = self.slots.add(id, id, lease)
        if model is None:
            model = self.models[id] = Model(replica)
        assert replica is model.replica
        model.available, model.retired, model.lease = True, False, lease
        self._raised(model)
        self._end_of_turn(model)

    @rule(id=st.sampled_from("abcd"), tell=st.booleans())
    def retire(self, id, tell):
        model = self.models.get(id)
        generation = next(self.generations)
        retired = self.slots.retire(id, (lambda: self.left.append(generation)) if tell else None)
        if model is None or model.retired:
            assert retired is None
            return
        assert retired is model.replica
        model.available, model.retired = False, True
        model.generation = generation if tell else None
        self._end_of_turn(model)
        self._leave_if_done(model)

    def _leave_if_done(self, model):
        if model.retired and not model.held:
            del self.models[model.replica.id]
            if model.generation is not None:
                self.expected_left.append(model.generation)

    @precondition(lambda self: self.models)
    @rule(data=st.data())
    def eject(self, data):
        model = self.models[data.draw(st.sampled_from(sorted(self.models)))]
        self.slots.eject(model.replica)
        model.available = False
        self._end_of_turn(model)

    @precondition(lambda self: self.models)
    @rule(data=st.data())
    def readmit(self, data):
        model = self.models[data.draw(st.sampled_from(sorted(self.models)))]
        self.slots.readmit(model.replica)
        if not model.available and not model.retired:
            model.available = True
            self._end_of_turn(model)

    @rule(capacity=st.integers(1, 4))
    def resize(self, capacity):
        full = [model for model in self.models.values() if not self._has_room(model)]
        self.slots.resize(capacity)
        self.capacity = capacity
        self._have_room_again(full)

    @precondition(lambda self: any(not model.retired for model in self.models.values()))
    @rule(data=st.data(), limit=st.integers(0, 5))
    def limit(self, data, limit):
        ids = sorted(id for id, model in self.models.items() if not model.retired)
        model = self.models[data.draw(st.sampled_from(ids))]
        full = [] if self._has_room(model) else [model]
        self.slots.limit(model.replica, limit)
        model.lease = limit
        self._have_room_again(full)

    def _have_room_again(self, full):
        for model in self.models.values():
            self._raised(model)
        for model in full:
            if self._has_room(model):
                self._end_of_turn(model)

    @invariant()
    def totals_are_right(self):
        available = [model for model in self.models.values() if model.available]
        assert self.slots.total == len(available) == len(self.turns)
        assert self.slots.busy == sum(model.held > 0 for model in available)
        assert self.slots.held == sum(model.held for model in self.models.values()) == len(self.holders)
        assert self.slots.has_free == any(self._has_room(model) for model in available)
        assert self.slots.capacity == self.capacity
        assert {replica.id: replica for replica in self.slots} == {id: m.replica for id, m in self.models.items()}
        assert all(self.slots.get(id) is (self.models[id].replica if id in self.models else None) for id in "abcd")
        assert self.left == self.expected_left  # each retirement ends once

    @invariant()
    def each_fall_of_a_bound_was_heard(self):
        for model in self.models.values():
            assert model.heard == model.replica.bound == max(model.held, self._limit(model))

    @invariant()
    def held_and_free_slots_make_the_limit_and_are_all_different(self):
        tokens = [slot for _, slot in self.holders]
        for model in self.models.values():
            replica = model.replica
            assert (replica.held, replica.available, replica.retired) == (model.held, model.available, model.retired)
            limit = self._limit(model)
            assert replica.limit == limit
            assert len(replica.free) == max(0, limit - model.held)  # 0: more held than a lower limit has
            assert all(slot.replica is replica and slot.holder is None for slot in replica.free)
            tokens += replica.free
        assert len(set(tokens)) == len(tokens)
        assert all(slot.holder is holder for holder, slot in self.holders)


TestRandomOperations = RandomOperations.TestCase
