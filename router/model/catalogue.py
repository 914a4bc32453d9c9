"""All endpoints of a configuration: what one file, or a directory of files, comes to.

The only module of the model that reads files. A file stands or falls by itself (`parsing.py`); what several files owe
to each other is seen to by `combine`, which is pure: a store that keeps the last good result of each file hands those
in and has a catalogue, without reading anything again. Where two files claim the same, the first in the order of their
names has it, and the other one is refused whole. Called by the store of files and by `maitre check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from router.model.parsing import MAX_BYTES, TOO_LARGE, Claim, Parsed, parse, refused
from router.model.problems import Problem
from router.model.spec import EndpointKey, ScoringEndpoint

SUFFIXES: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file as it was read once."""

    path: Path
    parsed: Parsed


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Endpoints that are in force together. `directories` says where the file of each lies: where its keysFile and TLS
    files are looked up, and its commands run."""

    endpoints: Mapping[EndpointKey, ScoringEndpoint] = field(default_factory=lambda: MappingProxyType({}))
    directories: Mapping[EndpointKey, Path] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Reading:
    """What `read` found: the files in order, the catalogue of those that are right, and every problem."""

    files: tuple[ConfigFile, ...]
    catalogue: Catalogue
    problems: tuple[Problem, ...]


def read(path: Path) -> Reading:
    """Reads a file, or the configuration files of a directory (not below it). Never raises for what it finds there."""
    try:
        paths = files_in(path)
    except OSError as error:
        return Reading((), Catalogue(), (Problem(str(path), None, "", None, _unreadable(error)),))
    if not paths:
        message = f"there is no file of the names {', '.join('*' + suffix for suffix in SUFFIXES)} in this directory"
        return Reading((), Catalogue(), (Problem(str(path), None, "", None, message),))
    files = [read_file(file) for file in paths]
    if path not in paths:
        files = [file for file in files if not file.parsed.holds_keys]
    catalogue, conflicts = combine(files)
    own = [problem for file in files for problem in file.parsed.problems]
    return Reading(tuple(files), catalogue, (*own, *conflicts))


def files_in(path: Path) -> list[Path]:
    """The path itself, unless it is a directory: then its configuration files in order. Raises OSError."""
    if not path.is_dir():
        return [path]
    # Hidden ones are an editor's, or the inside of a mounted ConfigMap, whose visible names are links to them.
    return sorted(
        entry
        for entry in path.iterdir()
        if entry.suffix in SUFFIXES and not entry.name.startswith(".") and entry.is_file()
    )


def read_file(path: Path) -> ConfigFile:
    """Reads one file. Whatever hinders it becomes a problem of the file."""
    source = str(path)
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, a device never ends
            return ConfigFile(path, refused(source, "is not a regular file"))
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        return ConfigFile(path, refused(source, _unreadable(error)))
    if len(content) > MAX_BYTES:
        return ConfigFile(path, refused(source, TOO_LARGE))
    try:
        return ConfigFile(path, parse(content.decode("utf-8-sig"), source))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return ConfigFile(path, refused(source, "is not UTF-8 text; save it in that encoding", line))


def combine(files: Iterable[ConfigFile]) -> tuple[Catalogue, tuple[Problem, ...]]:
    """The catalogue of the files that are right, and what is wrong between them (not what is wrong inside of them)."""
    holders: dict[str, tuple[ConfigFile, Claim]] = {}
    endpoints: dict[EndpointKey, ScoringEndpoint] = {}
    directories: dict[EndpointKey, Path] = {}
    problems: list[Problem] = []
    for file in sorted(files, key=lambda file: file.path):
        conflicts = [
            _conflict(file, claim, *holders[claim.what]) for claim in file.parsed.claims if claim.what in holders
        ]
        if conflicts:
            problems += conflicts
            continue
        holders.update((claim.what, (file, claim)) for claim in file.parsed.claims)
        directory = file.path.absolute().parent
        for endpoint in file.parsed.endpoints:
            endpoints[endpoint.key] = endpoint
            directories[endpoint.key] = directory
    return Catalogue(MappingProxyType(endpoints), MappingProxyType(directories)), tuple(problems)


def _conflict(file: ConfigFile, claim: Claim, holder: ConfigFile, held: Claim) -> Problem:
    message = f"{claim.what} is taken already, by {holder.parsed.source}:{held.line}"
    return Problem(file.parsed.source, claim.line, claim.key, None, message)


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"
