"""Which pair of keys each endpoint has, of the Secret that it names; and which Secrets are missing.

A Secret that is wrong or gone leaves the pair that the same resource (the same uid) had before. Owned by
`ResourceStore`; what it knows of making Secrets, the leader's `KeyMaker` told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from router.model.problems import Problem
from router.model.resource import secret_name
from router.model.spec import EndpointKey, ScoringEndpoint
from router.store.keys import KeyPair
from router.store.secrets import SecretKey, Secrets


class Owner(NamedTuple):
    """The resource of an endpoint."""

    key: EndpointKey
    uid: str


@dataclass(frozen=True, slots=True)
class MissingSecret:
    """What endpoints name, and is not there."""

    key: SecretKey
    owners: tuple[Owner, ...]
    urgent: bool = True
    """One of them has no pair in force. Else they have what the Secret held before it was deleted."""


@dataclass(frozen=True, slots=True)
class Held:
    """The keys of an endpoint. There may be a pair and a problem: then the pair is the last good one."""

    pair: KeyPair | None
    problem: Problem | None = None
    missing: bool = False


class KeysInForce:
    """Of all endpoints with keys."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._named: dict[SecretKey, set[Owner]] = {}
        self._names: dict[Owner, SecretKey] = {}
        self._pairs: dict[Owner, KeyPair] = {}
        self._lacking: set[SecretKey] = set()
        self._refusals: dict[SecretKey, str] = {}

    def look_up(self, owner: Owner, endpoint: ScoringEndpoint) -> Held:
        """The keys of an endpoint, as its Secret is now; to be asked again when either changes."""
        if not endpoint.spec.auth.uses_keys:
            self.forget(owner)
            return Held(None)
        key = (endpoint.namespace, secret_name(endpoint))
        self._name(owner, key)
        held = self._held(owner, key)
        if held.pair is not None:
            self._pairs[owner] = held.pair
        return held

    def forget(self, owner: Owner) -> None:
        """It has no keys any more."""
        self._name(owner, None)
        self._pairs.pop(owner, None)

    def owners(self, key: SecretKey) -> frozenset[Owner]:
        """Who names that Secret."""
        return frozenset(self._named.get(key, ()))

    def missing(self) -> Iterator[MissingSecret]:
        for key in sorted(self._lacking):
            owners = self._named[key]
            yield MissingSecret(key, tuple(sorted(owners)), urgent=not owners <= self._pairs.keys())

    def refused(self, key: SecretKey, reason: str | None) -> bool:
        """Why a missing Secret could not be made (None: it could); returns whether that is news."""
        before = self._refusals.pop(key, None)
        if reason is not None and key in self._named:
            self._refusals[key] = reason
        return before != self._refusals.get(key)

    def _name(self, owner: Owner, key: SecretKey | None) -> None:
        before = self._names.pop(owner, None)
        if before is not None and before != key:
            self._named[before].discard(owner)
            if not self._named[before]:
                del self._named[before]
                self._lacking.discard(before)
                self._refusals.pop(before, None)
        if key is not None:
            self._names[owner] = key
            self._named.setdefault(key, set()).add(owner)

    def _held(self, owner: Owner, key: SecretKey) -> Held:
        found = self._secrets.pair(key)
        if found is None:
            self._lacking.add(key)
            return Held(self._pairs.get(owner), self._not_made(owner, key), missing=True)
        self._lacking.discard(key)
        self._refusals.pop(key, None)
        return Held(self._pairs.get(owner), found) if isinstance(found, Problem) else Held(found)

    def _not_made(self, owner: Owner, key: SecretKey) -> Problem | None:
        """A Secret that is missing is made, and no problem unless that fails."""
        reason = self._refusals.get(key)
        if reason is None:
            return None
        message = f"there is no Secret {key[1]} in namespace {key[0]}, and it cannot be made: {reason}"
        return Problem(f"scoringendpoint {'/'.join(owner.key)}", None, "spec.auth.secretName", None, message)

    def __repr__(self) -> str:
        return f"<KeysInForce endpoints={len(self._names)} missing={len(self._lacking)}>"
