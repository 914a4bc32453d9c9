"""A check passes on what was seen to work, and fails on every single thing that was not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from examples.demo.judge import judge
from examples.demo.seen import NO_OVERHEAD, Load, PhaseBegan, Sample, Scaling, Seen
from tests.examples.demo.runs import FALL, STEP, answer, expected, good_run


def failed(seen: Seen) -> list[str]:
    return [check.name for check in judge(seen, expected()) if not check.ok]


def test_a_good_run_passes_every_check() -> None:
    assert failed(good_run()) == []


def test_a_run_in_which_nothing_was_seen_fails_every_check() -> None:
    checks = judge(Seen(), expected())
    assert [check.name for check in checks if check.ok] == []


def one_answer_less(seen: Seen) -> None:
    seen.sent += 1


def a_broken_connection(seen: Seen) -> None:
    seen.answers[-1] = answer(40, "", status=0)


def an_error_without_a_reason(seen: Seen) -> None:
    seen.answers[-1] = answer(40, "green", status=502)


def too_many_refused(seen: Seen) -> None:
    seen.answers[-2:] = [answer(40, "green", status=503, reason="queue_timeout")] * 2


def a_split_that_is_off(seen: Seen) -> None:
    seen.answers[:20] = [answer(2, "green")] * 20


def a_third_version(seen: Seen) -> None:
    seen.answers = [*seen.answers[:60], *[answer(2, "red")] * 20, *seen.answers[80:]]


def a_wrong_model(seen: Seen) -> None:
    seen.answers[:] = [each._replace(right=10) if each.version == "green" else each for each in seen.answers]


def no_decision(seen: Seen) -> None:
    del seen.scalings[2]


def a_late_decision(seen: Seen) -> None:
    seen.scalings[2] = seen.scalings[2]._replace(at=STEP + 1.01)


def a_decision_before_the_step(seen: Seen) -> None:
    seen.scalings[2] = seen.scalings[2]._replace(at=STEP - 0.01)


def no_new_replica(seen: Seen) -> None:
    seen.answers[:] = [each._replace(replica="1") for each in seen.answers]


def a_replica_from_before_the_step(seen: Seen) -> None:
    seen.starts[2] = seen.starts[2]._replace(at=STEP - 1)


def let_go_too_early(seen: Seen) -> None:
    seen.scalings[3] = seen.scalings[3]._replace(at=FALL + 8.9)


def let_go_in_the_hold(seen: Seen) -> None:
    seen.scalings.insert(3, Scaling(STEP + 20, "blue", 4, 2, "window", 1.0))


def never_let_go(seen: Seen) -> None:
    del seen.scalings[3]


def not_at_the_minimum(seen: Seen) -> None:
    seen.samples[-1] = Sample(60.0, {"blue": Load(0, 2, 0, 1), "green": Load(0, 1, 0, 1)}, NO_OVERHEAD)


def a_version_gone(seen: Seen) -> None:
    seen.samples[-1] = Sample(60.0, {"blue": Load(0, 1, 0, 1)}, NO_OVERHEAD)


def a_replica_left(seen: Seen) -> None:
    seen.left_running = [104]


def a_router_that_failed(seen: Seen) -> None:
    seen.router_exit = 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (one_answer_less, "every request answered"),
        (a_broken_connection, "every request answered"),
        (an_error_without_a_reason, "every request answered"),
        (too_many_refused, "every request answered"),
        (a_split_that_is_off, "the split"),
        (a_third_version, "the split"),
        (a_wrong_model, "green is as good"),
        (no_decision, "scaled up within"),
        (a_late_decision, "scaled up within"),
        (a_decision_before_the_step, "scaled up within"),
        (no_new_replica, "a replica that was started"),
        (a_replica_from_before_the_step, "a replica that was started"),
        (let_go_too_early, "kept its replicas"),
        (let_go_in_the_hold, "kept its replicas"),
        (never_let_go, "kept its replicas"),
        (never_let_go, "back at the minimum"),
        (not_at_the_minimum, "back at the minimum"),
        (a_version_gone, "back at the minimum"),
        (a_replica_left, "no replica outlived"),
        (a_router_that_failed, "the router ended"),
    ],
)
def test_one_thing_that_is_wrong_fails_its_check(spoil: Callable[[Seen], None], words: str) -> None:
    seen = good_run()
    spoil(seen)
    assert any(name.startswith(words) for name in failed(seen)), judge(seen, expected())


def test_one_refusal_in_a_hundred_is_fine_when_it_has_a_reason() -> None:
    seen = good_run()
    seen.answers[-1] = answer(40, "green", status=503, reason="queue_timeout")
    assert failed(seen) == []


def test_a_phase_that_never_began_fails_what_rests_on_it() -> None:
    seen = good_run()
    seen.phases = [PhaseBegan("warm-up", 3, 1.0)]
    assert [name.split()[0] for name in failed(seen)] == ["scaled", "a", "kept"]
