"""Which pair of keys each endpoint has, of the Secret that it names; and which Secrets are missing.

A Secret that is wrong or gone leaves the pair that the same resource (the same uid) had before. Owned by
`ResourceStore`; what it knows of making Secrets, the leader's `KeyMaker` told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from router.model.problems import Problem
from router.model.resource import secret_name
from router.model.spec import EndpointKey, ScoringEndpoint
from router.store.keys import KeyPair
from router.store.secrets import SecretKey, Secrets


@dataclass(frozen=True, slots=True)
class Owner:
    """The resource of an endpoint."""

    key: EndpointKey
    uid: str


@dataclass(frozen=True, slots=True)
class MissingSecret:
    """What endpoints name, and is not there."""

    key: SecretKey
    owners: tuple[Owner, ...]


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
        self._named: dict[SecretKey, list[Owner]] = {}
        self._pairs: dict[Owner, KeyPair] = {}
        self._refusals: dict[SecretKey, str] = {}

    def look_up(self, endpoints: Mapping[Owner, ScoringEndpoint]) -> dict[EndpointKey, Held]:
        """For these endpoints, which are all that are in force. Those without keys have no part in it."""
        self._named = {}
        held: dict[Owner, Held] = {}
        for owner, endpoint in endpoints.items():
            if endpoint.spec.auth.mode == "key":
                key = (endpoint.namespace, secret_name(endpoint))
                self._named.setdefault(key, []).append(owner)
                held[owner] = self._held(owner, key)
        self._pairs = {owner: each.pair for owner, each in held.items() if each.pair is not None}
        self._refusals = {key: reason for key, reason in self._refusals.items() if key in self._named}
        return {owner.key: each for owner, each in held.items()}

    def _held(self, owner: Owner, key: SecretKey) -> Held:
        match self._secrets.pair(key):
            case KeyPair() as pair:
                return Held(pair)
            case Problem() as problem:
                return Held(self._pairs.get(owner), problem)
            case None:
                return Held(self._pairs.get(owner), self._missing(owner, key), missing=True)

    def _missing(self, owner: Owner, key: SecretKey) -> Problem:
        message = f"there is no Secret {key[1]} in namespace {key[0]}"
        if (reason := self._refusals.get(key)) is not None:
            message += f", and it cannot be made: {reason}"
        return Problem(f"scoringendpoint {'/'.join(owner.key)}", None, "spec.auth.secretName", None, message)

    def names(self, key: SecretKey) -> bool:
        """Whether an endpoint names that Secret."""
        return key in self._named

    def missing(self) -> Iterator[MissingSecret]:
        for key, owners in self._named.items():
            if self._secrets.pair(key) is None:
                yield MissingSecret(key, tuple(owners))

    def refused(self, key: SecretKey, reason: str | None) -> bool:
        """Why a missing Secret could not be made (None: it could); returns whether that is news."""
        before = self._refusals.pop(key, None)
        if reason is not None and key in self._named:
            self._refusals[key] = reason
        return before != self._refusals.get(key)
