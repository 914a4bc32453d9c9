"""The lessor's table by examples: what it says to whom, and what comes of it when time goes by."""

import pytest

from router.core.fairness import Account
from router.core.lease_outbox import RESEND_S
from router.core.lease_table import LeaseTable
from router.core.leasehold import Leasehold
from router.core.leases import Bound, Demand, Lease, Recall
from tests.core.lease_simulation import GROUP, Simulation


def table_with(*holders, **slots):
    """Its holders have confirmed what they were leased."""
    table = LeaseTable()
    for holder in holders:
        table.join(holder, 0.0)
    for replica, n in slots.items():
        confirm(table, table.add_replica(GROUP, replica, n, 0.0))
    return table


def confirm(table, effects, now=0.0):
    """Returns what is said in answer."""
    return [
        answer
        for holder, lease in effects
        if isinstance(lease, Lease)
        for answer in table.bound(holder, Bound(lease.group, lease.replica, lease.number, lease.limit), now)
    ]


def leases(effects):
    return {(holder, each.replica): each.limit for holder, each in effects if isinstance(each, Lease)}


def recalls(effects):
    return {holder: (each.hungry, each.yields) for holder, each in effects if isinstance(each, Recall)}


def hand_back(table, holder, replica, bound, now=0.0, *, number=None):
    number = table._groups[GROUP]._parties[holder].holdings[replica].number if number is None else number
    return table.bound(holder, Bound(GROUP, replica, number, bound), now)


# -- what one holder can be using --------------------------------------------------------------------------------------


def test_a_lease_counts_from_when_it_is_sent_and_a_lower_one_from_when_it_was_seen():
    holding = Leasehold()
    holding.lease(1, 3)
    assert holding.ceiling == 3
    holding.bounded(1, 3)
    holding.lease(2, 1)
    assert holding.ceiling == 3
    holding.bounded(2, 2)  # seen, but one more is still held
    assert (holding.ceiling, holding.limit) == (2, 1)
    holding.bounded(2, 1)
    assert (holding.ceiling, holding.limit) == (1, 1)


def test_a_lease_on_its_way_keeps_the_ceiling_up_whatever_an_older_bound_says():
    holding = Leasehold()
    holding.lease(1, 1)
    holding.lease(2, 3)
    holding.lease(3, 2)
    holding.bounded(1, 0)
    assert holding.ceiling == 3
    holding.bounded(2, 0)
    assert holding.ceiling == 2
    holding.bounded(3, 0)
    assert (holding.ceiling, holding.limit) == (0, 0)


def test_bounds_may_come_late_twice_and_from_nowhere():
    holding = Leasehold()
    holding.lease(1, 1)
    holding.lease(2, 3)
    for number, bound in [(2, 2), (1, 1), (2, 3), (2, 2), (7, 0)]:
        holding.bounded(number, bound)
        assert holding.ceiling == 2


# -- what lies at hand -------------------------------------------------------------------------------------------------


def test_a_single_holder_has_everything():
    table = LeaseTable()
    assert table.join("a", 0.0) == []
    assert table.add_replica(GROUP, "x", 3, 0.0) == [("a", Lease(GROUP, "x", 1, 3))]
    assert table.in_use(GROUP, "x") == 3


def test_the_first_to_join_gets_what_was_there_before():
    table = table_with(x=2, y=1)
    assert table.in_use(GROUP, "x") == 0
    assert leases(table.join("a", 0.0)) == {("a", "x"): 2, ("a", "y"): 1}


def test_slots_are_spread_evenly_over_all_and_the_odd_ones_over_the_replicas():
    table = table_with(*"abc", **{f"r{n}": 4 for n in range(30)})
    for holder in "abc":
        assert sum(table.ceiling(holder, GROUP, f"r{n}") for n in range(30)) == 40
    firsts = {next(h for h in "abc" if table.ceiling(h, GROUP, f"r{n}") == 2) for n in range(30)}
    assert firsts == set("abc")


def test_adding_many_replicas_looks_at_each_holder_once():
    asked = []
    table = LeaseTable(prefer=lambda replica, holder: asked.append(holder) or 0)
    for holder in "abcdefgh":
        table.join(holder, 0.0)
    for n in range(2000):
        table.add_replica(GROUP, f"r{n}", 16, 0.0)
    assert len(asked) == 2000 * 8


def test_nothing_is_said_while_leases_are_at_hand():
    table = table_with(*"ab", x=4)
    for in_flight in (1, 2, 0):
        assert table.demand("a", Demand(GROUP, 0, in_flight), 1.0) == []
    assert table.tick(100.0) == []
    assert table.due() is None


# -- when somebody starves ---------------------------------------------------------------------------------------------


