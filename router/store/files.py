"""Endpoints from YAML files: read, watched, and never replaced by something that is wrong.

Each file is taken whole or not at all. When an edit is wrong, or claims what another file has, the file's last good
content stays in force and the problems are told; when a file is gone from the directory, so are its endpoints. The same
holds for key files. What `load` returns is a value: whoever serves compares it with what it serves now.

Reading happens in a thread (10,000 endpoints take seconds to parse, and requests go on meanwhile). One owner calls
`load`, one call at a time, and then follows `changes`: `router.main`. Who writes files tells it (`handed_on`), asks it
what is in force (`standing`) and what it has read (`known`): `file_writer`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Set
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from watchfiles import awatch

from router.model.catalogue import Catalogue, ConfigFile, combine, files_in, read_file
from router.model.problems import Problem
from router.model.spec import EndpointKey
from router.store.configuration import Configuration
from router.store.keys import KeyFiles, KeyPair
from router.store.settling import Settling
from router.store.stamps import Stamp, stamp

STEP_MS: Final = 50
"""How long a burst of file events must pause before it is looked at; an editor's save is several events."""
GROUP_MS: Final = 400
"""How long a burst is waited for at most: a good edit is to be in force within a second."""
LOOK_MS: Final = 500
"""How often files are looked at without an event (and a millisecond more per file): the watch may have begun after a
change, and file systems on a network make no events."""


