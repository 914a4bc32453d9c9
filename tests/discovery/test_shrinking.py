from hypothesis import given
from hypothesis import strategies as st

from router.discovery.pod import Pod, State
from router.discovery.shrinking import surplus
from tests.fakes.pods import manifest, seen


def pod(name: str, state: State = State.READY, **more) -> Pod:
    return Pod.of(seen(manifest(name, state, **more)))


def chosen(pods: list[Pod], wished: int, **held: int) -> list[str]:
    return [each.name for each in surplus(pods, wished, lambda pod: held.get(pod.name, 0))]


def test_the_order_in_which_pods_are_missed_least():
    pods = [
        pod("busy"),
        pod("some"),
        pod("older", born_s=1),
        pod("newer", born_s=2),
        pod("starting", State.STARTING),
        pod("nowhere", State.UNSCHEDULABLE),
    ]
    order = ["nowhere", "starting", "newer", "older", "some", "busy"]
    assert chosen(pods, 0, busy=5, some=1) == order
    assert chosen(pods, 4, busy=5, some=1) == order[:2]
    assert chosen(pods, 6) == chosen(pods, 9) == []


def test_what_a_pod_still_runs_that_is_not_ready_any_more_does_not_keep_it():
    pods = [pod("older", State.STARTING, born_s=1), pod("newer", State.STARTING, born_s=2)]
    assert chosen(pods, 1, newer=3) == ["newer"]


def test_those_that_are_going_anyway_do_not_count():
    pods = [pod("a"), pod("b", State.TERMINATING), pod("c", State.ENDED)]
    assert chosen(pods, 1) == []
    assert chosen(pods, 0) == ["a"]


def test_what_somebody_else_says_of_the_cost_goes_before_what_it_runs():
    """Because the controller goes by it; but it goes by readiness before."""
    pods = [pod("idle"), pod("dear", cost="7"), pod("cheap", cost="-7"), pod("starting", State.STARTING, cost="9")]
    assert chosen(pods, 0, cheap=3) == ["starting", "cheap", "idle", "dear"]


def test_of_a_stateful_set_the_last_one_goes():
    pods = [pod(f"s-{n}", State.STARTING if n == 3 else State.READY, owner="StatefulSet", cost="5") for n in (2, 10, 3)]
    assert chosen(pods, 0) == ["s-10", "s-3", "s-2"]


states = st.lists(st.sampled_from(State), max_size=12)


@given(states, st.integers(0, 12), st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_as_many_stay_as_are_wished_and_none_that_is_missed_less(states, wished, requests):
    pods = [pod(f"p-{n}", state) for n, state in enumerate(states)]
    held = {each.name: count for each, count in zip(pods, requests, strict=False)}
    going = surplus(pods, wished, lambda pod: held[pod.name])
    staying = [each for each in pods if each.state.counts and each not in going]
    assert all(each.state.counts for each in going)
    assert len(staying) == min(wished, len(staying) + len(going))
    for out in (each for each in going if each.state is State.READY):
        assert all(each.state is State.READY and held[each.name] >= held[out.name] for each in staying)
