"""What the configuration files hold, as it was written, and their text with an endpoint put in, changed or taken out.

A file that is wrong now holds what is in force of it: that can be looked at, and not be changed. Each file is read
again when it was changed, and only then. Not for several threads at once. Called by `file_writer`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from router.model.catalogue import ConfigFile, combine, files_in
from router.model.documents import Fault, Reader
from router.model.parsing import NO_ENDPOINTS, parse
from router.model.problems import ConfigurationRefused, Problem
from router.model.spec import EndpointKey, ScoringEndpoint
from router.store.files import FileStore
from router.store.stamps import Stamp, stamp
from router.store.whole_files import Overtaken
from router.store.writing import Stored
from router.store.yaml_edits import edited, written
from router.store.yaml_tree import document_starts, tree

BOM: Final = "\ufeff"


@dataclass(frozen=True, slots=True)
class Kept:
    """An endpoint in its file."""

    path: Path
    document: int
    """Number of the document, from 0; -1 in a file that is wrong now."""
    endpoint: ScoringEndpoint
    content: bytes
    """The resource as JSON, keys sorted: ten thousand of them as data would take ten times the memory."""

    @property
    def etag(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:32]

    @property
    def directory(self) -> Path:
        """Where its other files are looked up."""
        return self.path.absolute().parent

    def stored(self) -> Stored:
        return Stored(self.endpoint.key, orjson.loads(self.content), self.etag)


@dataclass(frozen=True, slots=True)
class Holding:
    """A file as it was when it had this stamp."""

    seen: Stamp | None
    problems: tuple[Problem, ...]
    kept: tuple[Kept, ...]
    named: frozenset[EndpointKey]
    """What it seems to hold, if it is wrong and nothing of it is in force."""


class EndpointFiles:
    """The configuration in one file or one directory."""

    def __init__(self, path: Path, store: FileStore) -> None:
        self.path = path
        self._store = store
        self._holdings: dict[Path, Holding] = {}

    @property
    def is_directory(self) -> bool:
        return self.path.is_dir()

    def paths(self) -> list[Path]:
        """Of all that are there. Raises OSError."""
        return files_in(self.path)

    def look(self) -> dict[EndpointKey, Kept]:
        """Every endpoint. Where two files have one, that which is in force. Raises OSError, Overtaken."""
        self._holdings = {path: self._held(path) for path in self.paths()}
        found: dict[EndpointKey, Kept] = {}
        for holding in self._holdings.values():
            for kept in holding.kept:
                if kept.endpoint.key not in found or self._is_standing(kept):
                    found[kept.endpoint.key] = kept
        return found

    def seen(self, path: Path) -> Stamp | None:
        """What the file had when it was last looked at; None if it was not there."""
        return self._holdings[path].seen if path in self._holdings else None

    def holds(self, path: Path) -> bool:
        """Whether it was there, as one of the configuration, when it was last looked at."""
        return path in self._holdings

    def problems(self, path: Path) -> tuple[Problem, ...]:
        """What is wrong with it now."""
        return self._holdings[path].problems if path in self._holdings else ()

    def naming(self, key: EndpointKey) -> Path | None:
        """The file that is wrong and seems to hold this endpoint."""
        return next((path for path, holding in self._holdings.items() if key in holding.named), None)

    def text(self, path: Path) -> str:
        """As it was last looked at. Raises Overtaken if it has been changed since, OSError."""
        content = path.read_bytes()
        if stamp(path) != self.seen(path):
            raise Overtaken
        return content.decode("utf-8")

    def judge(self, path: Path, text: str) -> None:
        """Whether everything would still be right if the file had this text. Raises ConfigurationRefused."""
        parsed = parse(text.removeprefix(BOM), str(path))
        if parsed.problems:
            raise ConfigurationRefused(parsed.problems)
        others = [file for other in self.paths() if other != path and (file := self._good(other)) is not None]
        # where two claim the same, the last in order is told: this one, whatever its name
        _, conflicts = combine([*others, ConfigFile(Path("\U0010ffff"), parsed)])
        own = [problem for problem in conflicts if problem.source == str(path)]
        if own:
            raise ConfigurationRefused(own)

    def _good(self, path: Path) -> ConfigFile | None:
        file = self._store.known(path)
        return self._store.standing(path) if file.parsed.problems else file

    def _is_standing(self, kept: Kept) -> bool:
        file = self._store.standing(kept.path)
        return file is not None and any(endpoint.key == kept.endpoint.key for endpoint in file.parsed.endpoints)

    def _held(self, path: Path) -> Holding:
        seen = stamp(path)
        before = self._holdings.get(path)
        if before is not None and seen is not None and before.seen == seen:
            return before
        holding = self._holding(path, seen)
        if stamp(path) != seen:
            raise Overtaken
        return holding

    def _holding(self, path: Path, seen: Stamp | None) -> Holding:
        file = self._store.known(path)
        if file.parsed.holds_keys and path != self.path:
            return Holding(seen, (), (), frozenset())
        if not file.parsed.problems:
            return Holding(seen, (), _kept(path, file.parsed.endpoints), frozenset())
        standing = self._store.standing(path)
        kept = () if standing is None else _dumped(path, standing.parsed.endpoints)
        return Holding(seen, file.parsed.problems, kept, _named(path))


def with_changed(text: str, number: int, resource: Mapping[str, Any]) -> str:
    """Raises Unwritable."""
    begin, document, end = _around(text, number)
    metadata = next(value for value, _ in Reader(document).documents())["metadata"]
    return begin + edited(document, _unsaid(resource) if "namespace" not in metadata else resource) + end


def with_added(text: str, resource: Mapping[str, Any], *, as_json: bool) -> str:
    """A document more; of a file without endpoints, the only one. Raises Unwritable."""
    newline = "\r\n" if "\r\n" in text else "\n"
    new = written(_unsaid(resource), as_json=as_json).replace("\n", newline)
    if not any(value for value, _ in Reader(text.removeprefix(BOM)).documents()):
        return _header(text) + new
    return text + ("" if text.endswith("\n") else newline) + f"---{newline}" + new


def without(text: str, number: int) -> str:
    """Comments at the top of the file stay."""
    begin, document, end = _around(text, number)
    is_bare = not document.startswith(("---", "%"))
    header = document[: document.rfind("\n", 0, tree(document).start) + 1] if is_bare else ""
    return begin + header + end


def emptied(text: str) -> str:
    """The text of a file that had its last endpoint taken out."""
    return _header(text) + NO_ENDPOINTS + "\n"


def has_endpoints(text: str) -> bool:
    """Of a text that is right."""
    return any(value for value, _ in Reader(text.removeprefix(BOM)).documents())


def _kept(path: Path, endpoints: Iterable[ScoringEndpoint]) -> tuple[Kept, ...]:
    """Of a file that is right: each document that says anything is an endpoint."""
    text = path.read_bytes().decode("utf-8-sig")
    try:
        documents = [(number, value) for number, (value, _) in enumerate(Reader(text).documents()) if value]
        pairs = list(zip(documents, endpoints, strict=True))
    except (Fault, ValueError):  # it was changed since
        raise Overtaken from None
    return tuple(Kept(path, number, endpoint, _json(value)) for (number, value), endpoint in pairs)


def _dumped(path: Path, endpoints: Iterable[ScoringEndpoint]) -> tuple[Kept, ...]:
    """What the user wrote of them is what has been set."""
    return tuple(
        Kept(path, -1, endpoint, _json(endpoint.model_dump(mode="json", by_alias=True, exclude_unset=True)))
        for endpoint in endpoints
    )


def _json(resource: Mapping[str, Any]) -> bytes:
    metadata = {"namespace": "default", **resource["metadata"]}
    return orjson.dumps({**resource, "metadata": metadata}, option=orjson.OPT_SORT_KEYS)


def _unsaid(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without the namespace that it has by default."""
    metadata = dict(resource["metadata"])
    if metadata.get("namespace") == "default":
        del metadata["namespace"]
    return {**resource, "metadata": metadata}


