"""Endpoints and keys in YAML files, changed so that everything else in the files stays as the user wrote it.

- A change is judged as `maitre check` would judge the files after it, all of them, before it is written.
- Files are replaced whole (`whole_files`), and not if somebody has saved them since they were read: then they are read
  again, and the change is made on what they hold now, if its etag still fits.
- A file that is wrong now is the user's to mend: nothing in it is changed.
- What a change returns from is in force with whoever follows the store.

The lock is held by the thread that works, so that a caller who is cancelled leaves no work without it. Called by
`router.admin`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

from router.errors import EndpointChanged, EndpointExists, EndpointUnknown, StoreFailed
from router.model.interpreting import endpoint_from
from router.model.problems import ConfigurationRefused
from router.model.spec import EndpointKey
from router.store import endpoint_files
from router.store.endpoint_files import EndpointFiles, Kept
from router.store.files import FileStore
from router.store.key_writer import KeyWriter
from router.store.keys import KeyFiles, KeyPair
from router.store.whole_files import Overtaken, remove_file, replace_file
from router.store.writing import Resource, Stored
from router.store.yaml_edits import Unwritable, same

T = TypeVar("T")

ATTEMPTS: Final = 20
"""At a file that others save all the time; each takes milliseconds."""


class FileWriter:
    """The EndpointWriter of `serve --config`."""

    def __init__(self, path: Path, store: FileStore, keys: KeyFiles) -> None:
        """`path`: the file or directory that `store` reads."""
        self._files = EndpointFiles(path, store)
        self._store = store
        self._keys = KeyWriter(keys)
        self._lock = Lock()

    async def all(self) -> Sequence[Stored]:
        return await self._do(lambda: [kept.stored() for _, kept in sorted(self._files.look().items())])

    async def read(self, key: EndpointKey) -> Stored | None:
        def work() -> Stored | None:
            kept = self._files.look().get(key)
            return None if kept is None else kept.stored()

        return await self._do(work)

    async def create(self, resource: Resource) -> Stored:
        stored = await self._do(lambda: self._create(resource))
        await self._store.handed_on()
        return stored

    async def replace(self, resource: Resource, etag: str | None) -> Stored:
        stored = await self._do(lambda: self._replace(resource, etag))
        await self._store.handed_on()
        return stored

    async def delete(self, key: EndpointKey, etag: str | None) -> None:
        await self._do(lambda: self._delete(key, etag))
        await self._store.handed_on()
        # only now: as long as the endpoint is served, keys that are not there would be made again
        await self._do(lambda: self._forget_keys(key))

    async def keys(self, key: EndpointKey) -> KeyPair:
        def work() -> KeyPair:
            kept = self._known(key)
            return self._keys.read(kept.endpoint, kept.directory)

        return await self._do(work)

    async def put_keys(self, key: EndpointKey, pair: KeyPair, before: KeyPair) -> None:
        def work() -> bool:
            kept = self._known(key)
            self._keys.put(kept.endpoint, kept.directory, pair, before)
            return kept.endpoint.spec.auth.keys_file is None

        is_made = await self._do(work)
        await self._store.handed_on(rewritten=key if is_made else None)

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(self._locked, work)

    def _locked(self, work: Callable[[], T]) -> T:
        with self._lock:
            for _ in range(ATTEMPTS):
                try:
                    return work()
                except Overtaken:
                    continue
                except Unwritable as error:
                    raise StoreFailed(f"the endpoint cannot be written: {error}") from error
                except OSError as error:
                    raise StoreFailed(f"the configuration cannot be read: {error}; let maitre read it") from error
        raise StoreFailed("the file is being saved by somebody else all the time; try again when that has ended")

    # -- in a thread, one at a time ----------------------------------------------------------------------------------

    def _known(self, key: EndpointKey) -> Kept:
        kept = self._files.look().get(key)
        if kept is None:
            if (path := self._files.naming(key)) is not None:
                raise ConfigurationRefused(self._files.problems(path))
            raise EndpointUnknown(f"there is no endpoint {_shown(key)}")
        return kept

    def _writable(self, key: EndpointKey, etag: str | None) -> Kept:
        kept = self._known(key)
        self._sound(kept.path)
        if etag is not None and etag != kept.etag:
            message = f"{_shown(key)} was changed since it was read: look at it again and repeat the change on that"
            raise EndpointChanged(message)
        return kept

    def _sound(self, path: Path) -> None:
        if problems := self._files.problems(path):
            raise ConfigurationRefused(problems)

    def _create(self, resource: Resource) -> Stored:
        key = _judged(resource)
        kept = self._files.look().get(key)
        holder = self._files.naming(key) if kept is None else kept.path
        if holder is not None:
            raise EndpointExists(f"there is an endpoint {_shown(key)} already, in {holder}")
        path = self._new_path(key) if self._files.is_directory else self._files.path
        self._sound(path)
        before = self._files.text(path) if self._files.holds(path) else ""
        as_json = path.suffix == ".json"
        if as_json and endpoint_files.has_endpoints(before):
            raise StoreFailed(f"{path} is JSON and holds one endpoint; serve a directory, or a YAML file, to have more")
        self._write(path, endpoint_files.with_added(before, resource, as_json=as_json))
        return self._known(key).stored()

    def _new_path(self, key: EndpointKey) -> Path:
        """A name that no file has yet, also none that is no configuration."""
        namespace, name = key
        names = ([name] if namespace == "default" else []) + [f"{namespace}.{name}"]
        numbered = (f"{namespace}.{name}.{number}" for number in range(2, 1000))
        paths = (self._files.path / f"{each}.yaml" for each in (*names, *numbered))
        return next(path for path in paths if not path.is_symlink() and not path.exists())

    def _replace(self, resource: Resource, etag: str | None) -> Stored:
        key = _judged(resource)
        kept = self._writable(key, etag)
        if not same(kept.stored().resource, _with_namespace(resource)):
            text = self._files.text(kept.path)
            self._write(kept.path, endpoint_files.with_changed(text, kept.document, resource))
        return self._known(key).stored()

    def _delete(self, key: EndpointKey, etag: str | None) -> None:
        kept = self._writable(key, etag)
        before = self._files.text(kept.path)
        after = endpoint_files.without(before, kept.document)
        if endpoint_files.has_endpoints(after):
            self._write(kept.path, after)
        elif self._files.is_directory and len(self._files.paths()) > 1:
            remove_file(kept.path, self._files.seen(kept.path))
        else:  # a directory without any file is taken for a mistake, and so is a file without a word
            self._write(kept.path, endpoint_files.emptied(after))

    def _forget_keys(self, key: EndpointKey) -> None:
        if key not in self._files.look():  # nobody has made it again meanwhile
            self._keys.forget(key)

    def _write(self, path: Path, text: str) -> None:
        self._files.judge(path, text)
        replace_file(path, text.encode(), self._files.seen(path))


def _judged(resource: Resource) -> EndpointKey:
    """Its own rules come first: their problems have no lines of a text that nobody has seen."""
    return endpoint_from(resource, "endpoint").key


def _with_namespace(resource: Resource) -> Resource:
    return {**resource, "metadata": {"namespace": "default", **resource["metadata"]}}


def _shown(key: EndpointKey) -> str:
    return "/".join(key)
