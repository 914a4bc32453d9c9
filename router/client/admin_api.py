"""The calls of the admin API, one generator each: paths, headers and bodies, and what their answers hold.

Knows JSON and nothing of endpoint objects. Called by the operations of `maitre.py` and `endpoint.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from router.client.answers import json_of, require_ok
from router.client.errors import Misused
from router.client.steps import Request, Response, Steps, send
from router.client.values import AccessToken, Keys, Status

MERGE_PATCH = "application/merge-patch+json"
LARGEST_PAGE = 500


class Name(NamedTuple):
    """Which endpoint. `namespace` None: the router's default one."""

    name: str
    namespace: str | None


class Shown(NamedTuple):
    """An endpoint as the API shows it."""

    resource: dict[str, Any]
    etag: str


class AdminApi:
    """At `url`, scheme and host and port, with this admin token."""

    def __init__(self, url: str, token: str | None, timeout_s: float) -> None:
        if not url.startswith(("http://", "https://")):
            raise Misused(f"the admin URL is like http://127.0.0.1:8081, not {url!r}", code="bad_address")
        if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
            raise Misused("the admin token is one word of ASCII; what was given is none", code="bad_token")
        self.url = url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s

    def page(self, namespace: str | None, after: str | None) -> Steps[tuple[list[Shown], str | None]]:
        query = {"limit": str(LARGEST_PAGE), "namespace": namespace, "continue": after}
        said = json_of((yield from send(self._request("GET", "endpoints", query))), "items")
        return [Shown(each, each.pop("etag", "")) for each in said["items"]], said.get("continue")

    def create(self, resource: Mapping[str, Any]) -> Steps[Shown]:
        return (yield from self._endpoint("POST", "endpoints", {}, resource))

    def show(self, which: Name) -> Steps[Shown]:
        return (yield from self._endpoint("GET", _endpoint(which), _in(which)))

    def put(self, which: Name, resource: Mapping[str, Any], etag: str | None) -> Steps[Shown]:
        return (yield from self._endpoint("PUT", _endpoint(which), _in(which), resource, _if_match(etag)))

    def patch(self, which: Name, patch: Mapping[str, Any], etag: str | None) -> Steps[Shown]:
        return (yield from self._endpoint("PATCH", _endpoint(which), _in(which), patch, _if_match(etag)))

    def delete(self, which: Name, etag: str | None) -> Steps[None]:
        require_ok((yield from send(self._request("DELETE", _endpoint(which), _in(which), None, _if_match(etag)))))

    def put_version(self, which: Name, version: Mapping[str, Any], etag: str | None) -> Steps[Shown]:
        path = _version(which, version["name"])
        return (yield from self._endpoint("PUT", path, _in(which), version, _if_match(etag)))

    def patch_version(self, which: Name, version: str, patch: Mapping[str, Any], etag: str | None) -> Steps[Shown]:
        path = _version(which, version)
        return (yield from self._endpoint("PATCH", path, _in(which), patch, _if_match(etag)))

    def delete_version(self, which: Name, version: str, new_default: str | None, etag: str | None) -> Steps[None]:
        query = {**_in(which), "newDefault": new_default}
        request = self._request("DELETE", _version(which, version), query, None, _if_match(etag))
        require_ok((yield from send(request)))

    def keys(self, which: Name) -> Steps[Keys]:
        return _keys((yield from send(self._request("POST", _endpoint(which) + "/listkeys", _in(which)))))

    def regenerate(self, which: Name, key: str, value: str | None) -> Steps[Keys]:
        body = {"key": key} if value is None else {"key": key, "value": value}
        request = self._request("POST", _endpoint(which) + "/regeneratekeys", _in(which), body)
        return _keys((yield from send(request)))

    def token(self, which: Name, expires_in_s: int | None) -> Steps[AccessToken]:
        body = {} if expires_in_s is None else {"expiresInSeconds": expires_in_s}
        response = yield from send(self._request("POST", _endpoint(which) + "/token", _in(which), body))
        said = json_of(response, "access_token", "refresh_after", "expiry_on", "token_type")
        return AccessToken(said["access_token"], said["refresh_after"], said["expiry_on"], said["token_type"])

    def status(self, which: Name) -> Steps[Status]:
        response = yield from send(self._request("GET", _endpoint(which) + "/status", _in(which)))
        return Status.read(json_of(response, "name"))

    def logs(self, which: Name, version: str, tail: int, *, follow: bool) -> Request:
        """Lines of text, each REPLICA LINE; for ever where they are followed."""
        query = {**_in(which), "tail": str(tail), "follow": "true" if follow else None}
        return self._request("GET", _version(which, version) + "/logs", query, timeout_s=86_400.0 if follow else None)

    def logs_so_far(self, which: Name, version: str, tail: int) -> Steps[str]:
        answer = yield from send(self.logs(which, version, tail, follow=False))
        return require_ok(answer).content.decode("utf-8", "replace")

    def metrics(self) -> Steps[str]:
        """The page of metrics, which needs no token."""
        answer = yield from send(Request("GET", f"{self.url}/metrics", timeout_s=self._timeout_s))
        return require_ok(answer).content.decode()

    def _endpoint(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | None],
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Steps[Shown]:
        response = yield from send(self._request(method, path, query, body, headers))
        return Shown(json_of(response, "metadata", "spec"), response.headers.get("etag", ""))

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | None],
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Request:
        said = urlencode({key: value for key, value in query.items() if value is not None})
        fields = {"accept": "application/json", **(headers or {})}
        if self._token is not None:
            fields["authorization"] = f"Bearer {self._token}"
        if body is not None:
            fields["content-type"] = MERGE_PATCH if method == "PATCH" else "application/json"
        content = b"" if body is None else json.dumps(body).encode()
        url = f"{self.url}/api/v1/{path}" + (f"?{said}" if said else "")
        return Request(method, url, fields, content, self._timeout_s if timeout_s is None else timeout_s)


def _endpoint(which: Name) -> str:
    return f"endpoints/{_word(which.name)}"


def _version(which: Name, version: str) -> str:
    return f"{_endpoint(which)}/versions/{_word(version)}"


def _word(name: str) -> str:
    if not name.strip("."):
        raise Misused(f"{name!r} is no name", code="bad_name")
    return quote(name, safe="")


def _in(which: Name) -> dict[str, str | None]:
    return {"namespace": which.namespace}


def _if_match(etag: str | None) -> dict[str, str]:
    return {"if-match": etag} if etag else {}


def _keys(response: Response) -> Keys:
    said = json_of(response, "primaryKey", "secondaryKey")
    return Keys(said["primaryKey"], said["secondaryKey"])
