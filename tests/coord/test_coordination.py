"""Coordinator and members in a simulated cluster: what is leased, what is kept when cut off, and who has it next."""

from random import Random

import pytest

from router.coord.frames import Heartbeat, Hello, Members, Renewed, Welcome
from router.coord.roll import FORGET_S
from router.coord.terms import CUT_OFF_S, LEASE_S, MARGIN_S, SILENT_S
from router.core.leases import Bound, Lease
from router.core.sharing import shares
from router.core.standing import Standing
from tests.coord.simulation import GROUP, LONGEST_S, Cluster


class Wire:
    """A link on which the test is the other end."""

    def __init__(self, peer):
        self.peer, self.said, self.ended = peer, [], ""

    def send(self, message):
        self.said.append(message)

    def close(self, reason):
        self.ended = self.ended or reason


NAMES = ["maitre-0_a", "maitre-1_b", "maitre-2_c"]
A, B, C = NAMES
ALL_ENDED_S = LEASE_S + LONGEST_S + CUT_OFF_S + MARGIN_S


@pytest.fixture
def cluster():
    return make()


def make(slots=None, names=NAMES, seed=1):
    """Replicas come when all routers are there, so each has its part at once."""
    cluster = Cluster(Random(seed))
    for name in names:
        cluster.add(name)
    cluster.lead(names[0])
    cluster.run(2.0)
    for replica, count in (slots or {"r1": 6, "r2": 3}).items():
        cluster.resize(replica, count)
    cluster.run(0.1)
    return cluster


def limits(cluster, replica):
    return {router.name: router.member.limit(GROUP, replica) for router in cluster.alive}


def standing(cluster, name):
    return cluster.routers[name].member.standing


def test_all_slots_are_leased_ahead_of_any_demand(cluster):
    assert limits(cluster, "r1") == {A: 2, B: 2, C: 2}
    assert limits(cluster, "r2") == {A: 1, B: 1, C: 1}
    assert all(standing(cluster, name) is Standing.LEASED for name in NAMES)
    assert set(cluster.listed) == set(NAMES)


def test_a_router_gets_nothing_before_the_lease_lists_it(cluster):
    cluster.routers[A].coordinator._office.announce = lambda routers: None
    cluster.add("maitre-3_d")
    cluster.run(2.0)
    assert limits(cluster, "r1")["maitre-3_d"] == 0
    assert standing(cluster, "maitre-3_d") is Standing.UNJOINED
    cluster.listed = (*cluster.listed, "maitre-3_d")
    cluster.run(3.0)
    assert standing(cluster, "maitre-3_d") is Standing.LEASED


def test_who_starves_gets_what_lies_idle_elsewhere(cluster):
    router = cluster.routers[B]
    for _ in range(9):
        router.pod.request()
    cluster.run(0.1)
    assert limits(cluster, "r1")[B] + limits(cluster, "r2")[B] == 9
    assert router.pod.queued == 0
    assert cluster.excess == 0


def test_cut_off_for_a_moment_nothing_changes(cluster):
    before = limits(cluster, "r1"), limits(cluster, "r2")
    cluster.routers[B].link.close("a cable was pulled")
    cluster.run(0.05)
    assert standing(cluster, B) is Standing.HOLDING
    cluster.run(1.5)
    assert standing(cluster, B) is Standing.LEASED
    assert (limits(cluster, "r1"), limits(cluster, "r2")) == before


def test_cut_off_for_long_it_goes_on_with_its_share_which_the_others_leave_to_it(cluster):
    busy = cluster.routers[A]
    for _ in range(9):
        busy.pod.request()
    cluster.service_s = lambda: 5.0
    cluster.run(0.2)
    assert limits(cluster, "r1")[B] + limits(cluster, "r2")[B] == 0
    cluster.part(B, A, C)
    cluster.run(SILENT_S + 1.5)
    assert standing(cluster, B) is Standing.HOLDING
    cluster.run(LEASE_S)
    assert standing(cluster, B) is Standing.KEEPING
    cluster.run(LONGEST_S)
    assert limits(cluster, "r1")[A] + limits(cluster, "r1")[C] == 4
    assert limits(cluster, "r1")[B] == 0
    cluster.run(CUT_OFF_S + MARGIN_S)
    assert standing(cluster, B) is Standing.SHARING
    assert limits(cluster, "r1")[B] == 2
    assert limits(cluster, "r2")[B] == 1
    cluster.heal()
    cluster.run(2.0)
    assert standing(cluster, B) is Standing.LEASED
    assert sum(limits(cluster, "r1").values()) == 6
    assert cluster.excess == 0


def test_what_it_holds_beyond_its_share_comes_back_when_its_term_and_its_requests_have_ended(cluster):
    busy = cluster.routers[B]
    for _ in range(9):
        busy.pod.request()
    cluster.service_s = lambda: 1.0
    cluster.run(0.2)
    assert limits(cluster, "r1")[B] + limits(cluster, "r2")[B] == 9
    cluster.part(B, A, C)
    cluster.run(LEASE_S + LONGEST_S)
    assert limits(cluster, "r1")[A] + limits(cluster, "r1")[C] == 0
    assert limits(cluster, "r1")[B] == 2
    cluster.run(MARGIN_S + SILENT_S)
    assert limits(cluster, "r1")[A] + limits(cluster, "r1")[C] == 4


