"""Changes of an endpoint: read, judged, changed, kept; again where somebody else was faster.

Who sends If-Match changes that state of the endpoint or nothing. Who does not gets the change made to whatever the
endpoint is when it is kept, so that of two who change different things at once neither loses anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from router.admin.auditing import Audit
from router.admin.changes import SOURCE
from router.admin.operations import Call
from router.errors import EndpointChanged, EndpointExists, EndpointUnknown
from router.model.interpreting import endpoint_from
from router.model.problems import ConfigurationRefused, Problem
from router.model.spec import EndpointKey
from router.store.writing import EndpointWriter, Resource, Stored

ATTEMPTS: Final = 10
"""How often a change is begun anew when others are faster; each time somebody else has got something done."""


class Editor:
    def __init__(self, writer: EndpointWriter, audit: Audit) -> None:
        self._writer = writer
        self._audit = audit

    async def read(self, key: EndpointKey) -> Stored:
        """Raises EndpointUnknown, StoreFailed."""
        stored = await self._writer.read(key)
        if stored is None:
            raise _unknown(key)
        return stored

    async def change(self, call: Call, change: Callable[[Resource], Resource]) -> tuple[Stored, Stored]:
        """The endpoint of the call before and after. `change` may be called several times. Raises what it does, and
        EndpointUnknown, EndpointChanged, ConfigurationRefused, StoreFailed."""
        for _ in range(ATTEMPTS):
            before = await self.read(call.key)
            call.preconditions.check(before.etag)
            resource = checked(change(before.resource))
            try:
                after = await self._writer.replace(resource, before.etag)
            except EndpointChanged:
                if call.preconditions.bind_to_etag:
                    raise
                continue
            self._audit.changed(call.caller, call.access, before.resource, after.resource)
            return before, after
        raise _too_busy()

    async def create(self, call: Call, resource: Resource) -> Stored:
        """Raises EndpointExists, ConfigurationRefused, StoreFailed."""
        stored = await self._writer.create(checked(resource))
        self._audit.changed(call.caller, call.access._replace(verb="create", name=stored.key[1]), None, stored.resource)
        return stored

    async def put(self, call: Call, resource: Resource, may_create: Callable[[], Any]) -> tuple[Stored | None, Stored]:
        """The endpoint of the call before (None: there was none) and after. `may_create` is awaited before one is
        made. Raises what it does, and EndpointChanged, ConfigurationRefused, StoreFailed."""
        for _ in range(ATTEMPTS):
            before = await self._writer.read(call.key)
            call.preconditions.check(None if before is None else before.etag)
            try:
                if before is not None:
                    return await self.change(call, lambda _before: resource)
                await may_create()
                return None, await self.create(call, resource)
            except (EndpointUnknown, EndpointExists):
                continue  # it went, or came, since it was read
        raise _too_busy()

    async def delete(self, call: Call) -> None:
        """Raises EndpointUnknown, EndpointChanged, StoreFailed."""
        before = await self.read(call.key)
        call.preconditions.check(before.etag)
        await self._writer.delete(call.key, before.etag if call.preconditions.bind_to_etag else None)
        self._audit.changed(call.caller, call.access, before.resource, None)


def addressed(body: Mapping[str, Any], key: EndpointKey) -> Resource:
    """The resource of a body with the name and namespace of its path. Raises ConfigurationRefused for others."""
    metadata = body.get("metadata", {})
    if not isinstance(metadata, Mapping):
        return body  # which is told with all else that is wrong with it
    wrong = [
        Problem(SOURCE, None, f"metadata.{word}", None, f"must be {expected}, as in the path, or left out")
        for word, expected in (("name", key[1]), ("namespace", key[0]))
        if metadata.get(word, expected) != expected
    ]
    if wrong:
        raise ConfigurationRefused(wrong)
    return {**body, "metadata": {**metadata, "name": key[1], "namespace": key[0]}}


def checked(resource: Resource) -> Resource:
    """The same; the rules of the store come on top. Raises ConfigurationRefused."""
    endpoint_from(resource, SOURCE)
    return resource


def _unknown(key: EndpointKey) -> EndpointUnknown:
    return EndpointUnknown(f"there is no endpoint {key[1]} in namespace {key[0]}")


def _too_busy() -> EndpointChanged:
    return EndpointChanged(f"the endpoint was changed by others each of {ATTEMPTS} times; send the change again")
