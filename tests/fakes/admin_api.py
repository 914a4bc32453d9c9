"""The admin API, and scoring, in memory behind a real socket: what clients are tested against without a router.

Speaks the JSON of the real one and keeps the rules that clients meet (marks that move, etags, refusals), not the
schema's. Threads, so that blocking and asynchronous clients meet the same server. Credentials are fixed words.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ADMIN_TOKEN = "planted-admin-token"
_PATH = re.compile(
    r"/api/v1/endpoints(?:/(?P<endpoint>[^/]+)(?:/versions/(?P<version>[^/]+)(?P<logs>/logs)?|/(?P<part>[a-z]+))?)?"
)
_SCORE = re.compile(r"/api/v1/service/(?P<endpoint>[^/]+)/score")


@dataclass
class Problem(Exception):
    status: int
    code: str
    detail: str
    problems: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Stored:
    resource: dict[str, Any]
    number: int
    keys: dict[str, str]
    token: str = "planted-token-1"
    ready: int = 1
    accepted: list[str] | None = None
    """The credentials that are good, if others than those that are shown."""

    @property
    def etag(self) -> str:
        return f'"{self.number}"'

    @property
    def versions(self) -> list[dict[str, Any]]:
        return self.resource["spec"]["versions"]

    @property
    def mode(self) -> str:
        return self.resource["spec"].get("auth", {}).get("mode", "key")

    @property
    def default(self) -> dict[str, Any]:
        return next((each for each in self.versions if each.get("isDefault")), self.versions[0])

    def shares(self) -> dict[str, float]:
        shares = {each["name"]: float(each.get("trafficPercentile", 0)) for each in self.versions}
        shares[self.default["name"]] += 100 - sum(shares.values())
        return shares


class FakeAdminApi:
    """`url` and `token` are what a client needs. Its fields may be set by a test to have it behave otherwise."""

    def __init__(self) -> None:
        self.token = ADMIN_TOKEN
        self.endpoints: dict[tuple[str, str], Stored] = {}
        self.scored: Counter[str] = Counter()
        self.seen: list[tuple[str, str]] = []
        """Method and path with query, of each call."""
        self.forbidden: str | None = None
        """A method that nobody may use."""
        self.becoming_ready: list[int] = []
        """Ready replicas that the next looks at a status find; then they stay."""
        self.problems: list[str] = []
        self.log = ["blue-1 started", "blue-1 scored"]
        self.metrics = ""
        self.numbers = iter(range(1, 1_000_000))
        self.lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeAdminApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def stored(self, name: str, namespace: str | None = None) -> Stored:
        found = self.endpoints.get((namespace or "default", name))
        if found is None:
            raise Problem(404, "not_found", f"there is no endpoint {name}")
        return found

    def keep(self, resource: dict[str, Any], *, marked: str | None = None) -> Stored:
        """`marked`: the version whose marks are new, and are taken from the others."""
        resource = deepcopy(resource)
        metadata = resource["metadata"]
        metadata.setdefault("namespace", "default")
        versions = resource["spec"]["versions"]
        if len(versions) > 6:
            words = {"key": "spec.versions", "value": "a list of 7", "message": "has 7 versions, at most 6 are allowed"}
            raise Problem(422, "invalid", "spec.versions: has 7 versions, at most 6 are allowed", [words])
        for at, version in enumerate(versions):
            percentile = version.get("trafficPercentile", 0)
            if not 0 <= percentile <= 100:
                key = f"spec.versions[{at}]({version['name']}).trafficPercentile"
                message = f"must be 0 to 100, not {percentile}"
                problem = {"key": key, "value": str(percentile), "message": message}
                raise Problem(422, "invalid", f"{key}: {message}", [problem])
            self._move_marks(versions, version, marked)
        key = (metadata["namespace"], metadata["name"])
        before = self.endpoints.get(key)
        keys = before.keys if before else {"primaryKey": "planted-primary-1", "secondaryKey": "planted-secondary-1"}
        stored = Stored(resource, next(self.numbers), keys)
        self.endpoints[key] = stored
        return stored

    def _move_marks(self, versions: list[dict[str, Any]], version: dict[str, Any], marked: str | None) -> None:
        if version["name"] != marked:
            return
        for other in versions:
            if other is version:
                continue
            if version.get("isDefault"):
                other.pop("isDefault", None)
            if version.get("type") == "control" and other.get("type") == "control":
                other["type"] = "treatment"

    def status(self, stored: Stored) -> dict[str, Any]:
        metadata, shares = stored.resource["metadata"], stored.shares()
        if self.becoming_ready:
            stored.ready = self.becoming_ready.pop(0)
        return {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "scoringUri": f"{self.url}/api/v1/service/{metadata['name']}/score",
            "hosts": [],
            "authMode": stored.mode,
            "configured": not self.problems,
            "problems": self.problems,
            "versions": [
                {
                    "name": each["name"],
                    "isDefault": each is stored.default,
                    "type": each.get("type", "treatment"),
                    "trafficShare": shares[each["name"]],
                    "state": "serving" if stored.ready else "starting",
                    "replicas": {"current": 1, "ready": stored.ready, "busy": 0},
                    "desiredReplicas": 1,
                    "inFlight": 0,
                    "queued": 0,
                    "utilization": 0.0,
                    "lastDecision": None,
                }
                for each in stored.versions
            ],
        }

    def picked(self, stored: Stored, pinned: str | None) -> str:
        """By exact shares, not by chance: each version gets what it is owed most."""
        if pinned is not None:
            return pinned
        total = sum(self.scored.values()) + 1
        return max(stored.shares().items(), key=lambda share: share[1] * total / 100 - self.scored[share[0]])[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api: FakeAdminApi

    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # a client that left
            self.close_connection = True

    def do(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        url = urlsplit(self.path)
        self.query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        try:
            with self.api.lock:
                if score := _SCORE.fullmatch(url.path):
                    return self._score(score["endpoint"])
                self.api.seen.append((self.command, self.path))
                if url.path == "/metrics":
                    return self._answer(200, self.api.metrics.encode(), {"content-type": "text/plain"})
                self._admit()
                asked = _PATH.fullmatch(url.path)
                if asked is None:
                    raise Problem(404, "not_found", f"there is nothing at {url.path}")
                if not asked["logs"]:
                    return self._route(**{name: asked[name] for name in ("endpoint", "version", "part")})
            return self._logs(asked["endpoint"])
        except Problem as problem:
            self._refuse(problem)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815  the base class asks for these names

    def _admit(self) -> None:
        if self.headers.get("authorization") != f"Bearer {self.api.token}":
            raise Problem(401, "unauthorized", "the admin token is missing or wrong")
        if self.command == self.api.forbidden:
            raise Problem(
                403, "forbidden", "alice may not create scoringendpoints in default: the verb create is missing"
            )

    def _route(self, endpoint: str | None, version: str | None, part: str | None) -> None:
        if endpoint is None:
            return self._page() if self.command == "GET" else self._create()
        if version is not None:
            return self._version(endpoint, version)
        if part is not None:
            return self._part(self.api.stored(endpoint, self.query.get("namespace")), part)
        return self._endpoint(endpoint)

    def _page(self) -> None:
        after = self.query.get("continue", "")
        narrowed = self.query.get("namespace")
        names = [key for key in sorted(self.api.endpoints) if narrowed in (None, key[0]) and "/".join(key) > after]
        limit = min(int(self.query.get("limit", 100)), 2)  # small pages, so that clients have to go on
        items = [{**self.api.endpoints[key].resource, "etag": self.api.endpoints[key].etag} for key in names[:limit]]
        self._json(200, {"items": items, "continue": "/".join(names[limit - 1]) if len(names) > limit else None})

    def _create(self) -> None:
        resource = json.loads(self.body)
        metadata = resource["metadata"]
        if (metadata.get("namespace", "default"), metadata["name"]) in self.api.endpoints:
            raise Problem(409, "exists", f"there is an endpoint {metadata['name']} already")
        self._show(self.api.keep(resource), 201)

    def _endpoint(self, name: str) -> None:
        namespace = self.query.get("namespace")
        if self.command == "PUT" and (namespace or "default", name) not in self.api.endpoints:
            return self._show(self.api.keep(json.loads(self.body)), 201)
        stored = self.api.stored(name, namespace)
        if self.command == "GET":
            return self._show(stored)
        self._require_match(stored)
        if self.command == "DELETE":
            del self.api.endpoints[namespace or "default", name]
            return self._answer(204)
        patch = json.loads(self.body)
        return self._show(self.api.keep(patch if self.command == "PUT" else merged(stored.resource, patch)))

    def _version(self, name: str, version: str) -> None:
        stored = self.api.stored(name, self.query.get("namespace"))
        self._require_match(stored)
        resource = deepcopy(stored.resource)
        versions = resource["spec"]["versions"]
        at = next((at for at, each in enumerate(versions) if each["name"] == version), None)
        if at is None and self.command != "PUT":
            raise Problem(404, "not_found", f"{name} has no version {version}")
        if self.command == "DELETE":
            return self._delete_version(stored, resource, version)
        body = json.loads(self.body)
        if at is None:
            versions.append({"name": version, **body})
        else:
            versions[at] = merged(versions[at], body) if self.command == "PATCH" else {"name": version, **body}
        return self._show(self.api.keep(resource, marked=version), 201 if at is None else 200)

    def _delete_version(self, stored: Stored, resource: dict[str, Any], version: str) -> None:
        versions = resource["spec"]["versions"]
        if len(versions) == 1:
            raise Problem(409, "last_version", f"{version} is the last version; delete the endpoint")
        if stored.default["name"] == version:
            successor = self.query.get("newDefault")
            if successor is None:
                raise Problem(409, "default_version", f"{version} is the default; name the next one with newDefault")
            next(each for each in versions if each["name"] == successor)["isDefault"] = True
        resource["spec"]["versions"] = [each for each in versions if each["name"] != version]
        self.api.keep(resource)
        self._answer(204)

    def _part(self, stored: Stored, part: str) -> None:
        name = stored.resource["metadata"]["name"]
        if part == "status":
            return self._json(200, self.api.status(stored))
        if part == "token":
            if stored.mode != "token":
                raise Problem(409, "no_tokens", f"{name} issues no tokens: its auth.mode is {stored.mode}")
            said = {"access_token": stored.token, "refresh_after": 1, "expiry_on": 2, "token_type": "Bearer"}
            return self._json(200, said)
        if stored.mode != "key":
            raise Problem(409, "no_keys", f"{name} has no keys: its auth.mode is {stored.mode}")
        if part == "regeneratekeys":
            asked = json.loads(self.body)
            which = {"primary": "primaryKey", "secondary": "secondaryKey"}[asked["key"]]
            stored.keys[which] = asked.get("value") or f"planted-{asked['key']}-{next(self.api.numbers)}"
        return self._json(200, stored.keys)

    def _logs(self, endpoint: str) -> None:
        self.api.stored(endpoint, self.query.get("namespace"))
        lines = self.api.log[-int(self.query.get("tail", 100)) :]
        text = "".join(f"{line}\n" for line in lines).encode()
        if self.query.get("follow") != "true":
            return self._answer(200, text, {"content-type": "text/plain"})
        return self._stream(text, b"blue-1 later\n")

    def _stream(self, *pieces: bytes) -> None:
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for data in (*pieces, b""):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _score(self, endpoint: str) -> None:
        stored = self.api.stored(endpoint)
        shown = {"key": list(stored.keys.values()), "token": [stored.token], "none": []}[stored.mode]
        good = shown if stored.accepted is None else stored.accepted
        if good and (self.headers.get("authorization") or "").removeprefix("Bearer ") not in good:
            error = {"code": "unauthorized", "message": "the credential is missing or wrong", "requestId": "s-1"}
            return self._json(401, {"error": error})
        version = self.api.picked(stored, self.headers.get("azureml-model-deployment"))
        self.api.scored[version] += 1
        headers = {
            "azureml-model-deployment": version,
            "x-request-id": "s-2",
            "server-timing": "queue;dur=0.5, upstream;dur=2",
        }
        return self._answer(200, self.body, headers)

    def _require_match(self, stored: Stored) -> None:
        wanted = self.headers.get("if-match")
        if self.command != "GET" and wanted is not None and wanted != stored.etag:
            raise Problem(412, "changed", "somebody else has changed it since it was read")

    def _show(self, stored: Stored, status: int = 200) -> None:
        self._answer(status, json.dumps(stored.resource).encode(), {"etag": stored.etag})

    def _refuse(self, problem: Problem) -> None:
        error = {"code": problem.code, "message": problem.detail, "requestId": "r-1"}
        said = {"type": "about:blank", "title": problem.code, "status": problem.status, "detail": problem.detail}
        whole = {**said, "code": problem.code, "requestId": "r-1", "error": error, "problems": problem.problems}
        self._answer(problem.status, json.dumps(whole).encode(), {"content-type": "application/problem+json"})

    def _json(self, status: int, said: dict[str, Any]) -> None:
        self._answer(status, json.dumps(said).encode(), {"content-type": "application/json"})

    def _answer(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def merged(before: Any, patch: Any) -> Any:
    """A merge patch, as RFC 7386 has it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
