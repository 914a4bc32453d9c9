"""The benchmark of a cluster: what it says, and a run of it with few endpoints."""

from __future__ import annotations

import os

import pytest

from bench.cluster import Idle, Run, Start, measure, table
from bench.machine import Machine

MACHINE = Machine(2, "a processor", "6.1", "3.11.7", (0.1, 0.2, 0.3), "2024-01-01T10:00:00+00:00")
MIB = 2**20


def test_what_is_said() -> None:
    first = Start(3.14, 4.0, 5.0, 2.5, 100 * MIB, {"create secrets": 1000, "list pods": 2})
    second = Start(2.0, None, None, 1.5, 110 * MIB, {"list pods": 2})
    idle = Idle(0.0123, 120 * MIB, {"update leases": 60.0, "watch pods": 0.5})
    lines = dict(table(Run(MACHINE, 1000, first, second, idle, [0.05, 0.03, 0.04], [0.01])))
    assert lines["first start, s to ready"] == "3.1"
    assert lines["first start, requests to the API server"] == "1002 (create secrets 1000, list pods 2)"
    assert lines["second start, s to the last Secret made"] == "none"
    assert lines["idle, % of a core"] == "1.23"
    assert lines["idle, requests to the API server per minute"] == "60.5 (update leases 60.0, watch pods 0.5)"
    assert lines["ms from an edit to its being in force"] == "40 (30 to 50)"


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.skipif("KUBEBUILDER_ASSETS" not in os.environ, reason="there is no API server")
async def test_a_run_with_few_endpoints() -> None:
    run = await measure(3, 1.0, 1)
    assert run.first.asked["create secrets"] == 3
    assert run.first.statuses_s is not None
    assert run.second.asked["get deployments/scale"] == 6
    assert not {"create secrets", "create events", "patch scoringendpoints/status"} & run.second.asked.keys()
    assert run.idle.asked.keys() <= {"update leases"}
    assert len(run.edits_s) == len(run.pods_s) == 1
