"""Tables for people."""

from __future__ import annotations

from bench.tables import aligned, piped

TABLE = [["load", "µs"], ["steady", "7"]]


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert aligned(TABLE) == "load    µs\nsteady  7"


def test_markdown_has_a_line_below_the_headings() -> None:
    assert piped(TABLE) == "| load | µs |\n| --- | --- |\n| steady | 7 |"
