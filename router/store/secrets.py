"""The Secrets of the API server, as far as they hold keys.

A sink for a reflector of `KeySecret`. Of a Secret without the entries primaryKey and secondaryKey only the name is
kept: a named Secret that holds something else is wrong, not missing. What has the entries is kept even when no endpoint
names it yet, because the Secret often comes first and is not sent again. Values are in no problem, log or repr.

Owned by `ResourceStore`. What one Secret holds is asked for by `key_secrets`, too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeAlias

from router.kube.resources import KeySecret
from router.model.problems import Problem
from router.store.keys import KeyPair, pair_from

SecretKey: TypeAlias = tuple[str, str]
"""Namespace and name."""


class Secrets:
    """All of the Secrets in the namespaces that are followed."""

    def __init__(self, changed: Callable[[SecretKey], None]) -> None:
        self._changed = changed
        self._found: dict[SecretKey, KeyPair | Problem | None] = {}
        """None: it is there, and has nothing of what a pair needs."""

    def replace(self, namespace: str | None, objects: Sequence[KeySecret]) -> None:
        there = {_key(secret) for secret in objects}
        for key in [key for key in self._found if namespace in (None, key[0]) and key not in there]:
            self._forget(key)
        for secret in objects:
            self.put(secret)

    def put(self, object: KeySecret) -> None:
        key, found = _key(object), _judge(object)
        if key not in self._found or self._found[key] != found:
            self._found[key] = found
            self._changed(key)

    def remove(self, object: KeySecret) -> None:
        if _key(object) in self._found:
            self._forget(_key(object))

    def _forget(self, key: SecretKey) -> None:
        del self._found[key]
        self._changed(key)

    def pair(self, key: SecretKey) -> KeyPair | Problem | None:
        """None: there is no such Secret."""
        if key not in self._found:
            return None
        return self._found[key] or pair_from({}, _source(key))

    def __repr__(self) -> str:
        return f"<Secrets known={len(self._found)}>"


def pair_in(secret: KeySecret) -> KeyPair | Problem:
    """The keys that it holds, or what is wrong with them."""
    return _judge(secret) or pair_from({}, _source(_key(secret)))


def _key(secret: KeySecret) -> SecretKey:
    return secret.metadata.namespace, secret.metadata.name


def _source(key: SecretKey) -> str:
    return f"secret {'/'.join(key)}"


def _judge(secret: KeySecret) -> KeyPair | Problem | None:
    data = secret.data
    if data is None or (data.primary_key is None and data.secondary_key is None):
        return None
    content = {"primaryKey": _text(data.primary_key), "secondaryKey": _text(data.secondary_key)}
    return pair_from(content, _source(_key(secret)))


def _text(entry: str | None) -> str | None:
    """What is no text has characters in it that no key may have."""
    try:
        return None if entry is None else base64.b64decode(entry).decode("utf-8", "replace")
    except binascii.Error:
        return None
