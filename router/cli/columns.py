"""Tables for people: plain text, columns as wide as what stands in them."""

from __future__ import annotations

from collections.abc import Iterable


def columns(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Numbers to the right, the rest to the left; ends with a line end."""
    lines = [[*header], *([_text(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = [all(map(_is_number, column[1:])) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        + "\n"
        for line in lines
    )


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    return f"{cell:g}" if isinstance(cell, float) else str(cell)


def _is_number(text: str) -> bool:
    return text[:1].isdigit() or text == "-"
