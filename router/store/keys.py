"""The two keys of an endpoint: read from the file that the user names, or made once and kept in the state directory.

A made file has mode 0600 and appears whole or not at all. Keys have 32 bytes of entropy. Their text is never logged,
nor part of a `repr` or a problem.

`KeyFiles` is called by `router.store.files`, off the event loop. What a pair is, and which keys are good enough, holds
for keys from wherever they come.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from router.errors import KeysUnknown
from router.model.problems import Problem
from router.model.spec import EndpointKey, ScoringEndpoint

MIN_LENGTH: Final = 16
"""Characters of a key that a user chooses; below that it can be guessed."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Both are valid at once."""

    primary: str = field(repr=False)
    secondary: str = field(repr=False)


def new_pair() -> KeyPair:
    return KeyPair(secrets.token_urlsafe(32), secrets.token_urlsafe(32))


def rotated(pair: KeyPair, value: str | None = None) -> KeyPair:
    """A new primary, `value` or one that is made, and what was the primary as the secondary: tokens that it has signed
    stay good until the secondary is replaced, too."""
    return KeyPair(value or secrets.token_urlsafe(32), pair.primary)


def require_keys(endpoint: ScoringEndpoint) -> None:
    """Raises KeysUnknown for an endpoint that uses no keys."""
    auth = endpoint.spec.auth
    if auth.uses_keys:
        return
    if auth.token is None:
        raise KeysUnknown(f"{endpoint.name} has no keys: its auth mode is {auth.mode}; set it to key to have some")
    raise KeysUnknown(f"{endpoint.name} has no keys: its tokens come from {auth.token.issuer}; ask there")


def pair_from(content: Mapping[str, Any], source: str) -> KeyPair | Problem:
    """The pair in a mapping with primaryKey and secondaryKey, or the first thing that is wrong with it."""
    for name in ("primaryKey", "secondaryKey"):
        value = content.get(name)
        if not isinstance(value, str) or len(value) < MIN_LENGTH or not (value.isascii() and value.isprintable()):
            message = f"must be text of at least {MIN_LENGTH} printable ASCII characters"
            return Problem(source, None, name, None, message)
        if " " in value:
            return Problem(source, None, name, None, "must not contain spaces")
    return KeyPair(content["primaryKey"], content["secondaryKey"])


class KeyFiles:
    """The keys of all endpoints that files configure."""

    def __init__(self, state_dir: Path) -> None:
        self._made_dir = state_dir / "keys"

    def path(self, endpoint: ScoringEndpoint, directory: Path) -> Path:
        """Where the keys of an endpoint are; `directory` is that of its configuration file."""
        if endpoint.spec.auth.keys_file is not None:
            return directory / endpoint.spec.auth.keys_file
        return self.made_path(endpoint.key)

    def made_path(self, key: EndpointKey) -> Path:
        namespace, name = key
        return self._made_dir / f"{namespace}.{name}.json"

    def pair(self, endpoint: ScoringEndpoint, directory: Path) -> KeyPair | Problem:
        """The keys in force for an endpoint; made if the user named no file and none was made before."""
        path = self.path(endpoint, directory)
        try:
            if endpoint.spec.auth.keys_file is None and not path.exists():
                return self._make(path)
            return read_pair(path)
        except OSError as error:
            return _problem(path, f"cannot be read: {error.strerror or error}")

    def _make(self, path: Path) -> KeyPair:
        pair = new_pair()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_name(f".{path.name}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json_of(pair))
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
        return pair


def read_pair(path: Path) -> KeyPair | Problem:
    """The pair that a file holds. Raises OSError."""
    return pair_in(path.read_bytes(), str(path))


def pair_in(content: bytes, source: str) -> KeyPair | Problem:
    """The pair in the text of a file, which `source` names."""
    try:
        value: Any = YAML(typ="safe").load(content.decode("utf-8"))
    except (YAMLError, UnicodeDecodeError):
        return Problem(source, None, "", None, "is not YAML or JSON")  # without the parser's words: they quote the file
    if not isinstance(value, Mapping):
        return Problem(source, None, "", None, "must be a mapping with primaryKey and secondaryKey")
    return pair_from(value, source)


def json_of(pair: KeyPair) -> bytes:
    """What a made file holds."""
    content = {"primaryKey": pair.primary, "secondaryKey": pair.secondary}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def _problem(path: Path, message: str) -> Problem:
    return Problem(str(path), None, "", None, message)
