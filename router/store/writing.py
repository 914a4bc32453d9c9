"""How endpoints and their keys are changed: what the admin API asks of a store, be it of files or of a cluster.

A `Resource` here is what the user wrote: defaults are absent, and so is what an API server adds, but for name and
namespace. An etag is opaque and another one after every change of that resource, by whomever. A change that returns is
kept for good and handed on to whoever serves; one that raises has changed nothing.

Implemented by `file_writer` and `resource_writer`; called by `router.admin`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from router.model.spec import EndpointKey
from router.store.keys import KeyPair

Resource = Mapping[str, Any]
"""apiVersion, kind, metadata and spec, as JSON has them."""


class Stored(NamedTuple):
    """An endpoint as it is kept."""

    key: EndpointKey
    resource: Resource
    etag: str


class EndpointWriter(Protocol):
    """All of it may raise StoreFailed: the file system or the API server refuses; the message says what."""

    async def all(self) -> Sequence[Stored]:
        """In the order of their keys."""

    async def read(self, key: EndpointKey) -> Stored | None: ...
    async def create(self, resource: Resource) -> Stored:
        """Raises ConfigurationRefused, EndpointExists."""

    async def replace(self, resource: Resource, etag: str | None) -> Stored:
        """`etag`: what it must have now; None: whatever it has. Raises ConfigurationRefused, EndpointUnknown,
        EndpointChanged."""

    async def delete(self, key: EndpointKey, etag: str | None) -> None:
        """Keys that maitre made for it go too. Raises EndpointUnknown, EndpointChanged."""

    async def keys(self, key: EndpointKey) -> KeyPair:
        """Raises EndpointUnknown, KeysUnknown."""

    async def put_keys(self, key: EndpointKey, pair: KeyPair, before: KeyPair) -> None:
        """`before`: what they must be now. Raises EndpointUnknown, KeysUnknown, EndpointChanged."""
