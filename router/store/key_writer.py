"""The two keys of an endpoint, changed in the file that holds them: the user's own, or the one that maitre made.

It writes what is there already and makes nothing: who needs keys and has none is for `FileStore` to say. The user's
file keeps its comments, order, quotes and mode; a made one has mode 0600. Nothing here shows a key: not in an error,
and not through an exception that one came from.

Called by `file_writer`, off the event loop, one call at a time.
"""

from __future__ import annotations

from pathlib import Path

from router.errors import EndpointChanged, KeysUnknown, StoreFailed
from router.model.documents import Fault, Reader
from router.model.problems import ConfigurationRefused, Problem
from router.model.spec import EndpointKey, ScoringEndpoint
from router.store.keys import KeyFiles, KeyPair, json_of, pair_from, pair_in, require_keys
from router.store.stamps import stamp
from router.store.whole_files import remove_file, replace_file
from router.store.yaml_edits import Unwritable, edited


class KeyWriter:
    """Of all endpoints that files configure. `directory` is that of the configuration file of an endpoint."""

    def __init__(self, files: KeyFiles) -> None:
        self._files = files

    def read(self, endpoint: ScoringEndpoint, directory: Path) -> KeyPair:
        """Raises KeysUnknown."""
        return self._read(self._path(endpoint, directory))[1]

    def put(self, endpoint: ScoringEndpoint, directory: Path, pair: KeyPair, before: KeyPair) -> None:
        """Raises KeysUnknown, EndpointChanged, ConfigurationRefused (a key that is not good enough), StoreFailed,
        Overtaken."""
        path = self._path(endpoint, directory)
        if isinstance(problem := pair_from(_mapping(pair), "keys"), Problem):
            raise ConfigurationRefused([problem])
        seen = stamp(path)
        content, now = self._read(path)
        if now != before:
            raise EndpointChanged("somebody else has changed the keys meanwhile; look at them again and then try again")
        if endpoint.spec.auth.keys_file is None:
            replace_file(path, json_of(pair), seen, mode=0o600)
        else:
            replace_file(path, _changed(content, pair, path), seen)

    def forget(self, key: EndpointKey) -> None:
        """Removes keys that were made. Raises StoreFailed."""
        remove_file(self._files.made_path(key), None)

    def _path(self, endpoint: ScoringEndpoint, directory: Path) -> Path:
        require_keys(endpoint)
        return self._files.path(endpoint, directory)

    def _read(self, path: Path) -> tuple[bytes, KeyPair]:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise KeysUnknown(f"there are no keys yet: {path} does not exist") from None
        except OSError as error:
            raise KeysUnknown(f"{path} cannot be read: {error.strerror or error}; let maitre read it") from None
        pair = pair_in(content, str(path))
        if isinstance(pair, Problem):
            raise KeysUnknown(str(pair))
        return content, pair


def _changed(content: bytes, pair: KeyPair, path: Path) -> bytes:
    text = content.decode("utf-8")
    try:
        (document,) = (value for value, _ in Reader(text).documents())
        changed = edited(text, {**document, **_mapping(pair)}).encode()
    except (Fault, Unwritable, ValueError):
        changed = b""
    if pair_in(changed, str(path)) != pair:
        raise StoreFailed(
            f"{path} cannot be changed as it is; make it a plain mapping with primaryKey and secondaryKey"
        )
    return changed


def _mapping(pair: KeyPair) -> dict[str, str]:
    return {"primaryKey": pair.primary, "secondaryKey": pair.secondary}
