"""Turns."""

from __future__ import annotations

from bench.contenders import Contender
from bench.rounds import rotated


def test_everybody_is_first_in_turn() -> None:
    everybody = [Contender(name, "1", lambda *_: []) for name in "abc"]
    orders = ["".join(each.name for each in rotated(everybody, by)) for by in range(4)]
    assert orders == ["abc", "bca", "cab", "abc"]
