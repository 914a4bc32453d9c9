"""Endpoints from ScoringEndpoint resources, their keys from Secrets: followed, and never replaced by what is wrong.

The outside is that of `FileStore`. Its reflectors keep the sinks equal to the API server; whenever something that
matters has changed, and the burst is over, `changes` gives the configuration anew. While the API server is away nothing
comes, and what is known stays in force. A Secret that is wrong or gone leaves the last good pair of its endpoint.

Everything happens on the event loop. One owner: `router.main`, which runs the reflectors and calls `load` before
`changes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx2

from router.kube.contact import Contact
from router.kube.reflector import Reflector
from router.kube.resources import WITH_KEYS, KeySecret, ScoringEndpoints
from router.model.catalogue import Catalogue
from router.model.problems import Problem
from router.model.resource import TLS_DIRECTORY
from router.model.spec import EndpointKey
from router.store.configuration import Configuration, Origin
from router.store.endpoints import Endpoints, Standing
from router.store.keys_in_force import Held, KeysInForce, MissingSecret, Owner
from router.store.secrets import SecretKey, Secrets

GATHER_S: Final = 0.02
"""How long a burst of events is gathered: a rotated key is to be in force within a tenth of a second."""

_DIRECTORY: Final = Path(TLS_DIRECTORY)


class ResourceStore:
    """The configuration in some namespaces of a cluster; with no namespace given, in all of them."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        *,
        contact: Contact,
        draw: Callable[[], float],
        namespaces: tuple[str, ...] = (),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`http` is that of `connect_to_follow`; `draw` gives numbers in [0, 1)."""
        self._sleep = sleep
        self._touched = asyncio.Event()
        self._given = Configuration()
        self.endpoints = Endpoints(self._touched.set)
        self.secrets = Secrets(self._secret_changed)
        self._keys = KeysInForce(self.secrets)
        scopes = namespaces or (None,)
        common: dict[str, Any] = {"contact": contact, "draw": draw}
        self.reflectors: tuple[Reflector[Any], ...] = (
            *(Reflector(http, ScoringEndpoints, self.endpoints, namespace=scope, **common) for scope in scopes),
            *(
                Reflector(http, KeySecret, self.secrets, namespace=scope, fields=WITH_KEYS, **common)
                for scope in scopes
            ),
        )
        """To be run by the owner, each in a task."""

    async def load(self) -> Configuration:
        """Waits until everything has been listed once."""
        for reflector in self.reflectors:
            await reflector.synced.wait()
        self._touched.clear()
        self._given = self._compose()
        return self._given

    async def changes(self) -> AsyncIterator[Configuration]:
        """The configuration whenever it is another one, until cancelled."""
        while True:
            await self._touched.wait()
            await self._sleep(GATHER_S)
            self._touched.clear()
            before, self._given = self._given, self._compose()
            if self._given != before:
                yield self._given

    def missing_secrets(self) -> tuple[MissingSecret, ...]:
        """Those that the configuration which was given last names, and that are not there now."""
        return tuple(self._keys.missing())

    def could_not_make(self, key: SecretKey, reason: str | None) -> None:
        """Why a missing Secret is still missing, as a problem of its endpoints. None: it has been made."""
        if self._keys.refused(key, reason):
            self._touched.set()

    def _secret_changed(self, key: SecretKey) -> None:
        if self._keys.names(key):
            self._touched.set()

    def _compose(self) -> Configuration:
        standings = dict(self.endpoints.settle())
        owners = {key: Owner(key, standing.newest.uid) for key, standing in standings.items()}
        endpoints = {key: each for key, standing in standings.items() if (each := standing.in_force) is not None}
        held = self._keys.look_up({owners[key]: endpoint for key, endpoint in endpoints.items()})
        origins = {key: _origin(standing, held.get(key)) for key, standing in standings.items()}
        return Configuration(
            Catalogue(MappingProxyType(endpoints), MappingProxyType(dict.fromkeys(endpoints, _DIRECTORY))),
            {key: each.pair for key, each in held.items() if each.pair is not None},
            tuple(_problems(origins)),
            origins,
        )

    def __repr__(self) -> str:
        return f"<ResourceStore {self.endpoints} {self.secrets}>"


def _origin(standing: Standing, held: Held | None) -> Origin:
    return Origin(
        uid=standing.newest.uid,
        generation=standing.newest.generation,
        problems=standing.problems,
        key_problem=held.problem if held is not None else None,
        accepted=not standing.problems,
        conflict=standing.conflict,
        keys_missing=held is not None and held.missing,
    )


def _problems(origins: Mapping[EndpointKey, Origin]) -> Iterator[Problem]:
    """In the order of names, whatever came first."""
    for key in sorted(key for key, origin in origins.items() if origin.problems or origin.key_problem):
        yield from origins[key].problems
        if (problem := origins[key].key_problem) is not None:
            yield problem
