"""The last good key set of each issuer, in the state directory: for a router that starts while an issuer is down.

Public keys are no secret, but who can write these files can have tokens admitted: the directory is its owner's alone.
A file appears whole or not at all, and is judged again when it is read. Used by `issuers`, off the event loop.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from router.core.key_set import KeySet
from router.errors import KeySetRefused
from router.model.spec import KeySource


class KeptKeySets:
    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir / "issuers"

    def read(self, source: KeySource) -> bytes | None:
        """None: there is none that could be used."""
        try:
            document = self._path(source).read_bytes()
            KeySet.from_document(document)
        except (OSError, KeySetRefused):
            return None
        return document

    def write(self, source: KeySource, document: bytes) -> None:
        """Raises OSError."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(source)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.touch(0o600)
        part.write_bytes(document)
        part.replace(path)

    def _path(self, source: KeySource) -> Path:
        name = sha256(f"{source.issuer}\n{source.jwks_uri or ''}".encode()).hexdigest()
        return self._directory / f"{name}.json"