def test_a_replica_that_comes_meanwhile_is_shared_too(cluster):
    cluster.part(B, A, C)
    cluster.run(ALL_ENDED_S + 1.0)
    cluster.resize("r3", 3)
    cluster.run(2.0)
    assert limits(cluster, "r3") == {A: 1, B: 1, C: 1}


def test_a_router_that_is_away_for_long_is_forgotten(cluster):
    cluster.kill(B)
    cluster.run(FORGET_S + SILENT_S + 2.0)
    assert limits(cluster, "r1") == {A: 3, C: 3}
    assert set(cluster.listed) == {A, C}


def test_one_that_says_goodbye_leaves_all_at_once(cluster):
    cluster.routers[B].member.goodbye()
    cluster.routers[B].alive = False
    cluster.run(0.1)
    assert limits(cluster, "r1") == {A: 3, C: 3}


def test_its_successor_in_the_pod_vouches_for_its_end(cluster):
    cluster.kill(B)
    cluster.add("maitre-1_x", alone=True)
    cluster.run(SILENT_S + 2.0)
    assert limits(cluster, "r1") == {A: 2, "maitre-1_x": 2, C: 2}
    assert set(cluster.listed) == {A, "maitre-1_x", C}


def test_what_workers_of_an_earlier_process_use_yet_is_reported_though_nobody_leased_it(cluster):
    cluster.kill(B)
    successor = cluster.add("maitre-1_x", alone=True)
    successor.pod.running[GROUP, "r1"] = 2
    cluster.run(SILENT_S + 2.0)
    assert set(cluster.listed) == {A, "maitre-1_x", C}
    assert cluster.routers[A].coordinator._table.ceiling("maitre-1_x", GROUP, "r1") == 2
    assert limits(cluster, "r1") == {A: 2, "maitre-1_x": 0, C: 2}


def test_a_successor_that_cannot_vouch_ends_nothing(cluster):
    cluster.kill(B)
    cluster.add("maitre-1_x", alone=False)
    cluster.run(SILENT_S + 2.0)
    assert set(cluster.listed) == {*NAMES, "maitre-1_x"}


def test_the_next_leader_finds_all_as_it_was_when_all_come_to_it(cluster):
    before = limits(cluster, "r1"), limits(cluster, "r2")
    cluster.lead("")
    cluster.run(0.5)
    cluster.lead(C)
    cluster.run(2.0)
    assert (limits(cluster, "r1"), limits(cluster, "r2")) == before
    assert all(standing(cluster, name) is Standing.LEASED for name in NAMES)
    assert cluster.routers[C].coordinator._table.in_use(GROUP, "r1") == 6
    for _ in range(9):
        cluster.routers[B].pod.request()
    cluster.run(0.1)
    assert cluster.routers[B].pod.queued == 0


def test_a_fresh_leader_gives_nothing_while_one_that_was_listed_may_use_it(cluster):
    cluster.kill(A)
    cluster.run(4.5)
    cluster.lead(B)
    cluster.run(LEASE_S + LONGEST_S)
    assert limits(cluster, "r1") == {B: 2, C: 2}
    cluster.run(MARGIN_S + 1.0)
    assert limits(cluster, "r1") == {B: 2, C: 2}
    assert cluster.routers[B].coordinator._table.ceiling(A, GROUP, "r1") == shares("r1", 6, NAMES)[A]
    cluster.routers[B].coordinator.died(A)
    cluster.run(0.1)
    assert limits(cluster, "r1") == {B: 3, C: 3}


def test_a_fresh_leader_gives_out_all_as_soon_as_the_one_that_is_away_is_known_to_be_dead(cluster):
    cluster.kill(A)
    cluster.run(4.5)
    cluster.lead(B)
    assert set(cluster.routers[B].coordinator.away) == {A, C}
    cluster.routers[B].coordinator.died(A)
    cluster.run(1.5)
    assert limits(cluster, "r1") == {B: 3, C: 3}
    assert cluster.routers[B].coordinator.away == []


def test_who_is_away_is_known_to_the_one_that_leads_and_to_nobody_else(cluster):
    assert cluster.routers[A].coordinator.away == []
    cluster.kill(B)
    cluster.run(SILENT_S + 1.0)
    assert [list(cluster.routers[each].coordinator.away) for each in (A, C)] == [[B], []]
    cluster.lead("")
    assert cluster.routers[A].coordinator.away == []


