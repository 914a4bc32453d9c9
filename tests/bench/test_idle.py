"""What is said about idle clients."""

from __future__ import annotations

from bench.contenders import MAITRE
from bench.cores import Cores
from bench.idle import Moment, Round, Run, conditions, markdown, table, text
from bench.machine import Machine
from bench.memory import Memory
from bench.ratios import Sample

MACHINE = Machine(2, "a processor", "6.1", "3.11.7", (0.1, 0.2, 0.3), "2024-01-01T10:00:00+00:00")
MIB = 2**20


def moment(mib: int, cpu_us: float, quiet: float = 0.004) -> Moment:
    active = Sample(MAITRE, "steady", 1, 1000, 1.0, cpu_us / 1e3, 1.0, 2.0, 0)
    return Moment(Memory(mib * MIB, mib * MIB // 2, mib * MIB // 4), quiet, active)


def run() -> Run:
    rounds = [
        Round(MAITRE, 1, moment(60, 50.0), moment(80, 51.0)),
        Round(MAITRE, 2, moment(75, 100.0), moment(82, 104.0)),
        Round(MAITRE, 3, moment(76, 60.0), moment(83, 60.0)),
    ]
    return Run(MACHINE, Cores(0, 0, 1), {MAITRE: "1"}, 10_000, "open files: enough", rounds, 4)


def test_the_cost_of_active_clients_is_compared_within_a_round() -> None:
    lines = dict(table(run()))
    assert lines["ratio of the two"] == "1.020 (1.000 to 1.040)"
    assert lines["µs/request of active clients, alone"] == "60.0 (50.0 to 100.0)"
    assert lines["% of a core beside 10,000 idle clients"] == "0.40 (0.40 to 0.40)"


def test_memory_is_what_the_first_crowd_added() -> None:
    """Later ones find memory that the first one left."""
    lines = dict(table(run()))
    assert lines["bytes per connection, RSS"] == f"{20 * MIB / 10_000:,.0f}"
    assert lines["bytes per connection, PSS"] == f"{10 * MIB / 10_000:,.0f}"
    assert lines["bytes per connection, USS"] == f"{5 * MIB / 10_000:,.0f}"
    assert lines["MiB after all crowds but the last, RSS"] == "76.0"
    assert lines["MiB with the last crowd, RSS"] == "83.0"


def test_both_pages_have_table_and_conditions() -> None:
    for page in (text(run()), markdown(run())):
        assert "ratio of the two" in page
        assert all(line in page for line in conditions(run()))