def test_who_starves_gets_what_others_hand_back_and_then_it_is_over():
    table = table_with(*"ab", x=2)
    assert table.demand("a", Demand(GROUP, 1, 1), 0.0) == [("b", Recall(GROUP, 3, 1, 0))]
    effects = hand_back(table, "b", "x", 0)
    assert effects == [("b", Recall(GROUP, 5, 0, 0)), ("a", Lease(GROUP, "x", 4, 2))]
    assert confirm(table, effects) == []
    assert table.demand("a", Demand(GROUP, 0, 2), 0.0) == []


def test_what_is_on_its_way_is_not_asked_for_again():
    table = table_with(*"ab", x=4)
    assert recalls(table.demand("a", Demand(GROUP, 2, 2), 0.0)) == {"b": (2, 0)}
    assert leases(hand_back(table, "b", "x", 1)) == {("a", "x"): 3}
    assert recalls(table.demand("a", Demand(GROUP, 2, 2), 0.0)) == {}
    assert leases(hand_back(table, "b", "x", 0)) == {("a", "x"): 4}


def test_a_recall_that_is_used_up_is_followed_by_another_one_while_more_is_lacking():
    table = table_with(*"ab", x=6)
    assert recalls(table.demand("a", Demand(GROUP, 1, 3), 0.0)) == {"b": (1, 0)}
    assert recalls(table.demand("a", Demand(GROUP, 3, 3), 0.0)) == {}
    assert recalls(hand_back(table, "b", "x", 2)) == {"b": (2, 0)}


def test_what_is_leased_to_one_that_others_want_slots_of_is_asked_for_as_well():
    """It may have handed back what it was asked for while this lease was on its way."""
    table = table_with(*"ab", x=4)
    assert recalls(table.demand("a", Demand(GROUP, 1, 2), 0.0)) == {"b": (1, 0)}
    assert recalls(table.demand("b", Demand(GROUP, 1, 2), 0.0)) == {"a": (1, 0)}
    lease, recall = table.add_replica(GROUP, "y", 1, 0.0)[-2:]
    assert (lease[0], recall[0]) == (lease[0],) * 2
    assert (lease[1].limit, recall[1].hungry) == (1, 1)


def test_slots_of_a_replica_that_cannot_be_reached_from_there_do_not_count():
    table = table_with(*"ab", x=1, y=1)
    assert table.ceiling("a", GROUP, "x") + table.ceiling("a", GROUP, "y") == 1
    assert recalls(table.demand("a", Demand(GROUP, 1, 0), 0.0)) == {"b": (1, 0)}


def test_a_new_replica_goes_to_those_that_starve():
    table = table_with(*"ab", x=2)
    table.demand("b", Demand(GROUP, 3, 1), 0.0)
    assert leases(table.add_replica(GROUP, "y", 3, 0.0)) == {("b", "y"): 3}


# -- fewer slots -------------------------------------------------------------------------------------------------------


def test_fewer_slots_lower_limits_and_nothing_is_given_until_it_fits():
    table = table_with(*"ab", x=4)
    lowered = table.resize(GROUP, "x", 1, 0.0)
    assert sorted(leases(lowered).values()) == [0, 1]
    assert table.in_use(GROUP, "x") == 4
    assert table.demand("a", Demand(GROUP, 5, 2), 0.0) != []
    assert leases(table.join("c", 0.0)) == {}
    assert leases(confirm(table, lowered)) == {}
    assert table.in_use(GROUP, "x") == 1


def test_a_replica_that_is_removed_is_forgotten_when_nobody_uses_it():
    table = table_with(*"ab", x=2)
    effects = table.remove_replica(GROUP, "x", 0.0)
    assert leases(effects) == {("a", "x"): 0, ("b", "x"): 0}
    assert table.in_use(GROUP, "x") == 2
    assert confirm(table, effects) == []
    assert (table.in_use(GROUP, "x"), table._groups) == (0, {})


def test_more_slots_before_the_fewer_were_seen():
    table = table_with("a", x=4)
    table.resize(GROUP, "x", 1, 0.0)
    assert table.resize(GROUP, "x", 4, 0.0) == []  # it may still be using all
    [again] = hand_back(table, "a", "x", 1)
    assert leases([again]) == {("a", "x"): 4}


# -- holders that go, and come -----------------------------------------------------------------------------------------


def test_the_slots_of_a_dead_holder_are_free_at_once():
    table = table_with(*"ab", x=2)
    assert leases(table.dead("b", 0.0)) == {("a", "x"): 2}


def test_what_a_dead_one_said_tells_nothing_about_its_successor():
    table = table_with("a", x=2)
    old = table._groups[GROUP]._parties["a"].holdings["x"].number
    table.dead("a", 0.0)
    table.join("a", 0.0)
    hand_back(table, "a", "x", 0, number=old)
    assert table.in_use(GROUP, "x") == 2


