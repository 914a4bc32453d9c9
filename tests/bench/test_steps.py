"""The benchmark of steps of load: what it says, and a run of two steps."""

from __future__ import annotations

import os

import pytest

from bench.machine import Machine
from bench.steps import Run, Step, measure, table

MACHINE = Machine(2, "a processor", "6.1", "3.11.7", (0.1, 0.2, 0.3), "2024-01-01T10:00:00+00:00")


def test_what_is_said() -> None:
    steps = [Step(0.11, [10], [0.02, 0.01]), Step(0.25, [9, 10], [0.03]), Step(0.12, [10], [])]
    lines = dict(table(Run(MACHINE, 7, steps)))
    assert lines["ms from the first request to the write's receipt"] == "120 (110 120 250)"
    assert lines["steps whose first write had the right size, 10"] == "2 of 3"
    assert lines["writes in a step, most"] == "2"
    assert lines["ms from a pod's being ready to its first request"] == "20 (p90 30, slowest 30, of 3)"


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.skipif("KUBEBUILDER_ASSETS" not in os.environ, reason="there is no API server")
async def test_a_step_is_answered_by_one_write_of_the_right_size() -> None:
    run = await measure(2, 7)
    print([f"{1000 * step.written_s:.0f} ms" for step in run.steps])
    assert all(step.written_s < 1 for step in run.steps)
    assert all(step.sizes[0] == run.right == 10 for step in run.steps)
    assert all(len(step.served_s) == 6 for step in run.steps)
