"""Process trees out of the lines of /proc, and their CPU time."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bench.processes import cpu_clock, cpu_seconds, family, parent, tree

LINE = "4242 ({}) S 17 4242 4242 0 -1 4194304 100 0 0 0 250 125 900 900 20 0 1 0 12345 1000000 500"


@pytest.mark.parametrize("command", ["nginx", "python -m router", "odd) S 1 (name", ""])
def test_a_line_is_read_whatever_the_command_is_called(command: str) -> None:
    assert parent(LINE.format(command)) == 17


def test_a_tree_is_the_root_and_all_below_it() -> None:
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1, 21: 20}
    assert tree(10, parents) == {10, 11, 12}


def test_a_root_that_is_gone_is_a_tree_of_its_own() -> None:
    assert tree(99, {1: 0}) == {99}


def test_the_clock_of_a_process_is_its_own_cpu_time() -> None:
    before = time.process_time_ns()
    read = time.clock_gettime_ns(cpu_clock(os.getpid()))
    assert before <= read <= time.process_time_ns()


def test_cpu_time_is_that_of_the_children_too() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    before = cpu_seconds(os.getpid())
    with subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in family(os.getpid())
        assert cpu_seconds(os.getpid()) - before >= 0.2
        child.communicate(b"\n")