def test_the_slots_of_a_silent_holder_come_back_when_its_requests_have_ended():
    table = table_with(*"ab", x=2)
    table.silent("b", 0.0, {GROUP: 70.0})
    table.demand("a", Demand(GROUP, 1, 1), 1.0)
    assert table.due() == 70.0
    assert table.tick(69.9) == []
    assert leases(table.tick(70.0)) == {("a", "x"): 2}


def test_a_silent_holder_that_is_back_in_time_keeps_its_slots():
    table = table_with(*"ab", x=2)
    table.silent("b", 0.0, lambda group: 70.0)
    assert table.adopt("b", [Bound(GROUP, "x", 2, 1)], 5.0) == []
    assert table.join("b", 5.0) == []
    assert table.tick(100.0) == []
    assert table.ceiling("b", GROUP, "x") == 1


def test_one_that_comes_back_too_late_brings_what_it_still_uses():
    table = table_with(*"ab", x=2)
    number = table._groups[GROUP]._parties["b"].holdings["x"].number
    table.silent("b", 0.0, lambda group: 70.0)
    table.demand("a", Demand(GROUP, 1, 1), 1.0)
    assert leases(table.tick(70.0)) == {("a", "x"): 2}
    assert leases(table.adopt("b", [Bound(GROUP, "x", number, 1)], 80.0)) == {("a", "x"): 1}
    assert table.in_use(GROUP, "x") == 3


def test_what_is_not_answered_is_sent_again():
    table = LeaseTable()
    table.join("a", 0.0)
    [sent] = table.add_replica(GROUP, "x", 1, 0.0)
    assert table.due() == RESEND_S
    assert table.tick(RESEND_S - 0.1) == []
    assert table.tick(RESEND_S) == [sent]
    table.silent("a", 1.5, lambda group: 100.0)
    assert table.tick(2 * RESEND_S) == []
    [again] = table.join("a", 3.0)
    assert leases([again]) == leases([sent])
    assert confirm(table, [sent]) == []  # said before it was silent, and late
    assert table.due() == 3.0 + RESEND_S
    assert confirm(table, [again]) == []
    assert table.due() is None


# -- a fresh lessor ----------------------------------------------------------------------------------------------------


def fresh(*awaited):
    table = LeaseTable()
    table.unknown_until(20.0, awaited)
    return table


def test_a_fresh_lessor_gives_nothing_before_all_have_said_what_they_have():
    table = fresh("a", "b")
    table.add_replica(GROUP, "x", 3, 0.0)
    assert table.in_use(GROUP, "x") == 3
    assert table.adopt("a", [Bound(GROUP, "x", 9, 1)], 1.0) == []
    assert table.join("a", 1.0) == []
    assert table.demand("a", Demand(GROUP, 1, 1), 1.0) == []
    table.adopt("b", [], 2.0)
    [lease] = [each for _, each in table.join("b", 2.0) if isinstance(each, Lease) and each.limit == 2]
    assert lease.number > 9


@pytest.mark.parametrize("how", ["dead", "at last"])
def test_it_waits_for_nobody_who_is_dead_and_for_nobody_for_ever(how):
    table = fresh("b")
    table.join("a", 0.0)
    assert table.add_replica(GROUP, "x", 3, 0.0) == []
    assert table.due() == 20.0
    assert table.tick(19.9) == []
    effects = table.dead("b", 19.9) if how == "dead" else table.tick(20.0)
    assert leases(effects) == {("a", "x"): 3}


def test_leases_beyond_the_slots_are_lowered():
    table = fresh("a", "b")
    table.add_replica(GROUP, "x", 3, 0.0)
    for holder in "ab":
        table.adopt(holder, [Bound(GROUP, "x", 9, 3)], 1.0)
    effects = [*table.join("a", 1.0), *table.join("b", 1.0)]
    assert table.in_use(GROUP, "x") == 6
    confirm(table, effects)
    assert table.in_use(GROUP, "x") == 3


def test_a_replica_that_the_fresh_lessor_has_not_found_yet_is_left_to_who_has_it():
    table = fresh("a", "b")
    table.adopt("a", [Bound(GROUP, "x", 9, 1)], 1.0)
    assert table.join("a", 1.0) == []
    assert table.add_replica(GROUP, "x", 1, 2.0) == []
    table.adopt("b", [Bound(GROUP, "z", 7, 1)], 3.0)
    assert leases(table.join("b", 3.0)) == {("b", "z"): 0}  # by then it should have


