"""Process trees and their CPU time, out of the lines of /proc."""

from __future__ import annotations

import pytest

from bench.processes import Stat, parse_stat, tree

LINE = "4242 ({}) S 17 4242 4242 0 -1 4194304 100 0 0 0 250 125 900 900 20 0 1 0 12345 1000000 500"


@pytest.mark.parametrize("command", ["nginx", "python -m router", "odd) S 1 (name", ""])
def test_a_line_is_read_whatever_the_command_is_called(command: str) -> None:
    assert parse_stat(LINE.format(command)) == Stat(parent=17, ticks=375)


def test_a_tree_is_the_root_and_all_below_it() -> None:
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1, 21: 20}
    assert tree(10, parents) == {10, 11, 12}


def test_a_root_that_is_gone_is_a_tree_of_its_own() -> None:
    assert tree(99, {1: 0}) == {99}
