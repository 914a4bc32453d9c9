"""Parameters in the query of the admin API: each knows how it is read and how the OpenAPI document describes it.

What is not in an operation's list, or is given twice, is refused: a misspelt word must not pass for its absence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from router.admin.errors import BAD_REQUEST, RequestRefused
from router.model import fields


@dataclass(frozen=True, slots=True)
class Text:
    """A text that matches a pattern from end to end, if there is one."""

    name: str
    description: str
    pattern: str | None = None
    max_length: int | None = None
    default: str | None = None

    def read(self, text: str) -> str:
        if len(text) > (self.max_length or len(text)) or (self.pattern and not re.fullmatch(self.pattern, text)):
            raise RequestRefused(BAD_REQUEST, f"{self.name} is not allowed so: {self.description}")
        return text

    def schema(self) -> dict[str, Any]:
        limits = {"pattern": self.pattern, "maxLength": self.max_length}
        return {"type": "string", **{key: value for key, value in limits.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within limits."""

    name: str
    description: str
    low: int
    high: int
    default: int

    def read(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and self.low <= int(text) <= self.high):
            raise RequestRefused(BAD_REQUEST, f"{self.name} must be a whole number from {self.low} to {self.high}")
        return int(text)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high, "default": self.default}


@dataclass(frozen=True, slots=True)
class Flag:
    name: str
    description: str
    default: bool = False

    def read(self, text: str) -> bool:
        if text not in {"true", "false"}:
            raise RequestRefused(BAD_REQUEST, f"{self.name} must be true or false")
        return text == "true"

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean", "default": self.default}


@dataclass(frozen=True, slots=True)
class Among:
    """Some words of a list, with commas between them; all of them unless told."""

    name: str
    description: str
    choices: tuple[str, ...]

    @property
    def default(self) -> frozenset[str]:
        return frozenset(self.choices)

    def read(self, text: str) -> frozenset[str]:
        words = frozenset(text.split(","))
        if not words <= self.default:
            message = f"{self.name} must be words of {', '.join(self.choices)}, with commas between them"
            raise RequestRefused(BAD_REQUEST, message)
        return words

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(self.choices)}}


Parameter = Text | Whole | Flag | Among


def _text(name: str, description: str, kind: Any) -> Text:
    """A parameter with the limits that a type of the schema has."""
    schema = TypeAdapter(kind).json_schema()
    return Text(name, description, schema["pattern"], schema["maxLength"])


NAMESPACE: Final = _text(
    "namespace", "1 to 63 lower-case letters, digits and hyphens; absent: the router's own", fields.Namespace
)


def read_query(parameters: Sequence[Parameter], given: Iterable[tuple[str, str]]) -> Mapping[str, Any]:
    """The value of each parameter. Raises RequestRefused."""
    known = {parameter.name: parameter for parameter in parameters}
    values: dict[str, Any] = {}
    for name, text in given:
        if name not in known:
            allowed = f"; allowed here: {', '.join(known)}" if known else ""
            raise RequestRefused(BAD_REQUEST, f"there is no parameter {name[:80]!r}{allowed}")
        if name in values:
            raise RequestRefused(BAD_REQUEST, f"the parameter {name} is given twice")
        values[name] = known[name].read(text)
    return {name: values.get(name, parameter.default) for name, parameter in known.items()}