def test_who_declines_a_lease_is_not_given_it_again_at_once():
    """A worker that came while the version was ending does not know it."""
    table = table_with("a", x=1)
    table.join("b", 0.0)
    offered = hand_back(table, "a", "x", 0)
    assert leases(offered) == {("b", "x"): 1}
    assert leases(hand_back(table, "b", "x", 0)) == {("a", "x"): 1}
    assert leases(hand_back(table, "a", "x", 0)) == {}
    table.demand("a", Demand(GROUP, 1, 0), 0.0)
    assert table.ceiling("a", GROUP, "x") == 1, "unless it wants it"


# -- slots that are given up -------------------------------------------------------------------------------------------


def test_what_holders_hand_back_is_given_up_until_it_is_enough():
    fell = []
    table = LeaseTable(lowered=lambda group, replica: fell.append(replica))
    table.join("a", 0.0)
    confirm(table, table.add_replica(GROUP, "x", 3, 0.0))
    assert recalls(table.give_up(GROUP, 2, 0, 0.0)) == {"a": (2, 0)}
    hand_back(table, "a", "x", 2)
    hand_back(table, "a", "x", 1)
    assert (table.slots(GROUP, "x"), table.bound_of(GROUP, "x"), fell) == (1, 1, ["x", "x"])
    assert leases(hand_back(table, "a", "x", 0)) == {("a", "x"): 1}


def test_who_starves_here_comes_before_the_hungry_elsewhere_but_not_before_what_is_to_yield():
    table = table_with(*"ab", x=4)
    table.demand("a", Demand(GROUP, 5, 2), 0.0)
    table.give_up(GROUP, 1, 0, 0.0)
    assert leases(hand_back(table, "b", "x", 1)) == {("a", "x"): 3}
    table.give_up(GROUP, 0, 1, 0.0)
    assert leases(hand_back(table, "b", "x", 0)) == {}
    assert table.slots(GROUP, "x") == 3


# -- fairness ----------------------------------------------------------------------------------------------------------


def test_a_debt_grows_and_fades_and_has_an_end():
    account = Account()
    account.judge(0.75, 0)
    account.accrue(0.1)
    assert account.owed == pytest.approx(0.075)
    assert account.deserves
    account.accrue(100.0)
    assert account.owed == 1.0
    account.judge(10.0, 10)
    account.accrue(0.4)
    assert account.owed == pytest.approx(0.6)
    assert not account.deserves


@pytest.mark.parametrize("service_s", [0.01, 0.05, 0.2])
def test_three_slots_go_round_among_four(service_s):
    world = Simulation({"x": 1, "y": 1, "z": 1}, "abcd", service_s=service_s)
    for name in "abcd":
        world.clients(name, 50)
    world.run(10.0)
    shares = [world.used[name] / world.now for name in "abcd"]
    assert shares == pytest.approx([0.75] * 4, rel=0.1)
    assert sum(world.leases.values()) <= 3 * world.now / 0.05
    assert world.starved_s <= 0.05


def test_parts_are_in_proportion_to_demand():
    world = Simulation({"x": 1, "y": 1, "z": 1}, "abcd")
    for name, clients in zip("abcd", (30, 10, 10, 10), strict=True):
        world.clients(name, clients)
    world.run(10.0)
    shares = [world.used[name] / world.now for name in "abcd"]
    assert shares == pytest.approx([1.5, 0.5, 0.5, 0.5], rel=0.1)


def test_many_slots_stay_where_they_are_while_demands_wobble():
    world = Simulation({f"r{n}": 32 for n in range(4)}, "ab")
    for name in "ab":
        world.clients(name, 80)
    for tenth in range(50):
        # a tenth more at one of them, for half of the time
        name = "ab"[tenth % 2]
        world.at(tenth * 0.1, lambda name=name: world.arrive(name, 8))
        world.at(tenth * 0.1 + 0.05, lambda name=name: world.withdraw(name, 8))
    world.run(5.0)
    assert world.messages / sum(world.finished.values()) < 0.01
    assert world.used["a"] == pytest.approx(world.used["b"], rel=0.1)


def test_who_comes_late_gets_its_part():
    world = Simulation({"x": 8, "y": 8, "z": 8}, "ab", service_s=0.05)
    world.clients("a", 48)
    world.run(2.0)
    assert world.used["a"] / world.now == pytest.approx(24, rel=0.05)
    world.clients("b", 48)
    world.run(1.0)
    before = world.used["b"]
    world.run(2.0)
    assert (world.used["b"] - before) / 2.0 == pytest.approx(12, rel=0.1)
    assert world.starved_s <= 0.05


@pytest.mark.parametrize("clients", [(1, 1, 1, 1), (2, 1, 1, 1), (3, 0, 0, 0), (1, 0, 2, 0)])
def test_nobody_starves_while_a_slot_is_idle(clients):
    world = Simulation({"x": 1, "y": 1, "z": 1}, "abcd")
    for name, n in zip("abcd", clients, strict=True):
        world.clients(name, n)
    world.run(5.0)
    assert world.starved_s <= 0.05
