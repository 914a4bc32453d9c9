from __future__ import annotations

from examples.demo.judge import judge
from examples.demo.seen import Seen
from examples.demo.summary import summary, verdicts
from tests.examples.demo.runs import answer, expected, good_run


def test_it_tells_what_was_seen() -> None:
    seen = good_run()
    seen.answers[-1] = answer(40, "green", status=503, reason="queue_timeout")
    text = "\n".join(summary(seen, expected()))
    for words in (
        "100 sent, 100 answered",
        "99 × 200, 1 × 503 queue_timeout",
        "blue 80.0 % of 80 %, green 20.0 % of 20 %",
        "blue 95.0%, green 95.0%",
        "p50 100 ms, p99 100 ms",
        "step to decision     200 ms",
        "step to new replica  11.1 s",
        "3 times up, 1 times down",
        "Replicas of green over time",
        "scale down: blue 4 -> 1",
    ):
        assert words in text, text


def test_a_run_that_saw_nothing_has_a_summary_too() -> None:
    text = "\n".join(summary(Seen(), expected()))
    assert "0 sent, 0 answered" in text
    assert "blue -, green -" in text
    assert "step to" not in text


def test_verdicts_say_ok_or_failed() -> None:
    seen = good_run()
    seen.router_exit = 1
    lines = [line for _, line in verdicts(judge(seen, expected()))]
    assert lines[-1] == "FAILED  the router ended in good order: exit status 1"
    assert all(line.startswith("ok ") for line in lines[:-1])
