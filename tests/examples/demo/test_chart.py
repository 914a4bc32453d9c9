from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from examples.demo.chart import chart
from examples.demo.seen import NO_OVERHEAD, Load, Sample


def samples(*loads: tuple[int, int]) -> list[Sample]:
    """One per second, each ready and wanted replicas."""
    return [
        Sample(float(at), {"blue": Load(total=ready, desired=wanted)}, NO_OVERHEAD)
        for at, (ready, wanted) in enumerate(loads)
    ]


def test_ready_and_wanted_replicas_over_time() -> None:
    assert chart(samples((1, 1), (1, 3), (2, 3), (3, 3), (1, 1)), "blue", width=5) == [
        "  3 | ..#",
        "  2 | .##",
        "  1 |#####",
        "    +-----",
        "     0 4 s",
    ]


def test_columns_without_a_sample_go_on_with_the_last_one() -> None:
    assert chart(samples((1, 1), (2, 2)), "blue", width=8)[:2] == ["  2 |       #", "  1 |########"]


def test_nothing_seen_and_a_version_never_seen() -> None:
    assert chart([], "blue") == []
    assert chart(samples((1, 1)), "green", width=8)[0] == "  1 |"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=200), st.integers(8, 80))
def test_it_is_as_wide_as_told_and_as_high_as_needed(loads: list[tuple[int, int]], width: int) -> None:
    *rows, axis, scale = chart(samples(*loads), "blue", width)
    assert len(rows) == max(1, *(max(load) for load in loads))
    assert all(len(row) <= len(axis) == len("    +") + width == len(scale) for row in rows)
    assert "".join([*rows, axis, scale]).isascii()
