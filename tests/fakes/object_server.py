"""An API server that keeps objects: ScoringEndpoints by their definition, and Secrets. A transport for httpx2.

It does what writers rely on: versions that conflict, generations that rise with the spec alone, defaults, merge
patches, preconditions, pages. `tests/kube/test_admin_rights.py` holds the writer against a real one. What it is to do
beside that (refuse, change something in between) says `before`, which is called with each request first.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx2

from router.model.crd import crd
from tests.fakes.api_server import status
from tests.fakes.schema import stored

Object = dict[str, Any]
Key = tuple[str, str, str]
"""Plural, namespace, name."""

(VERSION,) = crd()["spec"]["versions"]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]["properties"]["spec"]


class Refusal(Exception):
    def __init__(self, code: int, reason: str, message: str = "") -> None:
        self.code, self.reason, self.message = code, reason, message


def forbidden(verb: str, resource: str, group: str, namespace: str) -> Refusal:
    """As the authorizer says it."""
    return Refusal(
        403,
        "Forbidden",
        f'{resource}.{group} "digits" is forbidden: User "system:serviceaccount:maitre-system:maitre" '
        f'cannot {verb} resource "{resource}" in API group "{group}" in the namespace "{namespace}"',
    )


class ObjectServer:
    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.asked: list[tuple[str, str]] = []
        """Method and path."""
        self.before: Callable[[httpx2.Request], Awaitable[None] | None] | None = None
        self.transport = httpx2.MockTransport(self._answer)
        self._version = 0

    def put(self, plural: str, given: Object) -> Object:
        """What somebody else writes."""
        metadata = given["metadata"]
        return self._keep((plural, metadata["namespace"], metadata["name"]), given)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append((request.method, request.url.path))
        try:
            if self.before is not None and (waiting := self.before(request)) is not None:
                await waiting
            return httpx2.Response(200, json=self._do(request))
        except Refusal as no:
            return httpx2.Response(no.code, json=status(no.code, no.reason, no.message))

    def _do(self, request: httpx2.Request) -> Object:
        plural, namespace, name = _parts(request.url.path)
        given = json.loads(request.content) if request.content else {}
        if name is None:
            if request.method == "GET":
                return self._page(plural, namespace, request.url.params)
            name = given["metadata"]["name"]
            if (plural, namespace, name) in self.objects:
                raise Refusal(409, "AlreadyExists", f'{plural} "{name}" already exists')
            return self._keep((plural, namespace, name), given)
        return self._one((plural, namespace, name), request.method, given)

    def _one(self, key: Key, method: str, given: Object) -> Object:
        if key not in self.objects:
            raise Refusal(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        before = self.objects[key]
        match method:
            case "GET":
                return before
            case "DELETE":
                _must_match(before["metadata"], given.get("preconditions", {}))
                return self.objects.pop(key)
            case "PATCH":
                given = merged(before, given)
                if before.get("immutable") and given != before:
                    raise Refusal(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set")
        _must_match(before["metadata"], {"resourceVersion": given["metadata"].get("resourceVersion")})
        return self._keep(key, given)

    def _page(self, plural: str, namespace: str, parameters: httpx2.QueryParams) -> Object:
        """By a bookmark in `continue`: where it begins."""
        there = [each for key, each in self.objects.items() if key[0] == plural and namespace in ("", key[1])]
        first, limit = int(parameters.get("continue", 0)), int(parameters.get("limit", 10**6))
        more = {"continue": str(first + limit)} if len(there) > first + limit else {}
        return {"metadata": {"resourceVersion": str(self._version), **more}, "items": there[first : first + limit]}

    def _keep(self, key: Key, given: Object) -> Object:
        plural, namespace, name = key
        before = self.objects.get(key)
        kept = {**given, "spec": stored(given["spec"], SCHEMA)} if plural == "scoringendpoints" else {**given}
        self._version += 1
        metadata = {"uid": f"uid-{self._version}", "generation": 1} if before is None else before["metadata"]
        raised = before is not None and before.get("spec") != kept.get("spec")
        kept["metadata"] = {
            **given["metadata"],
            "namespace": namespace,
            "name": name,
            "uid": metadata["uid"],
            "generation": metadata["generation"] + raised,
            "resourceVersion": str(self._version),
        }
        self.objects[key] = kept
        return kept


def merged(value: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for name, change in patch.items():
        if change is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), change)
    return result


def _must_match(metadata: Object, expected: Object) -> None:
    for name, value in expected.items():
        if value is not None and metadata[name] != value:
            raise Refusal(409, "Conflict", "the object has been modified; please apply your changes to the latest")


def _parts(path: str) -> tuple[str, str, str | None]:
    """Plural, namespace (empty: all), and name."""
    words: Iterator[str] = iter(path.strip("/").split("/"))
    group = next(words) == "apis"
    for _ in range(2 if group else 1):
        next(words)
    plural, namespace = next(words), ""
    if plural == "namespaces":
        namespace, plural = next(words), next(words)
    return plural, namespace, next(words, None)
