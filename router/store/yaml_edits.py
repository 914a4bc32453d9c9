"""A changed document as text in which everything that did not change stands as it stood.

The old data is compared with the new, and only the characters that mean a difference are replaced: comments, blank
lines, quotes, indentation, the order of keys and the way of line breaks stay. A round trip through ruamel.yaml keeps
comments, too, but writes the whole document anew (docs/decisions/0013). What has come out is read again and must be
what was asked for; where it is not (an anchor whose other uses were not to change, say) the document is written anew
below its first comments, and loses those inside of it.

What stands with an entry goes with it and moves with it: the comment lines directly above, in its column, and those
below that are indented more. Lists of mappings are matched by `name`, other ones by content.

How entries are put together anew is in `yaml_entries`. Pure; called by `endpoint_files` and `key_writer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from router.model.documents import Fault, Reader
from router.store.yaml_entries import Edit, Line, Lines, NoPlace, Wish, applied, line_start
from router.store.yaml_text import Layout, json_text
from router.store.yaml_tree import BLOCK_SCALARS, Entry, Node, tree


class Unwritable(Exception):
    """No YAML text that the router reads has this meaning: keys of more than a thousand characters, say."""


def edited(text: str, wanted: Mapping[str, Any]) -> str:
    """`text`, which holds one document that is a mapping, changed to mean `wanted`. Raises Unwritable."""
    old = _meaning(text)
    if same(old, wanted):
        return text
    root = tree(text)
    try:
        changed = applied(text, 0, len(text), _Editor(text, root).edits(root, old, wanted))
        # a text block that has come to the end needs its line break, also in a file that had none there
        for candidate in (changed, changed + "\n"):
            if _means(candidate, wanted):
                return candidate
    except NoPlace:
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
            return [Edit(node.start, node.end, self._layout.flow(new, node.style))]
        return [self._whole(node, new, entry)]

    def _whole(self, node: Node, new: Any, entry: Entry | None) -> Edit:
        if entry is None or entry.after < 0:
            raise NoPlace
        space = "" if entry.after == entry.start else " "
        return Edit(entry.after, max(node.end, entry.after), space + self._layout.flow(new))

    def _collection(self, node: Node, old: Any, new: Any, entry: Entry | None) -> list[Edit]:
        wishes = _mapped(old, new) if node.is_mapping else _listed(old, new)
        values = list(old.values()) if node.is_mapping else list(old)
        inner = {
            origin: self.edits(node.entries[origin].value, values[origin], value, node.entries[origin])
            for _, value, origin in wishes
            if origin is not None
        }
        if [wish.origin for wish in wishes] == list(range(len(values))):
            return [edit for edits in inner.values() for edit in edits]
        if node.style == "flow":
            return [Line(self._text, self._layout, node).assembled(wishes, inner)]
        lines = Lines(self._text, self._layout, node, self._newline)
        if lines.shares and not inner:
            return [self._whole(node, new, entry)]
        return [lines.assembled(wishes, inner)]


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
    start = line_start(text, root.start) if root.style == "block" else root.start
    fresh = written(wanted, as_json=root.style == "flow").removesuffix("\n").replace("\n", newline)
    changed = text[:start] + fresh + text[root.end :]
    if not _means(changed, wanted):
        raise Unwritable("the document cannot be changed in its place; write it in block style, without tabs")
    return changed


def _meaning(text: str) -> Any:
    return next(value for value, _ in Reader(text).documents())


def _means(text: str, wanted: Any) -> bool:
    try:
        documents = [value for value, _ in Reader(text).documents()]
    except Fault:
        return False
    return len(documents) == 1 and same(documents[0], wanted)


def _column(text: str, place: int) -> int:
    return place - line_start(text, place)
