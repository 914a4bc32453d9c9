"""Endpoints from ScoringEndpoint resources, their keys from Secrets: followed, and never replaced by what is wrong.

The outside is that of `FileStore`. Its reflectors keep the sinks equal to the API server; whenever something that
matters has changed, and the burst is over, `changes` gives the configuration anew. While the API server is away nothing
comes, and what is known stays in force. A Secret that is wrong or gone leaves the last good pair of its endpoint.

Everything happens on the event loop. One owner: `router.main`, which runs the reflectors and calls `load` before
`changes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import httpx2

from router.kube.contact import Contact
from router.kube.reflector import Reflector
from router.kube.resources import WITH_KEYS, KeySecret, ScoringEndpoints
from router.model.spec import EndpointKey
from router.store.composition import Composition
from router.store.configuration import Configuration, Origin
from router.store.endpoints import Endpoints, Standing
from router.store.keys_in_force import Held, KeysInForce, MissingSecret, Owner
from router.store.secrets import SecretKey, Secrets

GATHER_S: Final = 0.02
"""How long a burst of events is gathered: a rotated key is to be in force within a tenth of a second."""


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
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`http` is that of `connect_to_follow`; `draw` gives numbers in [0, 1). `pause` is between attempts."""
        self._sleep = sleep
        self._touched = asyncio.Event()
        self.news = asyncio.Event()
        """Set when `missing_secrets` may give something else; cleared by the one who makes them."""
        self._composition = Composition()
        self._stale: set[EndpointKey] = set()
        self.endpoints = Endpoints(self._touched.set)
        self.secrets = Secrets(self._secret_changed)
        self._keys = KeysInForce(self.secrets)
        scopes = namespaces or (None,)
        common: dict[str, Any] = {"contact": contact, "draw": draw, "sleep": pause}
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
        self._settle()
        return self._composition.configuration()

    async def changes(self) -> AsyncIterator[Configuration]:
        """The configuration whenever it is another one, until cancelled."""
        while True:
            await self._touched.wait()
            await self._sleep(GATHER_S)
            self._touched.clear()
            if self._settle():
                yield self._composition.configuration()

    def standing(self, key: EndpointKey) -> Mapping[str, Any]:
        """The status that is written in a resource, as it came last; empty where there is none."""
        return self.endpoints.status(key)

    def missing_secrets(self) -> tuple[MissingSecret, ...]:
        """Those that the configuration which was given last names."""
        return tuple(self._keys.missing())

    def could_not_make(self, key: SecretKey, reason: str | None) -> None:
        """Why a missing Secret is still missing, as a problem of its endpoints. None: it has been made."""
        if self._keys.refused(key, reason):
            self._secret_changed(key)

    def _secret_changed(self, key: SecretKey) -> None:
        if owners := self._keys.owners(key):
            self._stale.update(owner.key for owner in owners)
            self._touched.set()

    def _settle(self) -> bool:
        """Brings what changed into the composition; returns whether it is another one now."""
        stale, self._stale = self._stale | self.endpoints.settle(), set()
        changes = [self._renew(key) for key in stale]
        if any(changes):
            self.news.set()
        return any(changes)

    def _renew(self, key: EndpointKey) -> bool:
        standing = self.endpoints.standing(key)
        uid = standing.newest.uid if standing is not None else None
        before = self._composition.origin(key)
        if before is not None and before.uid != uid:
            self._keys.forget(Owner(key, before.uid))
        if standing is None:
            return self._composition.remove(key)
        owner, endpoint = Owner(key, standing.newest.uid), standing.in_force
        held = self._keys.look_up(owner, endpoint) if endpoint is not None else Held(None)
        return self._composition.place(key, endpoint, held.pair, _origin(standing, held))

    def __repr__(self) -> str:
        return f"<ResourceStore {self.endpoints} {self.secrets} {self._keys}>"


def _origin(standing: Standing, held: Held) -> Origin:
    return Origin(
        uid=standing.newest.uid,
        generation=standing.newest.generation,
        problems=standing.problems,
        key_problem=held.problem,
        accepted=not standing.problems,
        conflict=standing.conflict,
        keys_missing=held.missing,
    )
