"""From the kind that a user names to the class by which lightkube speaks of it: any kind that has a scale subresource.

Kinds that Kubernetes brings are known to lightkube. All others are looked up where the API server lists what it serves
(`/apis/<group>/<version>`), which every authenticated account may read. Called by whoever scales workloads.
"""

from __future__ import annotations

from typing import Any, Final

import httpx2
import msgspec
from lightkube.core.exceptions import LoadResourceError
from lightkube.core.resource import NamespacedResourceG
from lightkube.core.resource_registry import resource_registry
from lightkube.generic_resource import create_namespaced_resource

from router.errors import MaitreError
from router.kube.client import CALL_FAILED, explain

_BUILT_IN: Final = frozenset({"v1", "apps/v1"})
"""The API versions of Kubernetes' own kinds with a scale."""


class KindUnusable(MaitreError):
    """A kind that cannot be scaled, for now at least; the message says why."""


class _Served(msgspec.Struct):
    """An entry of an APIResourceList."""

    name: str
    kind: str
    namespaced: bool = False


class _Listed(msgspec.Struct):
    """An APIResourceList."""

    resources: list[_Served] = []


class Kinds:
    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def scalable(self, api_version: str, kind: str) -> type[Any]:
        """The class of a namespaced resource; its `Scale` is that of the subresource. Raises KindUnusable."""
        if api_version in _BUILT_IN:
            return _built_in(api_version, kind)
        served = await self._served(api_version, kind)
        group, _, version = api_version.rpartition("/")
        try:
            return create_namespaced_resource(group, version, kind, served.name)
        except ValueError as error:  # the same kind under another plural than before
            raise KindUnusable(f"kind {kind} of {api_version} is not what it was: start maitre anew") from error

    async def _served(self, api_version: str, kind: str) -> _Served:
        listed = await self._listed(api_version)
        of_kind = [entry for entry in listed.resources if entry.kind == kind and "/" not in entry.name]
        if not of_kind:
            raise KindUnusable(f"{api_version} has no kind {kind}: is its CustomResourceDefinition there?")
        served = of_kind[0]
        if not served.namespaced:
            raise KindUnusable(f"kind {kind} of {api_version} is not namespaced, so it belongs to no endpoint")
        if not any(entry.name == f"{served.name}/scale" for entry in listed.resources):
            raise _without_scale(api_version, kind)
        return served

    async def _listed(self, api_version: str) -> _Listed:
        try:
            answer = await self._http.get(f"apis/{api_version}" if "/" in api_version else f"api/{api_version}")
            if answer.status_code == httpx2.codes.NOT_FOUND:
                raise KindUnusable(f"the API server has no {api_version}: is the CustomResourceDefinition there?")
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=_Listed)
        except CALL_FAILED as error:
            raise KindUnusable(f"{api_version} cannot be looked up: {explain(error)}") from error


def _built_in(api_version: str, kind: str) -> type[Any]:
    try:
        found: Any = resource_registry.load(api_version, kind)
    except (LoadResourceError, AttributeError) as error:  # the latter: a name in the module that is no kind
        raise KindUnusable(f"{api_version} has no kind {kind}") from error
    if not (issubclass(found, NamespacedResourceG) and hasattr(found, "Scale")):
        raise _without_scale(api_version, kind)
    usable: type[Any] = found
    return usable


def _without_scale(api_version: str, kind: str) -> KindUnusable:
    return KindUnusable(f"kind {kind} of {api_version} has no scale subresource, so it cannot be scaled")
