"""Decisions on the router's own size as tables: loads go in, sizes and reasons come out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.errors import OutOfRange
from autoscaler.frontend import (
    STALE_S,
    FrontendSettings,
    FrontendState,
    Observation,
    Part,
    PodsSeen,
    Reason,
    RouterLoad,
    decide_frontend,
)
from autoscaler.policy import Direction

SETTINGS = FrontendSettings()
IN_A_CLUSTER = replace(SETTINGS, most_pods=3)
SLOW, CALM = 10.0, 0.1
UP, DOWN, HOLD = Direction.UP, Direction.DOWN, Direction.HOLD


class Router:
    """A router under the policy, looked at once a second; it obeys at once."""

    def __init__(self, settings=SETTINGS, *, workers=1, cores=4.0, pods=None, fixed=None):
        self.settings = settings
        self.workers = workers
        self.cores = cores
        self.most = fixed or max(1, int(cores))
        self.pods = pods
        self.now = 0.0
        self.state = FrontendState.begin(0.0)
        self.changes = []

    def load(self, routing_ms, cpu, *, age_s=0.0):
        return RouterLoad(self.now - age_s, self.workers, self.most, self.cores, routing_ms, cpu)

    def look(self, routing_ms, cpu, others=(), age_s=0.0):
        return self.decide(Observation(self.load(routing_ms, cpu, age_s=age_s), others, self.pods))

    def decide(self, observation):
        self.state, decision = decide_frontend(self.settings, self.state, observation, self.now)
        self.obey(decision)
        self.now += 1.0
        return decision

    def obey(self, decision):
        if decision.direction is HOLD:
            return
        self.changes.append((self.now, decision.part.value, decision.current, decision.desired, decision.reason.value))
        if decision.part is Part.WORKERS:
            self.workers = decision.desired
        else:
            self.pods = self.pods._replace(current=decision.desired, ready=decision.desired)

    def look_for(self, seconds, routing_ms, cpu, others=()):
        """Returns the last decision."""
        for _ in range(int(seconds) - 1):
            self.look(routing_ms, cpu, others)
        return self.look(routing_ms, cpu, others)


def pods(current, *, ready=None, coming=0, unschedulable=0, ours=True):
    return PodsSeen(current, current if ready is None else ready, coming, unschedulable, ours)


def other(router, routing_ms=SLOW, cpu=1.9, workers=2, most=2):
    return RouterLoad(router.now, workers, most, float(most), routing_ms, cpu)


# -- workers ---------------------------------------------------------------------------------------------------------


def test_slow_for_long_enough_is_one_worker_more_and_time_to_see_its_effect():
    router = Router()
    router.look_for(40, SLOW, 3.9)
    assert router.changes == [
        (10.0, "workers", 1, 2, "slow"),
        (21.0, "workers", 2, 3, "slow"),  # the size was found to be another one at 11
        (32.0, "workers", 3, 4, "slow"),
    ]


def test_a_slow_moment_changes_nothing():
    router = Router()
    for _ in range(20):
        router.look_for(9, SLOW, 1.0)
        router.look(CALM, 1.0)
    assert router.changes == []


def test_there_are_no_more_workers_than_cores():
    router = Router(workers=2, cores=2.9)
    assert router.look_for(30, SLOW, 2.0).reason is Reason.MAXIMUM
    assert router.changes == []


def test_what_is_slow_and_not_busy_is_left_alone():
    router = Router(workers=2)
    decision = router.look_for(100, SLOW, 0.9)
    assert (decision.direction, decision.reason) == (HOLD, Reason.NOT_BUSY)


@pytest.mark.parametrize("slow_s", [1, 9, 200])
def test_nothing_is_taken_while_it_is_slow_however_little_is_used(slow_s):
    for several in (pods(2), None):
        router = Router(IN_A_CLUSTER, workers=2, pods=several)
        for _ in range(200 // slow_s):
            router.look_for(slow_s, SLOW, 0.1, [other(router, SLOW, 0.1)._replace(at=1e6)])
            router.look(CALM, 0.1, [other(router, CALM, 0.1)._replace(at=1e6)])
        assert router.changes == []


def test_fewer_workers_than_the_fewest_are_raised_at_once_as_far_as_there_are_cores():
    router = Router(replace(SETTINGS, fewest_workers=3), workers=1, cores=2.0)
    router.look(CALM, 0.1)
    assert router.changes == [(0.0, "workers", 1, 2, "minimum")]


def test_half_a_core_that_is_all_there_is_is_busy_at_a_third():
    router = Router(replace(IN_A_CLUSTER, busy_share=0.5), cores=0.5, pods=pods(1))
    router.look_for(12, SLOW, 0.3)
    assert router.changes == [(10.0, "pods", 1, 2, "slow")]


def test_low_use_for_a_minute_is_one_worker_less_at_a_time_down_to_the_fewest():
    router = Router(replace(SETTINGS, fewest_workers=2), workers=4)
    router.look_for(300, CALM, 0.1)
    assert router.changes == [(60.0, "workers", 4, 3, "idle"), (121.0, "workers", 3, 2, "idle")]


def test_nothing_is_taken_that_would_make_the_rest_busy():
    router = Router(workers=3)
    router.look_for(200, CALM, 0.81)  # of 2 that would remain: more than 40 %
    assert router.changes == []
    router.look_for(61, CALM, 0.79)
    assert [change[1:4] for change in router.changes] == [("workers", 3, 2)]


def test_low_use_must_last_without_a_break():
    router = Router(workers=2)
    for _ in range(5):
        router.look_for(59, CALM, 0.1)
        router.look(CALM, 0.9)
    assert router.changes == []


def test_a_fixed_number_of_workers_never_changes():
    router = Router(replace(SETTINGS, fewest_workers=2), workers=2, fixed=2)
    router.look_for(50, SLOW, 2.0)
    router.look_for(200, CALM, 0.0)
    assert router.changes == []


def test_a_fixed_number_above_the_cores_is_kept():
    router = Router(replace(SETTINGS, fewest_workers=4), workers=4, cores=2.0, fixed=4)
    assert router.look(CALM, 0.1).reason is Reason.AT_EASE


def test_fewer_cores_than_workers_are_met_at_once():
    router = Router(workers=4, cores=2.0)
    assert router.look(CALM, 2.0).reason is Reason.MAXIMUM
    assert router.changes == [(0.0, "workers", 4, 2, "maximum")]


# -- pods ------------------------------------------------------------------------------------------------------------


def test_pods_come_when_the_cores_are_used_up_and_one_by_one():
    router = Router(IN_A_CLUSTER, cores=2.0, pods=pods(1))
    router.look_for(22, SLOW, 2.0)
    assert [change[1:] for change in router.changes] == [("workers", 1, 2, "slow"), ("pods", 1, 2, "slow")]
    router.look_for(60, SLOW, 2.0, [other(router, cpu=2.0)._replace(at=1000.0)])
    assert [change[1:4] for change in router.changes[2:]] == [("pods", 2, 3)]
    assert router.look(SLOW, 2.0).reason is not Reason.SLOW


def test_the_number_of_pods_is_left_alone_where_nobody_says_how_many_there_may_be():
    router = Router(cores=1.0, pods=pods(1))
    assert router.look_for(50, SLOW, 1.0).reason is Reason.MAXIMUM
    assert router.changes == []


@pytest.mark.parametrize("waiting", [{"coming": 1}, {"unschedulable": 1}], ids=str)
def test_no_pod_is_added_while_one_is_on_its_way_or_finds_no_node(waiting):
    router = Router(IN_A_CLUSTER, cores=1.0, pods=pods(2, ready=1, **waiting))
    decision = router.look_for(300, SLOW, 1.0)
    assert (decision.direction, decision.reason, decision.part) == (HOLD, Reason.PODS_WAITING, Part.PODS)
    router.pods = pods(2)
    router.look_for(12, SLOW, 1.0)
    assert [change[1:4] for change in router.changes] == [("pods", 2, 3)]


def test_time_counts_from_when_the_last_pod_was_ready():
    router = Router(IN_A_CLUSTER, cores=1.0, pods=pods(2, ready=1, coming=1))
    router.look_for(100, SLOW, 1.0)
    router.pods = pods(2)
    router.look_for(9, SLOW, 1.0)
    assert router.changes == []


def test_only_who_leads_changes_the_number_of_pods():
    router = Router(IN_A_CLUSTER, cores=1.0, pods=pods(2, ours=False))
    router.look_for(50, SLOW, 1.0)
    router.look_for(200, CALM, 0.01, [other(router, CALM, 0.01)._replace(at=1e6)])
    assert router.changes == []


def test_who_leads_acts_for_another_that_is_slow_but_not_while_that_can_help_itself():
    router = Router(IN_A_CLUSTER, workers=2, cores=2.0, pods=pods(2))
    late = {"at": 1e6}
    router.look_for(50, CALM, 0.5, [other(router, SLOW, 1.9, workers=1, most=2)._replace(**late)])
    assert router.changes == []
    router.look_for(12, CALM, 0.5, [other(router, SLOW, 1.9)._replace(**late)])
    assert [change[1:4] for change in router.changes] == [("pods", 2, 3)]


def test_pods_go_first_and_then_workers():
    router = Router(IN_A_CLUSTER, workers=2, cores=2.0, pods=pods(2))
    router.look_for(180, CALM, 0.1, [other(router, CALM, 0.1)._replace(at=1e6)])
    assert router.changes == [(60.0, "pods", 2, 1, "idle"), (61.0, "workers", 2, 1, "idle")]


def test_workers_wait_for_the_pods_also_where_another_router_leads():
    router = Router(IN_A_CLUSTER, workers=2, cores=2.0, pods=pods(2, ours=False))
    router.look_for(200, CALM, 0.1)
    assert router.changes == []
    router.pods = pods(1, ours=False)
    router.look(CALM, 0.1)
    assert [change[1:4] for change in router.changes] == [("workers", 2, 1)]


def test_no_pod_is_taken_while_the_load_of_one_is_not_known():
    router = Router(IN_A_CLUSTER, cores=2.0, pods=pods(3))
    router.look_for(200, CALM, 0.0, [other(router, CALM, 0.0)._replace(at=1e6)])
    assert router.changes == []


def test_a_load_that_is_old_is_not_known():
    router = Router(IN_A_CLUSTER, cores=2.0, pods=pods(2))
    for _ in range(200):
        router.look(CALM, 0.0, [other(router, CALM, 0.0)._replace(at=router.now - STALE_S - 0.1)])
    assert router.changes == []


def test_no_pod_is_taken_when_what_remains_would_be_busy():
    router = Router(IN_A_CLUSTER, cores=2.0, workers=2, pods=pods(2))
    router.look_for(200, CALM, 0.5, [other(router, CALM, 0.4)._replace(at=1e6)])  # of 2 cores: more than 40 %
    assert router.changes == []


def test_fewer_pods_than_the_fewest_are_raised_at_once_and_more_than_the_most_go_as_load_allows():
    settings = replace(SETTINGS, fewest_pods=2, most_pods=3)
    router = Router(settings, pods=pods(1))
    router.look(CALM, 0.0)
    assert router.changes == [(0.0, "pods", 1, 2, "minimum")]
    router = Router(settings, pods=pods(1, ready=0, unschedulable=1))
    router.look(CALM, 0.0)
    assert router.changes == []
    router = Router(settings, pods=pods(5))
    router.look_for(59, CALM, 0.0)
    assert router.changes == []


# -- what is not known, and dry runs ---------------------------------------------------------------------------------


def test_without_data_nothing_is_decided_and_time_begins_anew():
    router = Router(workers=2)
    router.look_for(9, SLOW, 2.0)
    assert router.decide(None).reason is Reason.STALE
    router.look_for(10, SLOW, 2.0)
    assert router.changes == []
    router.look(SLOW, 2.0)
    assert len(router.changes) == 1


def test_old_data_is_none():
    router = Router()
    for _ in range(30):
        assert router.look(SLOW, 1.0, age_s=STALE_S + 0.1).reason is Reason.STALE
    assert router.changes == []


def test_a_dry_run_decides_and_changes_nothing():
    router = Router(replace(SETTINGS, dry_run=True))
    decision = router.look_for(30, SLOW, 1.0)
    assert (decision.desired, decision.direction, decision.reason) == (2, HOLD, Reason.SLOW)
    assert router.changes == []


def test_every_decision_says_why_with_its_numbers():
    router = Router(IN_A_CLUSTER, pods=pods(1))
    said = router.look_for(12, SLOW, 0.75).describe()
    assert {"part", "desired", "current", "reason", "dry_run", "routing_ms", "cpu", "cores", "pods"} <= said.keys()
    assert (said["routing_ms"], said["cpu"], said["cores"], said["workers"]) == (10.0, 0.75, 4.0, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"routing_ms": 0.0},
        {"routing_ms": float("nan")},
        {"fewest_workers": 0},
        {"fewest_pods": 2, "most_pods": 1},
        {"raise_after_s": 0.0},
        {"idle_share": 0.6},
        {"busy_share": 1.0},
    ],
    ids=str,
)
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(OutOfRange):
        FrontendSettings(**wrong)


# -- properties ------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from([CALM, SLOW]), st.floats(0, 4), st.integers(1, 100)), max_size=12),
    st.sampled_from([0.5, 1.0, 2.0, 3.5]),
    st.integers(1, 4),
)
def test_whatever_comes_sizes_keep_their_limits_and_change_by_one(loads, cores, workers):
    router = Router(IN_A_CLUSTER, workers=min(workers, max(1, int(cores))), cores=cores, pods=pods(1))
    for routing_ms, cpu, seconds in loads:
        router.look_for(seconds, routing_ms, min(cpu, cores), [other(router, CALM, 0.0)._replace(at=1e6)] * 2)
    assert 1 <= router.workers <= router.most
    assert 1 <= router.pods.current <= 3
    assert all(abs(before - after) == 1 for _, _, before, after, _ in router.changes)
    for (earlier, *_), (later, _, _, _, reason) in zip(router.changes, router.changes[1:], strict=False):
        assert later - earlier >= (10.0 if reason == "slow" else 0.0)


@given(st.floats(0, 8), st.booleans(), st.integers(1, 4), st.integers(1, 3))
def test_a_load_that_raised_a_size_does_not_lower_it_again(cpu, is_slow_again, workers, several):
    """The same CPU use before and after, the routing time as good as can be afterwards."""
    router = Router(IN_A_CLUSTER, workers=workers, pods=pods(several))
    peers = [other(router, SLOW, cpu / several, 4, 4)._replace(at=1e6)] * (several - 1)
    router.look_for(30, SLOW, cpu / several, peers)
    raised = list(router.changes)
    calm = [each._replace(routing_ms=CALM) for each in [*peers, other(router, CALM, 0.0, 4, 4)._replace(at=1e6)]]
    router.look_for(200, SLOW if is_slow_again else CALM, cpu / several, calm)
    lowered = [part for _, part, before, after, _ in router.changes if after < before]
    assert not {part for _, part, *_ in raised} & set(lowered)
