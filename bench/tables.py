"""Tables as lists of rows, the first one the headings: for a terminal, and in Markdown. Pure."""

from __future__ import annotations

Table = list[list[str]]


def aligned(table: Table) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
    return "\n".join(line.rstrip() for line in lines)


def piped(table: Table) -> str:
    headings, *others = table
    return "\n".join("| " + " | ".join(row) + " |" for row in [headings, ["---"] * len(headings), *others])
