"""Endpoints as ScoringEndpoint resources, changed: what the admin API does in a cluster.

Implements `EndpointWriter` (writing.py). A change is read, compared and written on the version that was read, so of two
who write at once one is refused, and reads again. Only the spec is the user's part: labels, annotations, owners and
finalizers stay as they are, but for those that a change brings. The etag is the resource's uid and generation, which
the API server raises with every change of the spec, and with none of the status that the leader writes.

Everything is judged here before it is sent, in the words of `maitre check`; what the API server refuses all the same
(a webhook, a quota) is ConfigurationRefused in its words, and what the router has no right to is StoreFailed.
Made by the composition root.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeAlias, TypeVar

import httpx2
from lightkube import ApiError, AsyncClient

from router.errors import EndpointChanged, EndpointExists, EndpointUnknown, KeysUnknown, MaitreError, StoreFailed
from router.kube.client import CALL_FAILED, explain, lacking_right
from router.kube.resources import ScoringEndpoints
from router.model.defaults import without_defaults
from router.model.problems import ConfigurationRefused, Problem
from router.model.resource import interpret_resource
from router.model.spec import API_VERSION, KIND, EndpointKey, EndpointSpec, ScoringEndpoint
from router.model.structural import structural_schema
from router.store.key_secrets import KeySecrets
from router.store.keys import KeyPair
from router.store.writing import Resource, Stored

ATTEMPTS: Final = 5
"""How often a change is written on a version that was the newest; the leader's own writes are one in a second."""
PAGE: Final = 500

_PATH: Final = f"apis/{API_VERSION}/namespaces/{{}}/scoringendpoints/{{}}"
_REFUSALS: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY})
"""Of what was sent, once it is not for want of a right."""

_WORD: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
"""Of names and namespaces (RFC 1123). lightkube quotes nothing: with slashes and dots another object would be meant."""

Found: TypeAlias = dict[str, Any]
"""A ScoringEndpoint as the API server has it."""
Result = TypeVar("Result")


