"""Plain data as YAML text: mappings in block style with lists of texts in one line, or all of it in flow style.

What is written here reads as what it was by the core schema of YAML 1.2, and by the older rules of other parsers, too:
texts that any of them could take for something else stand in quotes. Pure; called by `yaml_edits`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from router.model.documents import plain_scalar

_PLAIN: Final = re.compile(r"[A-Za-z/][-A-Za-z0-9_./@+]*( [A-Za-z0-9][-A-Za-z0-9_./@+]*)*")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "null", "true", "false"})
"""What YAML 1.1 makes a truth value of, in any case of letters."""
_NOT_AS_ITSELF: Final = re.compile(
    r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""Characters that must be escaped between double quotes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a document is laid out."""

    step: int = 2
    """Columns that a mapping is indented within another one."""
    dash: int = 2
    """Columns that the dashes of a list are indented under its key."""
    quoted: bool = False
    """Every text is quoted, as JSON has it."""

    def block(self, mapping: Mapping[str, Any], column: int) -> Iterator[str]:
        """The lines of a mapping that is not empty, without line breaks."""
        pad = " " * column
        for key, value in mapping.items():
            begin = f"{pad}{self.scalar(key)}:"
            if isinstance(value, Mapping) and value:
                yield begin
                yield from self.block(value, column + self.step)
            elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
                yield begin
                for each in value:
                    yield from self.item(each, column + self.dash)
            else:
                yield f"{begin} {self.flow(value)}"

    def item(self, value: Any, column: int) -> Iterator[str]:
        """The lines of an entry of a list, its dash in the given column."""
        begin = " " * column + "- "
        if not isinstance(value, Mapping) or not value:
            yield begin + self.flow(value)
            return
        for number, line in enumerate(self.block(value, column + 2)):
            yield line if number else begin + line[column + 2 :]

    def flow(self, value: Any, style: str = "") -> str:
        """In one line. `style`: as for a scalar, if it is one."""
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{self.scalar(key)}: {self.flow(each)}" for key, each in value.items()) + "}"
        if isinstance(value, list | tuple):
            return "[" + ", ".join(map(self.flow, value)) + "]"
        return self.scalar(value, style)

    def scalar(self, value: str | float | bool | None, style: str = "") -> str:
        """`style` is the quote that is preferred; a text that needs others gets those."""
        if not isinstance(value, str):
            return json.dumps(value)
        if style == "'" and value.isprintable() and not _NOT_AS_ITSELF.search(value):
            return "'" + value.replace("'", "''") + "'"
        if not style and not self.quoted and _is_plain(value):
            return value
        return _escaped(json.dumps(value, ensure_ascii=False))


def json_text(value: Any) -> str:
    """JSON that YAML reads as the same, in lines."""
    return _escaped(json.dumps(value, ensure_ascii=False, indent=2), keep="\n")


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS and plain_scalar(text) == text


def _escaped(text: str, keep: str = "") -> str:
    return _NOT_AS_ITSELF.sub(lambda found: found[0] if found[0] == keep else f"\\u{ord(found[0]):04x}", text)
