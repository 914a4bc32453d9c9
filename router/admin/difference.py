"""What differs between an endpoint before and after a change, path by path: for the audit log.

Pure. Versions go by their names, so that one which is put first does not look as if all had changed. A value is shown
as problems show it: cut, and not at all where it might be a secret, which includes whatever the schema does not have
(an endpoint that was refused may have been stored). Called by `audit.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeGuard

from router.model.problems import Path, shown
from router.model.wording import allowed_at

ABSENT: Final = "absent"
HIDDEN: Final = "(not shown)"


class Change(NamedTuple):
    """At one path; `str()` of it is what the log has."""

    path: str
    """`spec.versions[blue].trafficPercentile`."""
    before: str
    """As JSON, at most 80 characters; or ABSENT, or HIDDEN."""
    after: str

    def __str__(self) -> str:
        return f"{self.path}: {self.before} → {self.after}"


class _Missing:
    """Nothing is there; null would be something."""


_MISSING: Final = _Missing()


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[Change]:
    """Each place where they differ, as deep as can be said; none if they are equal. None: there is no endpoint."""
    return _differing((), "", {} if before is None else before, {} if after is None else after)


def _differing(path: Path, words: str, before: Any, after: Any) -> Iterator[Change]:
    if _are(Mapping, before, after):
        yield from _mappings(path, words, _or_empty(before, {}), _or_empty(after, {}))
    elif _are(list, before, after):
        yield from _lists(path, words, _or_empty(before, []), _or_empty(after, []))
    elif isinstance(before, bool) is not isinstance(after, bool) or before != after:  # True equals 1, and is no 1
        yield Change(words, _shown(before, path), _shown(after, path))


def _are(kind: type[Any], before: Any, after: Any) -> bool:
    """Both of that kind, so that there is more to say; or one of them, with something in it, and the other missing."""
    there = [value for value in (before, after) if value is not _MISSING]
    return all(isinstance(value, kind) for value in there) and (len(there) == 2 or bool(there[0]))


def _or_empty(value: Any, empty: Any) -> Any:
    return empty if value is _MISSING else value


def _mappings(path: Path, words: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key in dict.fromkeys((*before, *after)):
        within = f"{words}.{key}" if words else key
        yield from _differing((*path, key), within, before.get(key, _MISSING), after.get(key, _MISSING))


def _lists(path: Path, words: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Change]:
    if _named(before) and _named(after):
        yield from _by_name(path, words, before, after)
        return
    for index in range(max(len(before), len(after))):
        old, new = (entries[index] if index < len(entries) else _MISSING for entries in (before, after))
        yield from _differing((*path, index), f"{words}[{index}]", old, new)


def _by_name(path: Path, words: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Change]:
    old, new = ({entry["name"]: entry for entry in entries} for entries in (before, after))
    for name in dict.fromkeys((*old, *new)):
        yield from _differing((*path, 0), f"{words}[{name}]", old.get(name, _MISSING), new.get(name, _MISSING))
    orders = [[name for name in one if name in other] for one, other in ((old, new), (new, old))]
    if orders[0] != orders[1]:
        yield Change(words, *(f"in the order {', '.join(order)}" for order in orders))


def _named(entries: Sequence[Any]) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    """Whether each has a name of its own."""
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in entries]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _shown(value: Any, path: Path) -> str:
    if value is _MISSING:
        return ABSENT
    return (shown(value, path) if allowed_at(path) else None) or HIDDEN