def test_a_report_that_hung_on_its_way_is_not_believed(cluster):
    coordinator, late = cluster.routers[A].coordinator, Wire("maitre-9_z")
    cluster.listed = (*cluster.listed, late.peer)
    coordinator.opened(late)
    coordinator.received(late, Hello(True))
    assert [type(message) for message in late.said] == [Welcome, Members]
    cluster.run(SILENT_S + 0.1)
    coordinator.received(late, Bound(GROUP, "r1", 0, 1))
    coordinator.received(late, Heartbeat(1, 1))
    assert late.ended == "its report came too late"
    assert coordinator._table.ceiling(late.peer, GROUP, "r1") == 0


def test_what_is_said_out_of_turn_ends_the_connection(cluster):
    coordinator = cluster.routers[A].coordinator
    for words in ([Heartbeat(1, 0)], [Bound(GROUP, "r1", 1, 1)], [Hello(True), Hello(True)]):
        wire = Wire("maitre-9_z")
        coordinator.opened(wire)
        for word in words:
            coordinator.received(wire, word)
        assert wire.ended == "a hello comes first, and once"


def test_a_lease_is_worth_nothing_before_the_report_is_answered(cluster):
    member, wire = cluster.add("maitre-9_z").member, Wire(A)
    member.opened(wire)
    member.received(wire, Welcome(LEASE_S))
    member.received(wire, Lease(GROUP, "r1", 1, 1))
    assert member.limit(GROUP, "r1") == 0
    member.received(wire, Renewed(1))
    member.received(wire, Lease(GROUP, "r1", 1, 1))
    assert member.limit(GROUP, "r1") == 1


def test_the_term_is_counted_from_when_the_heartbeat_was_sent_however_late_its_answer(cluster):
    cluster.leader = ""
    member, wire = cluster.add("maitre-9_z").member, Wire(A)
    member.opened(wire)
    sent_at = cluster.loop.now()
    member.received(wire, Welcome(LEASE_S))
    cluster.run(2.5)
    member.received(wire, Renewed(1))
    assert member.term_ends == sent_at + LEASE_S


def test_who_is_cut_off_is_left_the_share_that_it_takes_by_the_routers_that_it_knew(cluster):
    cluster.part(B, A, C)
    cluster.run(SILENT_S + 2.0)
    cluster.add("maitre-3_d")
    cluster.run(2.0)
    assert standing(cluster, "maitre-3_d") is Standing.LEASED
    cluster.run(2.0)
    cluster.resize("r3", 12)
    cluster.run(0.1)
    assert sum(limits(cluster, "r3").values()) == 8
    cluster.run(ALL_ENDED_S)
    assert limits(cluster, "r3")[B] == 4
    assert sum(limits(cluster, "r3").values()) == 12


def test_loads_of_all_come_to_who_leads_also_to_the_next_one(cluster):
    for name in NAMES:
        cluster.routers[name].member.loaded(GROUP, [1, 2])
    cluster.run(1.0)
    assert cluster.routers[A].loads == {name: [["digits", "blue", 1, 2]] for name in NAMES}
    cluster.lead(C)
    cluster.run(2.0)
    assert cluster.routers[C].loads == {name: [["digits", "blue", 1, 2]] for name in NAMES}


@pytest.mark.parametrize("seed", range(30))
def test_never_more_than_there_are_slots(seed):
    walk(seed, 400)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 160))
def test_never_more_than_there_are_slots_for_long(seed):
    walk(seed, 1500)


def walk(seed, steps):
    random = Random(seed)
    cluster = make(random.choice([{"r1": 1, "r2": 1, "r3": 1}, {"r1": 4, "r2": 7}, {"r1": 3}]), seed=seed)
    cluster.random = random
    for _ in range(steps):
        _something_happens(cluster, random)
        cluster.run(random.choice((0.01, 0.1, 0.5, 1.0, 1.0, 5.0)) if random.random() < 0.98 else 60.0)
        assert cluster.excess == 0


def _something_happens(cluster, random):
    router = random.choice(cluster.alive)
    one, other = random.sample(sorted(router.name for router in cluster.alive), 2)
    match random.choices(
        ["requests", "hang", "part", "heal", "break", "deposed", "killed leader", "replaced"],
        [60, 4, 4, 12, 6, 2, 1, 2],
    )[0]:
        case "requests":
            for _ in range(random.randrange(8)):
                router.pod.request()
        case "hang":
            cluster.hang((one, other))
        case "part":
            cluster.part(one, other)
        case "heal":
            cluster.heal()
        case "break":
            if router.link is not None:
                router.link.close("a cable was pulled")
        case "deposed":
            cluster.lead("")
            cluster.run(random.choice((0.1, 1.0, 4.5, 15.0)))
            cluster.lead(one)
        case "killed leader" | "replaced" as what:
            gone = cluster.leader if what == "killed leader" and cluster.leader else one
            _replace(cluster, gone, random)


def _replace(cluster, gone, random):
    """Killed, and its container started anew."""
    led = cluster.leader == gone
    cluster.kill(gone)
    cluster.run(random.choice((0.5, 4.5)))
    pod, _, number = gone.partition("_")
    cluster.add(f"{pod}_{number}x", alone=True)
    if led:
        cluster.run(4.5)
        cluster.lead(random.choice(sorted(router.name for router in cluster.alive)))
