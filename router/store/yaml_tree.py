"""Where everything stands in the text of a YAML document: what an edit needs that is to leave the rest as it is.

`router.model.documents` says what a text means; this module says which characters mean it. Both take the events of the
same parser. Positions count characters of the text; those of a collection in block style end with its last entry, and
comments belong to nobody here. Pure; called by `yaml_edits` and `endpoint_files`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined]
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

BLOCK_SCALARS: Final = frozenset({"|", ">"})


@dataclass(slots=True)
class Node:
    """A value. `start` is that of its anchor, if it has one."""

    start: int
    end: int
    style: str = ""
    """Of a scalar: empty, ' " | or >; of a collection: "flow" or "block"; "alias"."""
    is_mapping: bool = False
    entries: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class Entry:
    """A value in its collection: `start` is that of its key or dash, `after` the end of the colon or dash.

    In a list in flow style both are where the value begins.
    """

    start: int
    after: int
    value: Node


def document_starts(text: str) -> list[int]:
    """Where each document begins: at its `---` or the directives before it; the first at 0 if it has neither.

    The text must be one that `router.model` reads without a fault.
    """
    starts: list[int] = []
    for event in _events(text):
        if isinstance(event, DocumentStartEvent):
            is_bare = not event.explicit and not starts
            starts.append(0 if is_bare else event.start_mark.index)
    return starts


def tree(text: str) -> Node:
    """Of the only document, or the first one, in a text that `router.model` reads without a fault."""
    events = _events(text)
    for event in events:
        if isinstance(event, DocumentStartEvent):
            return _Composer(text, events).node(next(events))
    raise ValueError("there is no document in it")


class _Composer:
    def __init__(self, text: str, events: Iterator[Any]) -> None:
        self._text = text
        self._events = events

    def node(self, event: Any) -> Node:
        start, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, MappingStartEvent):
            return self._mapping(Node(start, end, _style(event), is_mapping=True))
        if isinstance(event, SequenceStartEvent):
            return self._sequence(Node(start, end, _style(event)))
        if isinstance(event, AliasEvent):
            return Node(start, end, "alias")
        style = event.style or ""
        if style in BLOCK_SCALARS:  # the parser counts the line breaks behind it
            end = start + len(self._text[start:end].rstrip())
        return Node(start, end, style)

    def _mapping(self, node: Node) -> Node:
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                return self._closed(node, event)
            assert isinstance(event, ScalarEvent)  # noqa: S101  # what the model reads has no other keys
            value = self.node(next(self._events))
            # a key in flow style may lack its colon; then there is no place that a value could be written to
            colon = self._text.find(":", event.end_mark.index, value.start)
            node.entries.append(Entry(event.start_mark.index, colon + 1 or -1, value))
        return node

    def _sequence(self, node: Node) -> Node:
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                return self._closed(node, event)
            before = node.entries[-1].value.end if node.entries else node.start
            value = self.node(event)
            start = after = value.start
            if node.style == "block":
                start = self._dash(before, value.start)
                after = start + 1
            node.entries.append(Entry(start, after, value))
        return node

    def _dash(self, begin: int, end: int) -> int:
        """Of an entry whose value begins at `end`: between the entry before and it are comments and the dash."""
        for place in reversed(range(begin, end)):
            line = self._text[self._text.rfind("\n", 0, place) + 1 : place]
            if self._text[place] == "-" and "#" not in line:
                return place
        raise ValueError("an entry of a list has no dash")

    def _closed(self, node: Node, event: Any) -> Node:
        node.end = event.end_mark.index if node.style == "flow" else node.entries[-1].value.end
        return node


def _style(event: Any) -> str:
    return "flow" if event.flow_style else "block"


def _events(text: str) -> Iterator[Any]:
    parser = CParser(text)
    while parser.check_event():
        yield parser.get_event()
