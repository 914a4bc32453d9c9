"""A changed document as text in which everything that did not change stands as it stood.

The old data is compared with the new, and only the characters that mean a difference are replaced: comments, blank
lines, quotes, indentation, the order of keys and the way of line breaks stay. A round trip through ruamel.yaml keeps
comments, too, but writes the whole document anew (docs/decisions/0013). What has come out is read again and must be
what was asked for; where it is not (an anchor whose other uses were not to change, say) the document is written anew
below its first comments, and loses those inside of it.

What stands with an entry goes with it and moves with it: the comment lines directly above, in its column, and those
below that are indented more. Lists of mappings are matched by `name`, other ones by content.

Pure; called by `endpoint_files` and `keys`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, NamedTuple

from router.model.documents import Fault, Reader
from router.store.yaml_text import Layout, json_text
from router.store.yaml_tree import BLOCK_SCALARS, Entry, Node, tree


class Unwritable(Exception):
    """No YAML text that the router reads has this meaning: keys of more than a thousand characters, say."""


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


def edited(text: str, wanted: Mapping[str, Any]) -> str:
    """`text`, which holds one document that is a mapping, changed to mean `wanted`. Raises Unwritable."""
    old = _meaning(text)
    if same(old, wanted):
        return text
    root = tree(text)
    try:
        changed = _applied(text, 0, len(text), _Editor(text, root).edits(root, old, wanted))
        # a text block that has come to the end needs its line break, also in a file that had none there
        for candidate in (changed, changed + "\n"):
            if _means(candidate, wanted):
                return candidate
    except _NoPlace:
        pass
    return _anew(text, root, wanted)


def written(mapping: Mapping[str, Any], *, as_json: bool = False) -> str:
    """A document of its own, with a line break at its end. Raises Unwritable."""
    text = json_text(mapping) if as_json else "\n".join(Layout().block(mapping, 0))
    if not _means(text, mapping):
        raise Unwritable("YAML has no text for it; shorten its keys to less than 1000 characters")
    return text + "\n"


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 is 1.0, but not true."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


class _NoPlace(Exception):
    """The text has no place where this could be written."""


class _Editor:
    """Finds the edits of one document."""

    def __init__(self, text: str, root: Node) -> None:
        self._text = text
        self._layout = _layout(text, root)
        self._newline = "\r\n" if "\r\n" in text else "\n"

    def edits(self, node: Node, old: Any, new: Any, entry: Entry | None = None) -> list[Edit]:
        """What turns `old` into `new`, where `node` is `old` and the value of `entry`."""
        if same(old, new):
            return []
        if isinstance(new, Mapping | list | tuple) and node.entries and new:
            if isinstance(new, Mapping) == node.is_mapping:
                return self._collection(node, old, new, entry)
        elif node.start < node.end and not node.entries and node.style not in {*BLOCK_SCALARS, "alias"}:
            return [Edit(node.start, node.end, self._value(new, node.style if isinstance(new, str) else ""))]
        return [self._whole(node, new, entry)]

    def _whole(self, node: Node, new: Any, entry: Entry | None) -> Edit:
        if entry is None or entry.after < 0:
            raise _NoPlace
        space = "" if entry.after == entry.start else " "
        return Edit(entry.after, max(node.end, entry.after), space + self._layout.flow(new))

    def _value(self, value: Any, style: str = "") -> str:
        is_text = isinstance(value, str)
        return self._layout.scalar(value, style) if is_text else self._layout.flow(value)

    def _collection(self, node: Node, old: Any, new: Any, entry: Entry | None) -> list[Edit]:
        wishes = _mapped(old, new) if node.is_mapping else _listed(old, new)
        values = list(old.values()) if node.is_mapping else list(old)
        places = [wish.origin for wish in wishes]
        inner = {
            wish.origin: self.edits(
                node.entries[wish.origin].value, values[wish.origin], wish.value, node.entries[wish.origin]
            )
            for wish in wishes
            if wish.origin is not None
        }
        if places == list(range(len(values))):
            return [edit for edits in inner.values() for edit in edits]
        if node.style == "flow":
            return [_Line(self._text, self._layout, node).assembled(wishes, inner)]
        lines = _Lines(self._text, self._layout, node, self._newline)
        if lines.shares and not inner:
            return [self._whole(node, new, entry)]
        return [lines.assembled(wishes, inner)]


Inner = Mapping[int, list[Edit]]
"""The edits within entries that stay, by their index."""


class _Line:
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
        return _applied(self._text, entry.start, entry.value.end, inner[wish.origin])

    def _new(self, wish: Wish) -> str:
        value = self._layout.flow(wish.value)
        return value if wish.key is None else f"{self._layout.scalar(wish.key)}: {value}"


class _Lines:
    """A collection in block style: each entry has lines of its own, but that the first may share one with a dash."""

    def __init__(self, text: str, layout: Layout, node: Node, newline: str) -> None:
        self._text = text
        self._layout = layout
        self._newline = newline
        first = node.entries[0].start
        self._column = first - _line_start(text, first)
        self.shares = bool(text[first - self._column : first].strip())
        """The line of the first entry begins with something else."""
        if self.shares and "\t" in text[first - self._column : first]:
            raise _NoPlace
        self._spans = [self._span(entry) for entry in node.entries]
        self._gaps = [text[one[1] : other[0]] for one, other in pairwise(self._spans)]
        self._usual = self._gaps[0] if self._gaps and not self._gaps[0].strip() else ""

    def _span(self, entry: Entry) -> tuple[int, int]:
        """From the comment lines above to behind the line break of the last line."""
        start = _line_start(self._text, entry.start)
        if self._text[start : entry.start].strip():
            start = entry.start
        else:
            while (above := _line_start(self._text, start - 1)) < start and self._remark_at(above) == self._column:
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
        content = _applied(self._text, start, end, edits)
        pad = " " * self._column if self.shares and index == 0 else ""
        return pad + content + ("" if content.endswith("\n") else self._newline)

    def _new(self, wish: Wish) -> str:
        new = (
            self._layout.item(wish.value, self._column)
            if wish.key is None
            else self._layout.block({wish.key: wish.value}, self._column)
        )
        return "".join(line + self._newline for line in new)


def _mapped(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Wish]:
    """Keys stay in their order, new ones come last."""
    kept = [Wish(key, new[key], index) for index, key in enumerate(old) if key in new]
    return kept + [Wish(key, value, None) for key, value in new.items() if key not in old]


def _listed(old: Sequence[Any], new: Sequence[Any]) -> list[Wish]:
    before, after = _names(old), _names(new)
    if before is not None and after is not None:
        places = {name: index for index, name in enumerate(before)}
        return [Wish(None, value, places.get(name)) for name, value in zip(after, new, strict=True)]
    return list(_aligned(old, new))


def _names(entries: Sequence[Any]) -> list[str] | None:
    """If each has a name of its own."""
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in entries]
    is_good = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    return [str(name) for name in names] if is_good else None


def _aligned(old: Sequence[Any], new: Sequence[Any]) -> Iterator[Wish]:
    """As few entries as possible change; those that change stay in their places."""
    matcher = SequenceMatcher(None, [repr(value) for value in old], [repr(value) for value in new], autojunk=False)
    for _, low, high, begin, end in matcher.get_opcodes():
        for index in range(begin, end):
            place = low + index - begin
            yield Wish(None, new[index], place if place < high else None)


def _layout(text: str, root: Node) -> Layout:
    """As the first mapping and list within another one have it."""
    steps: list[int] = []
    dashes: list[int] = []

    def look(node: Node) -> None:
        for entry in node.entries:
            inner = entry.value
            if node.style == inner.style == "block" and node.is_mapping:
                deeper = _column(text, inner.entries[0].start) - _column(text, entry.start)
                (steps if inner.is_mapping else dashes).append(deeper)
            look(inner)

    look(root)
    return Layout(next(iter(steps), 2), next(iter(dashes), 2), quoted=root.style == "flow")


def _anew(text: str, root: Node, wanted: Mapping[str, Any]) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    start = _line_start(text, root.start) if root.style == "block" else root.start
    fresh = written(wanted, as_json=root.style == "flow").removesuffix("\n").replace("\n", newline)
    changed = text[:start] + fresh + text[root.end :]
    if not _means(changed, wanted):
        raise Unwritable("the document cannot be changed in its place; write it in block style, without tabs")
    return changed


def _remark(between: str) -> str:
    """The comment in what separated two entries, of which the second is gone."""
    return between.replace(",", "", 1) if "#" in between else ""


def _meaning(text: str) -> Any:
    return next(value for value, _ in Reader(text).documents())


def _means(text: str, wanted: Any) -> bool:
    try:
        documents = [value for value, _ in Reader(text).documents()]
    except Fault:
        return False
    return len(documents) == 1 and same(documents[0], wanted)


def _applied(text: str, start: int, end: int, edits: Iterable[Edit]) -> str:
    parts: list[str] = []
    for edit in sorted(edits):
        parts += (text[start : edit.start], edit.text)
        start = edit.end
    return "".join(parts) + text[start:end]


def _line_start(text: str, place: int) -> int:
    return text.rfind("\n", 0, max(place, 0)) + 1


def _next_line(text: str, place: int) -> int:
    """Where the line behind begins, or the text ends. A value that ends with its line break has no other one."""
    return text.find("\n", place) + 1 or len(text)


def _column(text: str, place: int) -> int:
    return place - _line_start(text, place)
