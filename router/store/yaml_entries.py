"""The entries of one mapping or list put together anew: those that stay as they were written, new ones beside them.

What stands between entries stays where they are: comments for good, blank lines and commas as the others have them.
What belongs to an entry in block style, and goes and moves with it, is said in `yaml_edits`, which is the only caller.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import pairwise
from typing import Any, NamedTuple

from router.store.yaml_text import Layout
from router.store.yaml_tree import Entry, Node


class NoPlace(Exception):
    """The text has no place where this could be written."""


class Edit(NamedTuple):
    """These characters give way to that text."""

    start: int
    end: int
    text: str


class Wish(NamedTuple):
    """What is to stand at one place of a collection."""

    key: str | None
    """In a mapping."""
    value: Any
    origin: int | None
    """The number of the entry that it is made of; None: a new one."""


Inner = Mapping[int, list[Edit]]
"""The edits within entries that stay, by their index."""


class Line:
    """A collection in flow style: its entries and what separates them."""

    def __init__(self, text: str, layout: Layout, node: Node) -> None:
        self._text = text
        self._layout = layout
        self._node = node
        entries = node.entries
        self._begin = text[node.start : entries[0].start]
        self._end = text[entries[-1].value.end : node.end]
        self._between = [text[one.value.end : other.start] for one, other in pairwise(entries)]
        is_tall = "\n" in self._begin and "#" not in self._begin
        usual = [between for between in self._between if "#" not in between]
        self._usual = usual[0] if usual else "," + self._begin[self._begin.index("\n") :] if is_tall else ", "

    def assembled(self, wishes: Sequence[Wish], inner: Inner) -> Edit:
        parts = [self._begin, self._entry(wishes[0], inner)]
        lost = set(range(len(self._between)))
        for one, other in pairwise(wishes):
            if one.origin is not None and other.origin == one.origin + 1:
                lost.remove(one.origin)
                parts.append(self._between[one.origin])
            else:
                parts.append(self._usual)
            parts.append(self._entry(other, inner))
        parts += [_remark(self._between[index]) for index in sorted(lost)]
        return Edit(self._node.start, self._node.end, "".join(parts) + self._end)

    def _entry(self, wish: Wish, inner: Inner) -> str:
        if wish.origin is None:
            return self._new(wish)
        entry = self._node.entries[wish.origin]
        return applied(self._text, entry.start, entry.value.end, inner[wish.origin])

    def _new(self, wish: Wish) -> str:
        value = self._layout.flow(wish.value)
        return value if wish.key is None else f"{self._layout.scalar(wish.key)}: {value}"


class Lines:
    """A collection in block style: each entry has lines of its own, but that the first may share one with a dash."""

    def __init__(self, text: str, layout: Layout, node: Node, newline: str) -> None:
        self._text = text
        self._layout = layout
        self._newline = newline
        first = node.entries[0].start
        self._column = first - line_start(text, first)
        self.shares = bool(text[first - self._column : first].strip())
        """The line of the first entry begins with something else."""
        if self.shares and "\t" in text[first - self._column : first]:
            raise NoPlace
        self._spans = [self._span(entry) for entry in node.entries]
        self._gaps = [text[one[1] : other[0]] for one, other in pairwise(self._spans)]
        self._usual = self._gaps[0] if self._gaps and not self._gaps[0].strip() else ""

    def _span(self, entry: Entry) -> tuple[int, int]:
        """From the comment lines above to behind the line break of the last line."""
        start = line_start(self._text, entry.start)
        if self._text[start : entry.start].strip():
            start = entry.start
        else:
            while (above := line_start(self._text, start - 1)) < start and self._remark_at(above) == self._column:
                start = above
        end = _next_line(self._text, entry.value.end)
        while (column := self._remark_at(end)) is not None and column > self._column:
            end = _next_line(self._text, end)
        return start, end

    def _remark_at(self, line: int) -> int | None:
        """The column of a comment that has the line for itself."""
        content = self._text[line : _next_line(self._text, line)]
        bare = content.lstrip(" ")
        return len(content) - len(bare) if bare.startswith("#") else None

    def assembled(self, wishes: Sequence[Wish], inner: Inner) -> Edit:
        start, end = self._spans[0][0], self._spans[-1][1]
        gone = set(range(len(self._spans))) - inner.keys()
        parts = [self._remarks(0, gone)]
        for wish in wishes:
            if wish.origin is None:
                parts += (self._new(wish), self._usual)
            else:
                parts += (self._own(wish.origin, inner[wish.origin]), self._gap(wish.origin))
                parts.append(self._remarks(wish.origin + 1, gone))
        while not parts[-1].strip():
            parts.pop()  # blank lines stand between entries
        content = "".join(parts)
        if self.shares:
            content = content.removeprefix(" " * self._column)
        if not self._text[start:end].endswith("\n"):
            content = content.removesuffix(self._newline)
        return Edit(start, end, content)

    def _gap(self, index: int) -> str:
        """What stands between an entry and the next one and belongs to neither."""
        return self._gaps[index] if index < len(self._gaps) else self._usual

    def _remarks(self, index: int, gone: Set[int]) -> str:
        """The comments that stay where entries are gone, from this one on."""
        left = ""
        while index in gone:
            left += self._gap(index) if self._gap(index).strip() else ""
            index += 1
        return left

    def _own(self, index: int, edits: list[Edit]) -> str:
        start, end = self._spans[index]
        content = applied(self._text, start, end, edits)
        pad = " " * self._column if self.shares and index == 0 else ""
        return pad + content + ("" if content.endswith("\n") else self._newline)

    def _new(self, wish: Wish) -> str:
        new = (
            self._layout.item(wish.value, self._column)
            if wish.key is None
            else self._layout.block({wish.key: wish.value}, self._column)
        )
        return "".join(line + self._newline for line in new)


def applied(text: str, start: int, end: int, edits: Iterable[Edit]) -> str:
    parts: list[str] = []
    for edit in sorted(edits):
        parts += (text[start : edit.start], edit.text)
        start = edit.end
    return "".join(parts) + text[start:end]


def line_start(text: str, place: int) -> int:
    return text.rfind("\n", 0, max(place, 0)) + 1


def _next_line(text: str, place: int) -> int:
    """Where the line behind begins, or the text ends. A value that ends with its line break has no other one."""
    return text.find("\n", place) + 1 or len(text)


def _remark(between: str) -> str:
    """The comment in what separated two entries, of which the second is gone."""
    return between.replace(",", "", 1) if "#" in between else ""