def _named(path: Path) -> frozenset[EndpointKey]:
    """Of a file that is wrong: what can be told of it."""
    found: set[EndpointKey] = set()
    if not path.is_file():  # a pipe would be waited for
        return frozenset()
    try:
        for value, _ in Reader(path.read_bytes().decode("utf-8-sig", "replace")).documents():
            metadata = value.get("metadata") if isinstance(value, dict) else None
            if isinstance(metadata, dict):
                found.add((str(metadata.get("namespace", "default")), str(metadata.get("name"))))
    except (Fault, OSError):
        pass  # what stands before the fault has been found
    return frozenset(found)


def _around(text: str, number: int) -> tuple[str, str, str]:
    """What stands before a document, itself, and what stands behind it."""
    mark = BOM if text.startswith(BOM) else ""
    bare = text.removeprefix(BOM)
    starts = [*document_starts(bare), len(bare)]
    start, end = starts[number], starts[number + 1]
    return mark + bare[:start], bare[start:end], bare[end:]


def _header(text: str) -> str:
    """The comments at the top."""
    lines = text.splitlines(keepends=True)
    count = next((number for number, line in enumerate(lines) if not _is_remark(line)), len(lines))
    return "".join(lines[:count])


def _is_remark(line: str) -> bool:
    bare = line.removeprefix(BOM).strip()
    return not bare or bare.startswith("#")
