"""YAML documents as plain data in which every mapping and list knows its lines.

libyaml (through ruamel.yaml) finds the structure; this module makes mappings, lists and scalars of its events, because
no constructor at hand does all of what a configuration needs that people write by hand and programs by the thousand:

- a line for every key and value, at a fraction of the time of ruamel.yaml's own constructors (the safe one knows no
  lines and takes four times as long, the round-trip one thirty times);
- scalars by the core schema of YAML 1.2.2 (section 10.3) and nothing else: `yes`, `12:30` and dates are texts, `010` is
  ten, whatever a %YAML directive says; keys are always texts, as in JSON;
- a key given twice, a tag, and aliases that would multiply the document are faults, not surprises.

Reading ends at the first fault, which says line and place. The documents before it have been handed out by then. Called
by `parsing.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined]
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

MAX_DEPTH: Final = 32
"""Levels of mappings and lists; the schema has 7. The parser's time grows with the square of the depth."""

MAX_REPEATED: Final = 100_000
"""Values that all aliases of a file together may stand for: what keeps a page of text from becoming gigabytes."""

_STRING_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str"})


class Fault(Exception):
    """What keeps a document from being read. `path` grows on the way up through the mappings and lists around it."""

    def __init__(self, message: str, line: int, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.path = path

    def inside(self, step: str | int) -> Fault:
        return Fault(self.message, self.line, (step, *self.path))


class Mapping(dict[str, Any]):
    """A mapping that knows the lines of its keys and values, from 1.

    A value that is a mapping or list has the line of its key, where the eye looks for it.
    """

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, tuple[int, int]] = {}


class Sequence(list[Any]):
    """A list that knows the line of each entry, from 1."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


class Reader:
    """Makes data of one stream of events. One reader per text, used once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._events = _events(text)
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0
        self._repeated = 0

    def documents(self) -> Iterator[tuple[Any, int]]:
        """Each document with the line that it begins on. Raises Fault."""
        try:
            for event in self._events:
                if isinstance(event, DocumentStartEvent):
                    self._anchors.clear()
                    yield self._value(next(self._events), 0)
        except MarkedYAMLError as error:
            raise Fault(*_syntax(error)) from None
        except ReaderError as error:
            before = self._text.encode()[: error.position]
            raise Fault(f"not YAML: {error.reason}", before.count(b"\n") + 1) from None
        except UnicodeEncodeError as error:  # half of a surrogate pair, which no file can hold
            raise Fault(f"not YAML: {error.reason}", self._text.count("\n", 0, error.start) + 1) from None

    def _value(self, event: Any, depth: int) -> tuple[Any, int]:
        line: int = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            return self._aliased(event.anchor, line), line
        self._values += 1
        before = self._values + self._repeated
        value: Any
        if isinstance(event, ScalarEvent):
            value = _scalar(event, line)
        elif depth >= MAX_DEPTH:
            raise Fault(f"mappings and lists stand in each other at most {MAX_DEPTH} levels deep", line)
        elif event.tag is not None:
            raise Fault(_tag_refused(event.tag), line)
        elif isinstance(event, MappingStartEvent):
            value = self._mapping(Mapping(line), depth + 1)
        else:
            assert isinstance(event, SequenceStartEvent)  # noqa: S101  # the grammar has no other
            value = self._sequence(Sequence(line), depth + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._values + self._repeated - before + 1)
        return value, line

    def _mapping(self, mapping: Mapping, depth: int) -> Mapping:
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                break
            key_line: int = event.start_mark.line + 1
            key = _key(event, key_line)
            if key in mapping:
                raise Fault(f"is given twice; the first time on line {mapping.lines[key][0]}", key_line, (key,))
            try:
                value, line = self._value(next(self._events), depth)
            except Fault as fault:
                raise fault.inside(key) from None
            mapping[key] = value
            mapping.lines[key] = (key_line, key_line if isinstance(value, dict | list) else line)
        return mapping

    def _sequence(self, sequence: Sequence, depth: int) -> Sequence:
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                break
            try:
                value, line = self._value(event, depth)
            except Fault as fault:
                raise fault.inside(len(sequence)) from None
            sequence.append(value)
            sequence.lines.append(line)
        return sequence

    def _aliased(self, anchor: str, line: int) -> Any:
        if anchor not in self._anchors:
            raise Fault(f"the alias *{anchor} names nothing that stands before it", line)
        value, size = self._anchors[anchor]
        self._repeated += size
        if self._repeated > MAX_REPEATED:
            raise Fault(f"the aliases of a file may stand for at most {MAX_REPEATED} values", line)
        return value


def _events(text: str) -> Iterator[Any]:
    """libyaml by itself: ruamel's `YAML` object in front of it would double the time of a short file."""
    parser = CParser(text)
    while parser.check_event():
        yield parser.get_event()


def _syntax(error: MarkedYAMLError) -> tuple[str, int]:
    mark = error.problem_mark or error.context_mark
    if error.problem == "found character that cannot start any token" and error.context:
        return (
            "not YAML: no value can begin with this character (a tab before it? YAML indents with spaces)",
            mark.line + 1,
        )
    details = ", ".join(part for part in (error.context, error.problem) if part)
    return f"not YAML: {details}", mark.line + 1 if mark else 1


def _tag_refused(tag: str | None) -> str:
    return f"tags such as {tag!r} are not supported; write the plain value"


def _key(event: Any, line: int) -> str:
    if not isinstance(event, ScalarEvent):
        raise Fault("a key must be a text, not a mapping, list or alias", line)
    if event.tag not in _STRING_TAGS:
        raise Fault(_tag_refused(event.tag), line)
    if event.value == "<<" and not event.style:
        raise Fault("merge keys (<<) are not part of YAML 1.2; write the keys out", line)
    return str(event.value)


def _scalar(event: Any, line: int) -> Any:
    if event.tag not in _STRING_TAGS:
        raise Fault(_tag_refused(event.tag), line)
    is_plain = event.tag is None and not event.style
    return plain_scalar(event.value) if is_plain else event.value


_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
# Longer ones stay texts: Python refuses to convert them, and no key of the schema wants such a number.
_INT = re.compile(r"[-+]?[0-9]{1,100}")
_OCT = re.compile(r"0o[0-7]{1,40}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,40}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,400}|[0-9]{1,400}(\.[0-9]{0,400})?)([eE][-+]?[0-9]{1,20})?")
_INF_OR_NAN = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@lru_cache(maxsize=1024)  # the same few words and numbers stand in every endpoint
def plain_scalar(text: str) -> str | int | float | bool | None:
    """The value of a scalar without quotes, by the core schema of YAML 1.2.2, section 10.3.2."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text[0] not in "-+.0123456789":
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _OCT.fullmatch(text) or _HEX.fullmatch(text):
        return int(text, base=0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INF_OR_NAN.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text
