"""The benchmark of several workers: what it reads, what it says, and a short run."""

from __future__ import annotations

import shutil

import pytest

from bench.machine import Machine
from bench.ratios import Sample
from bench.shapes import FULL
from bench.workers import ONE, TALK, Run, Turn, broken, measure, messages, table, text

MACHINE = Machine(2, "a processor", "6.1", "3.11.7", (0.1, 0.2, 0.3), "2024-01-01T10:00:00+00:00")
MANY = "2 workers"


def turn(who: str, number: int, cpu_us: float, rate: float, sent: float = 0) -> Turn:
    requests = round(2 * rate)
    return Turn(Sample(who, FULL.name, number, requests, 2.0, cpu_us * requests / 1e6, 1.0, 2.0, 0), sent)


def run(cost: float, sent: float) -> Run:
    turns = []
    for number, noise in enumerate((1.0, 2.0, 1.5)):
        turns += [turn(ONE, number, 50 * noise, 5000 / noise)]
        turns += [turn(MANY, number, 50 * noise * cost, 6000 / noise, sent)]
    return Run(MACHINE, "abc", 2, 3, 2, turns)


def test_messages_are_read_from_the_page_of_metrics() -> None:
    page = "# HELP maitre_coordination_messages_total About slots.\nmaitre_coordination_messages_total 12.0\n"
    assert messages(page) == 12
    labelled = 'maitre_coordination_messages_total{direction="%s"} %d\n'
    assert messages(labelled % ("sent", 3) + labelled % ("received", 4)) == 7
    assert messages("maitre_requests_total 5\n") is None


def test_figures_of_the_same_round_are_compared() -> None:
    _, row = table(run(cost=1.04, sent=12))
    assert row[0] == FULL.name
    assert row[3] == "1.04 (1.04 to 1.04)"
    assert row[6] == "1.20 (1.20 to 1.20)"
    assert row[7].startswith("0.00150 ")


def test_bounds_that_are_not_kept_are_said() -> None:
    assert broken(run(cost=1.04, sent=12)) == []
    costly, talkative = broken(run(cost=1.2, sent=300))
    assert "1.20 × the CPU" in costly
    assert "messages per request" in talkative
    assert costly in text(run(cost=1.2, sent=300))


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_workers_need_few_words_under_full_load() -> None:
    """A look at what the benchmark measures in earnest; CPU and rate are only shown, in so short a time."""
    found = measure(workers=2, rounds=1, seconds=2)
    print("\n" + text(found))
    assert found.talk(FULL.name).median < 2 * TALK, (
        "most is said by the clock, and a busy machine answers less meanwhile"
    )
