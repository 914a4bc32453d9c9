"""What is said about added latency."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.contenders import HAPROXY, MAITRE
from bench.cores import Cores
from bench.latency import DIRECT, Measured, Run, conditions, markdown, table, text, verdict
from bench.machine import Machine
from bench.open_loop import CONNECTIONS
from bench.schedule import CONSTANT, Figures

MACHINE = Machine(2, "a processor", "6.1", "3.11.7", (0.1, 0.2, 0.3), "2024-01-01T10:00:00+00:00")


def run(mean: float = 0.3, p99: float = 2.0) -> Run:
    """Three rounds, on a machine that was ever slower: what is added stays."""
    turns = []
    for number in (1, 2, 3):
        for who, added in ((DIRECT, (0.0, 0.0, 0.0, 0.0)), (MAITRE, (mean, 0.25, p99, 4.0)), (HAPROXY, (0.1,) * 4)):
            latency = Figures(*(number + each for each in added))
            turns.append(Measured(who, number, 100, latency, Figures(0.01, 0.01, 0.02, 0.03), 5, 40.0))
    return Run(MACHINE, Cores(0, 0, 1), {MAITRE: "1", HAPROXY: "2"}, 5_000, CONSTANT, 3, 5, turns)


def test_what_is_added_belongs_to_its_round() -> None:
    headings, direct, maitre, _, adds, haproxy_adds, late = table(run())
    assert headings == ["ms", "mean", "p50", "p99", "p99.9"]
    assert direct[:2] == [DIRECT, "2.000 (1.000 to 3.000)"]
    assert maitre[1] == "2.300 (1.300 to 3.300)"
    assert adds[0] == "maitre adds"
    assert adds[1:3] == ["0.300 (0.300 to 0.300)", "0.250 (0.250 to 0.250)"]
    assert haproxy_adds[1] == "0.100 (0.100 to 0.100)"
    assert late[1] == "0.010 (0.010 to 0.010)"


@pytest.mark.parametrize(("mean", "p99", "word"), [(0.3, 2.0, "within"), (0.6, 2.0, "ABOVE"), (0.3, 3.1, "ABOVE")])
def test_both_bounds_decide(mean: float, p99: float, word: str) -> None:
    (line,) = verdict(run(mean, p99))
    assert f"{word} the bounds of 0.5 and 3 ms" in line


def test_without_maitre_there_is_no_verdict() -> None:
    assert verdict(replace(run(), versions={HAPROXY: "2"})) == []


def test_it_is_said_whether_requests_waited_for_a_connection() -> None:
    free = run()
    full = replace(free, turns=[replace(turn, most=CONNECTIONS) for turn in free.turns])
    assert any("none waited" in line and "used 20% of its core" in line for line in conditions(free))
    assert any("some waited" in line for line in conditions(full))


def test_both_pages_have_table_and_conditions() -> None:
    for page in (text(run()), markdown(run())):
        assert "maitre adds" in page
        assert "5,000 requests/s, constant arrivals" in page
