"""What is wrong with a configuration, in words for the one who wrote it: where, which key and value, what is allowed.

A problem never shows a credential. The schema has no key that holds one, but people put them where they do not belong:
so the values of unknown keys, of the auth block's own mappings, of commands and of URLs with a user name stay hidden,
and of a mapping or list no content is ever shown. Called by `interpreting.py`, `parsing.py` and `catalogue.py`; printed
by `maitre check`, the log, `/readyz` and the status of the resource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from router.errors import MaitreError

Path: TypeAlias = tuple[str | int, ...]
"""The way to a place in a document, in the words of the file: ("spec", "versions", 0, "trafficPercentile")."""

MAX_VALUE_CHARS: Final = 80
_PLAIN_KEY = re.compile(r"[A-Za-z_][-A-Za-z0-9_]*")
_MAPPINGS_OF_SECRETS = frozenset({("spec",), ("spec", "auth"), ("spec", "auth", "token")})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `str()` of it is the line that users read."""

    source: str
    """The file as the user named it, or what else the document came from."""
    line: int | None
    """From 1; None where there are no lines (the API, a missing file)."""
    key: str
    """Dotted, with list index and version name: `spec.versions[1](green).target`; empty for a file as a whole."""
    value: str | None
    """As JSON, at most 80 characters; None where there is none or it might be a secret."""
    message: str
    """What is wrong and what is allowed."""

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigurationRefused(MaitreError):
    """A document breaks rules of the schema; nothing of it was applied."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def quoted(text: str) -> str:
    """As a JSON string, cut to 80 characters, with nothing in it that a terminal would obey."""
    cut = text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"
    return json.dumps(cut, ensure_ascii=not cut.isprintable())


def shown(value: object, path: Path) -> str | None:
    """The value for the eyes of the user, or None if it might hold a secret."""
    match value:
        case dict():
            return "a mapping"
        case list() | tuple():
            return "an empty list" if not value else "a list of 1" if len(value) == 1 else f"a list of {len(value)}"
        case str() if path in _MAPPINGS_OF_SECRETS or "command" in path or "@" in value:
            return None
        case str():
            return _cut(quoted(value))
        case _:
            return _cut(json.dumps(value, default=str))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"


def dotted(path: Path, document: object = None) -> str:
    """The path as users read it; list entries of the document that have a name are shown with it."""
    words = ""
    place: Any = document
    for step in path:
        place = _inside(place, step)
        if isinstance(step, int):
            words += f"[{step}]" + _name_of(place)
        else:
            words += ("." if words else "") + (step if _PLAIN_KEY.fullmatch(step) else quoted(step))
    return words


def _inside(place: object, step: str | int) -> object:
    if isinstance(place, dict) and isinstance(step, str):
        return place.get(step)
    if isinstance(place, list) and isinstance(step, int) and 0 <= step < len(place):
        return place[step]
    return None


def _name_of(place: object) -> str:
    name = place.get("name") if isinstance(place, dict) else None
    return f"({name})" if isinstance(name, str) and len(name) <= 63 and _PLAIN_KEY.fullmatch(name) else ""


def value_at(document: object, path: Path) -> object:
    """What stands at a place of a document; None where nothing does."""
    place = document
    for step in path:
        place = _inside(place, step)
    return place
