"""A configuration that comes together endpoint by endpoint, so that one change costs as much as one endpoint.

Owned by `ResourceStore`. What `configuration` returns is a value: it does not change when the composition does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from router.model.catalogue import Catalogue
from router.model.problems import Problem
from router.model.resource import TLS_DIRECTORY
from router.model.spec import EndpointKey, ScoringEndpoint
from router.store.configuration import Configuration, Origin
from router.store.keys import KeyPair

_DIRECTORY: Final = Path(TLS_DIRECTORY)

T = TypeVar("T")


class Composition:
    def __init__(self) -> None:
        self._endpoints: dict[EndpointKey, ScoringEndpoint] = {}
        self._keys: dict[EndpointKey, KeyPair] = {}
        self._origins: dict[EndpointKey, Origin] = {}
        self._troubled: set[EndpointKey] = set()

    def place(self, key: EndpointKey, endpoint: ScoringEndpoint | None, pair: KeyPair | None, origin: Origin) -> bool:
        """All there is to say of a resource; returns whether any of it is new."""
        before = self._endpoints.get(key), self._keys.get(key), self._origins.get(key)
        if before == (endpoint, pair, origin):
            return False
        _set(self._endpoints, key, endpoint)
        _set(self._keys, key, pair)
        self._origins[key] = origin
        if origin.problems or origin.key_problem is not None:
            self._troubled.add(key)
        else:
            self._troubled.discard(key)
        return True

    def remove(self, key: EndpointKey) -> bool:
        """Returns whether it was there."""
        for mapping in (self._endpoints, self._keys):
            mapping.pop(key, None)
        self._troubled.discard(key)
        return self._origins.pop(key, None) is not None

    def origin(self, key: EndpointKey) -> Origin | None:
        return self._origins.get(key)

    def configuration(self) -> Configuration:
        directories = dict.fromkeys(self._endpoints, _DIRECTORY)
        return Configuration(
            Catalogue(MappingProxyType(self._endpoints.copy()), MappingProxyType(directories)),
            self._keys.copy(),
            tuple(self._problems()),
            self._origins.copy(),
        )

    def _problems(self) -> Iterator[Problem]:
        """In the order of names, whatever came first."""
        for key in sorted(self._troubled):
            origin = self._origins[key]
            yield from origin.problems
            if origin.key_problem is not None:
                yield origin.key_problem

    def __repr__(self) -> str:
        return f"<Composition endpoints={len(self._endpoints)} troubled={len(self._troubled)}>"


def _set(mapping: dict[EndpointKey, T], key: EndpointKey, value: T | None) -> None:
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value