class FileStore:
    """The configuration in one file or one directory."""

    def __init__(self, path: Path, keys: KeyFiles) -> None:
        self._path = path
        self._keys = keys
        self._settling: Settling[Path, ConfigFile] = Settling(claims=_claims, order=lambda file: file.path)
        self._pairs: dict[EndpointKey, KeyPair] = {}
        self._key_files: set[Path] = set()
        self._catalogue = Catalogue()
        self._seen: dict[Path, Stamp] = {}
        self._readings: dict[Path, tuple[Stamp | None, ConfigFile]] = {}
        self._watched: frozenset[Path] = frozenset()
        self._look = asyncio.Event()
        self._is_followed = False
        self._waiting: list[asyncio.Future[None]] = []
        self._rewritten: set[EndpointKey] = set()

    async def load(self) -> Configuration:
        """Reads everything anew."""
        rewritten, self._rewritten = self._rewritten, set()
        return await asyncio.to_thread(self._load, rewritten)

    async def changes(self) -> AsyncIterator[Configuration]:
        """The configuration after every change of its files or key files, until cancelled."""
        watching = asyncio.get_running_loop().create_task(self._watch(), name="configuration files")
        watching.add_done_callback(lambda _: self._look.set())
        self._is_followed = True
        waiting: list[asyncio.Future[None]] = []
        try:
            while not watching.done():
                await self._look.wait()
                self._look.clear()
                waiting, self._waiting = self._waiting, []
                if self._rewritten or await asyncio.to_thread(self._stamps) != self._seen:
                    yield await self.load()
                _wake(waiting)  # whoever follows has taken it, and asks for the next one
            watching.result()
        finally:
            self._is_followed = False
            _wake([*waiting, *self._waiting])
            watching.cancel()
            await asyncio.wait({watching})

    async def handed_on(self, *, rewritten: EndpointKey | None = None) -> None:
        """Has the files read now, and returns when whoever follows `changes` has taken what is in them; at once where
        nobody does. `rewritten`: whose made keys are other ones, for those are not read twice unless told."""
        if rewritten is not None:
            self._rewritten.add(rewritten)
        if self._is_followed:
            taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(taken)
            self._look.set()
            await taken

    def standing(self, path: Path) -> ConfigFile | None:
        """The content of a file that is in force. Of any thread."""
        return self._good.get(path)

    def known(self, path: Path) -> ConfigFile:
        """A file as it is now, parsed again only if it was changed since it was. Of any thread."""
        seen = stamp(path)
        before = self._readings.get(path)
        return before[1] if before is not None and seen is not None and before[0] == seen else read_file(path)

    async def _watch(self) -> None:
        """Says when to look: events do not say what at, since reading files makes some, too."""
        while True:
            watched = self._watched = await asyncio.to_thread(self._directories)
            async for _ in awatch(
                *watched,
                watch_filter=None,
                step=STEP_MS,
                debounce=GROUP_MS,
                rust_timeout=LOOK_MS + len(self._seen),
                yield_on_timeout=True,
                recursive=False,
            ):
                self._look.set()
                if self._watched != watched:
                    break  # a key file in another directory came in or went out

    @property
    def _good(self) -> Mapping[Path, ConfigFile]:
        """The content of each file that is in force."""
        return self._settling.in_force

    def _directories(self) -> frozenset[Path]:
        """What to watch: directories, since editors and ConfigMaps replace files instead of writing them."""
        own = self._path if self._path.is_dir() else self._path.absolute().parent
        return frozenset({own, *(file.parent for file in self._key_files if file.parent.is_dir())})

    def _stamps(self) -> dict[Path, Stamp]:
        """What tells which files have to be read again. A file that cannot be looked at has no part in it."""
        try:
            files = {*files_in(self._path), *self._key_files}
        except OSError:
            files = set(self._key_files)
        return {file: seen for file in files if (seen := stamp(file)) is not None}

    def _load(self, rewritten: Set[EndpointKey]) -> Configuration:
        self._seen = self._stamps()
        files, problems = self._read()
        conflicts = self._settle(files)
        catalogue, _ = combine(self._good.values())
        catalogue = self._catalogue = _with_known(catalogue, self._catalogue)
        pairs, key_problems = self._read_keys(catalogue, rewritten)
        self._seen |= {file: seen for file in self._key_files if (seen := stamp(file)) is not None}
        self._watched = self._directories()
        return Configuration(catalogue, pairs, (*problems, *conflicts, *key_problems))

    def _read(self) -> tuple[dict[Path, ConfigFile], list[Problem]]:
        """The files as they are now, wrong ones replaced by their last good content, and all that is wrong."""
        try:
            paths = files_in(self._path) if self._path.exists() else []
        except OSError as error:
            return dict(self._good), [_of_all(self._path, f"cannot be read: {error.strerror or error}")]
        if not paths:
            return dict(self._good), [_of_all(self._path, "there is no configuration file here")]
        self._readings = {path: self._reading(path) for path in paths}
        files: dict[Path, ConfigFile] = {}
        problems: list[Problem] = []
        for path, (_, file) in self._readings.items():
            if file.parsed.holds_keys and path != self._path:
                continue
            problems += file.parsed.problems
            good = self._good.get(path) if file.parsed.problems else file
            if good is not None:
                files[path] = good
        return files, problems

    def _reading(self, path: Path) -> tuple[Stamp | None, ConfigFile]:
        """A file as it was read when it was last changed."""
        seen = self._seen.get(path)
        before = self._readings.get(path)
        return before if before is not None and seen is not None and before[0] == seen else (seen, read_file(path))

    def _settle(self, files: dict[Path, ConfigFile]) -> list[Problem]:
        """Brings into force what can be, and tells what claims that which another file has."""
        for path in [path for path in self._good if path not in files]:
            self._settling.remove(path)
        refused = self._settling.settle(
            {path: file for path, file in files.items() if self._good.get(path) is not file}
        )
        problems: list[Problem] = []
        for path, rivals in refused.items():
            problems += _between(files[path], (self._good[rival] for rival in rivals))
        return problems

    def _read_keys(
        self, catalogue: Catalogue, rewritten: Set[EndpointKey]
    ) -> tuple[dict[EndpointKey, KeyPair], list[Problem]]:
        pairs: dict[EndpointKey, KeyPair] = {}
        problems: list[Problem] = []
        self._key_files = set()
        for key, endpoint in catalogue.endpoints.items():
            if not endpoint.spec.auth.uses_keys:
                continue
            directory = catalogue.directories[key]
            if endpoint.spec.auth.keys_file is None and key in self._pairs and key not in rewritten:
                pairs[key] = self._pairs[key]
                continue
            if endpoint.spec.auth.keys_file is not None:
                self._key_files.add(self._keys.path(endpoint, directory))
            pair = self._keys.pair(endpoint, directory)
            if isinstance(pair, Problem):
                problems.append(pair)
                if key in self._pairs:
                    pairs[key] = self._pairs[key]
            else:
                pairs[key] = pair
        self._pairs = pairs
        return pairs, problems


def _claims(file: ConfigFile) -> Iterable[str]:
    return (claim.what for claim in file.parsed.claims)


def _between(file: ConfigFile, rivals: Iterable[ConfigFile]) -> list[Problem]:
    """The conflicts of `file` with files that were there before, told as problems of `file`."""
    told: list[Problem] = []
    for rival in rivals:
        # combine lets the first in order win: give them in this order, whatever their names
        holder = replace(rival, path=Path())
        told += combine([holder, file])[1]
    return told


def _with_known(catalogue: Catalogue, before: Catalogue) -> Catalogue:
    """The same with the objects of before where they are equal: here, in a thread, comparing ten thousand of them holds
    up nobody; whoever serves then sees at a glance what stayed."""
    known = before.endpoints
    endpoints = {key: each if known.get(key) != each else known[key] for key, each in catalogue.endpoints.items()}
    return Catalogue(MappingProxyType(endpoints), catalogue.directories)


def _wake(waiting: Iterable[asyncio.Future[None]]) -> None:
    for each in waiting:
        if not each.done():  # who waited may have been cancelled
            each.set_result(None)


def _of_all(path: Path, message: str) -> Problem:
    return Problem(str(path), None, "", None, message)