class ResourceWriter:
    def __init__(self, client: AsyncClient, http: httpx2.AsyncClient, namespaces: tuple[str, ...] = ()) -> None:
        """`http` is that of `connect_to_follow`. `namespaces`: those that are served; empty: all."""
        self._client = client
        self._http = http
        self._namespaces = namespaces
        self._schema = structural_schema(EndpointSpec)
        self._secrets = KeySecrets(client)

    async def all(self) -> Sequence[Stored]:
        found = [each for scope in self._namespaces or ("*",) for each in await self._list(scope)]
        return sorted(found, key=lambda stored: stored.key)

    async def read(self, key: EndpointKey) -> Stored | None:
        found = await self._find(key)
        return None if found is None else self._stored(found)

    async def create(self, resource: Resource) -> Stored:
        endpoint = self._judged(resource)
        metadata = {"name": endpoint.name, "namespace": endpoint.namespace, **_extras(resource)}
        made = _object({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": resource["spec"]})
        try:
            return self._stored(await self._client.create(made))
        except CALL_FAILED as error:
            if _code(error) == HTTPStatus.CONFLICT:
                namespace, name = endpoint.key
                raise EndpointExists(f"there is an endpoint {name} in namespace {namespace} already") from None
            if _code(error) == HTTPStatus.NOT_FOUND:  # its namespace is not there
                raise _refused(endpoint.key, "metadata.namespace", explain(error)) from error
            raise _failure(error, endpoint.key) from error

    async def replace(self, resource: Resource, etag: str | None) -> Stored:
        endpoint = self._judged(resource)

        async def write() -> Stored:
            before = await self._expected(endpoint.key, etag)
            metadata = {**before["metadata"]}
            for name, given in _extras(resource).items():
                metadata[name] = {**(metadata.get(name) or {}), **given}
            after = _object({**before, "metadata": metadata, "spec": resource["spec"]})
            return self._stored(await self._client.replace(after))

        return await self._on_the_newest(endpoint.key, write)

    async def delete(self, key: EndpointKey, etag: str | None) -> None:
        """Its Secret with keys that maitre made goes with it, by its owner reference."""

        async def write() -> None:
            metadata = (await self._expected(key, etag))["metadata"]
            await self._delete(key, {name: metadata[name] for name in ("uid", "resourceVersion")})

        await self._on_the_newest(key, write)

    async def keys(self, key: EndpointKey) -> KeyPair:
        endpoint = await self._endpoint(key)
        try:
            return (await self._secrets.read(endpoint)).pair
        except CALL_FAILED as error:
            raise _failure(error, key) from error

    async def put_keys(self, key: EndpointKey, pair: KeyPair, before: KeyPair) -> None:
        endpoint = await self._endpoint(key)

        async def write() -> None:
            held = await self._secrets.read(endpoint)
            if held.pair != before:
                raise EndpointChanged(f"somebody else has changed the keys of {_said(key)}: read them again")
            await self._secrets.write(endpoint, pair, held.version)

        await self._on_the_newest(key, write)

    # -- within -----------------------------------------------------------------------------------------------------

    async def _list(self, scope: str) -> list[Stored]:
        try:
            listed = self._client.list(ScoringEndpoints, namespace=scope, chunk_size=PAGE)
            return [self._stored(each) async for each in listed]
        except CALL_FAILED as error:
            raise StoreFailed(f"the endpoints cannot be read: {explain(error)}") from error

    async def _find(self, key: EndpointKey) -> Found | None:
        namespace, name = key
        if not (self._serves(namespace) and all(map(_WORD.fullmatch, key))):
            return None
        try:
            return await self._client.get(ScoringEndpoints, name, namespace=namespace)
        except CALL_FAILED as error:
            if _code(error) == HTTPStatus.NOT_FOUND:
                return None
            raise _failure(error, key) from error

    async def _expected(self, key: EndpointKey, etag: str | None) -> Found:
        """As it is now, if that is what the caller thinks. Raises EndpointUnknown, EndpointChanged."""
        found = await self._find(key)
        if found is None:
            raise EndpointUnknown(f"there is no endpoint {key[1]} in namespace {key[0]}")
        if etag not in (None, _etag(found)):
            raise EndpointChanged(f"{_said(key)} has been changed since it was read: read it again")
        return found

    async def _endpoint(self, key: EndpointKey) -> ScoringEndpoint:
        """For its keys. Raises EndpointUnknown, KeysUnknown."""
        try:
            return _interpreted(await self._expected(key, None))
        except ConfigurationRefused as refused:
            raise KeysUnknown(f"what keys {_said(key)} has is not known, because it is wrong: {refused}") from None

    async def _on_the_newest(self, key: EndpointKey, write: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """`write` reads, and writes on what it has read; again, when somebody else was faster, and changed or deleted
        that."""
        for _ in range(ATTEMPTS):
            try:
                return await write()
            except CALL_FAILED as error:
                if _code(error) not in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
                    raise _failure(error, key) from error
        raise EndpointChanged(f"{_said(key)} is being changed all the time: try again")

    async def _delete(self, key: EndpointKey, preconditions: dict[str, Any]) -> None:
        """lightkube has no word for preconditions."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        answer = await self._http.request("DELETE", _PATH.format(*key), json=options)
        if answer.is_error and "json" in answer.headers.get("content-type", ""):
            raise ApiError(request=answer.request, response=answer)
        answer.raise_for_status()

    def _serves(self, namespace: str) -> bool:
        return not self._namespaces or namespace in self._namespaces

    def _judged(self, resource: Resource) -> ScoringEndpoint:
        endpoint = _interpreted(resource)
        if not self._serves(endpoint.namespace):
            served = ", ".join(self._namespaces)
            raise _refused(endpoint.key, "metadata.namespace", f"is not served by this router, which serves {served}")
        return endpoint

    def _stored(self, found: Found) -> Stored:
        namespace, name = found["metadata"]["namespace"], found["metadata"]["name"]
        resource = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name, "namespace": namespace},
            "spec": without_defaults(found.get("spec", {}), self._schema),
        }
        return Stored((namespace, name), resource, _etag(found))


def _object(content: Found) -> Any:
    """For lightkube, whose types for a kind that is not its own fit no call of its own."""
    return ScoringEndpoints.from_dict(content)


def _etag(found: Found) -> str:
    metadata = found["metadata"]
    return f"{metadata['uid']}.{metadata.get('generation', 1)}"


def _extras(resource: Resource) -> dict[str, Any]:
    """What the user may say beside the name."""
    metadata = resource["metadata"]
    return {name: dict(metadata[name]) for name in ("labels", "annotations") if metadata.get(name)}


def _interpreted(resource: Resource) -> ScoringEndpoint:
    interpreted = interpret_resource(resource)
    if interpreted.endpoint is None:
        raise ConfigurationRefused(interpreted.problems)
    return interpreted.endpoint


def _said(key: EndpointKey) -> str:
    return f"the endpoint {key[1]} in namespace {key[0]}"


def _refused(key: EndpointKey, at: str, message: str) -> ConfigurationRefused:
    return ConfigurationRefused([Problem(f"scoringendpoint {'/'.join(key)}", None, at, None, message)])


def _code(error: Exception) -> int | None:
    return error.status.code if isinstance(error, ApiError) else None


def _failure(error: Exception, key: EndpointKey) -> MaitreError:
    """What a call has failed for, as the caller may be told."""
    if _code(error) in _REFUSALS and lacking_right(error) is None:
        return _refused(key, "", f"the API server refuses it: {explain(error)}")
    return StoreFailed(f"{_said(key)}: {explain(error)}")
