"""The real admin API on a real socket, over real files, for clients that block: it runs in a thread of its own.

Gate, store, keys, tokens and audit are the router's. What stands behind them is not there: no replica runs, so how
versions stand, what they print and the page of metrics are what a test says, and one route stands in for the data port
to judge credentials as it does. `with RunningAdminApi(tmp_path) as api`.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from router.admin import admin_token
from router.admin.api import Parts, api_routes
from router.admin.app import build_app
from router.admin.audit import Audit
from router.admin.gate import Access, Caller, Gate, NotAllowed
from router.admin.health import Phase
from router.admin.server import AdminServer
from router.core.own_tokens import OwnTokens
from router.errors import EndpointUnknown
from router.model.rules import default_version
from router.model.spec import EndpointKey, ScoringEndpoint
from router.serving.events import EventRing
from router.store.file_writer import FileWriter
from router.store.files import FileStore
from router.store.keys import KeyFiles, KeyPair, rotated
from router.store.token_issuer import TokenIssuer
from router.store.writing import Stored

T = TypeVar("T")
START_S = 30


class RunningAdminApi:
    """`url` and `token` are what a client needs. Its fields may be set by a test to have it behave otherwise."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "endpoints.yaml"
        self.file.write_text("[]\n")
        state = directory / "state"
        gate = admin_token.opened(state, None)
        self.token = admin_token.read(admin_token.token_path(state, None))
        self.url = ""
        self.seen: list[tuple[str, str]] = []
        """Method and path with query, of each call of the API."""
        self.forbidden: str | None = None
        """A verb that nobody may use."""
        self.standing = Standing()
        self.log = ["blue-1 started", "blue-1 scored"]
        self.log_to_come = ["blue-1 later"]
        self.metrics = ""
        self.accepted: list[str] | None = None
        """The credentials that the data port takes, if others than the endpoint's."""
        keys = KeyFiles(state)
        self._store = FileStore(self.file, keys)
        self._writer = FileWriter(self.file, self._store, keys)
        self._scored: Counter[str] = Counter()
        self._gate = _Forbidding(self, gate)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._listening: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, name="admin API")

    def __enter__(self) -> RunningAdminApi:
        self._thread.start()
        self.url = self._listening.result(START_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def resource(self, name: str, namespace: str = "default") -> Mapping[str, Any] | None:
        """What is kept of it; None: it is not there."""
        stored = self._stored((namespace, name))
        return None if stored is None else stored.resource

    def etag(self, name: str) -> str | None:
        stored = self._stored(("default", name))
        return None if stored is None else stored.etag

    def names(self) -> list[str]:
        return [stored.key[1] for stored in self._do(self._writer.all())]

    def keys(self, name: str) -> KeyPair:
        return self._do(self._writer.keys(("default", name)))

    def change(self, name: str, **spec: Any) -> None:
        """Somebody else changes the endpoint."""
        resource = self.resource(name)
        assert resource is not None
        self._do(self._writer.replace({**resource, "spec": {**resource["spec"], **spec}}, None))

    def delete(self, name: str) -> None:
        """Somebody else deletes the endpoint."""
        self._do(self._writer.delete(("default", name), None))

    def rotate(self, name: str) -> None:
        """Somebody else has the primary key replaced."""
        key, pair = ("default", name), self.keys(name)
        self._do(self._writer.put_keys(key, KeyPair(rotated(pair).primary, pair.secondary), pair))

    def _stored(self, key: EndpointKey) -> Stored | None:
        return self._do(self._writer.read(key))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_S)

    # -- in its own thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._serve())
            except BaseException as error:
                if self._listening.done():
                    raise
                self._listening.set_exception(error)

    async def _serve(self) -> None:
        events = EventRing()
        parts = Parts(
            self._writer, self._gate, Audit(), self.standing, TokenIssuer(self._writer), events, _Printed(self)
        )
        scoring = Route("/api/v1/service/{name}/score", self._score, methods=["POST"])
        app = build_app(_Healthy(), self._render, [scoring, *api_routes(parts, "default")])
        self.standing.endpoints = (await self._store.load()).catalogue.endpoints
        with socket.create_server(("127.0.0.1", 0)) as listening:
            server = AdminServer(_Noting(app, self.seen), [listening], grace_s=1)
            await server.start()
            host, port = server.addresses[0]
            self.standing.url = f"http://{host}:{port}"
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(self._follow(), name="configuration")
                self._listening.set_result(self.standing.url)
                await self._stop.wait()
                events.close()
                await server.stop()
                following.cancel()

    async def _follow(self) -> None:
        """As in a router: keys are made, and what a write returns from is in force."""
        async for configuration in self._store.changes():
            self.standing.endpoints = configuration.catalogue.endpoints

    async def _render(self, _accept: str) -> tuple[bytes, str]:
        return self.metrics.encode(), "text/plain"

    async def _score(self, request: Request) -> Response:
        """Echoes, for who has a credential that is good; versions take turns by their shares."""
        name = request.path_params["name"]
        endpoint = self.standing.endpoints["default", name]
        if not await self._is_good(endpoint, request.headers.get("authorization", "").removeprefix("Bearer ")):
            error = {"code": "unauthorized", "message": "the credential is missing or wrong", "requestId": "s-1"}
            return JSONResponse({"error": error}, 401)
        version = request.headers.get("azureml-model-deployment") or self._owed(endpoint)
        self._scored[version] += 1
        headers = {"azureml-model-deployment": version, "x-request-id": "s-2"}
        headers["server-timing"] = "queue;dur=0.5, upstream;dur=2"
        return Response(await request.body(), headers=headers)

    async def _is_good(self, endpoint: ScoringEndpoint, credential: str) -> bool:
        auth = endpoint.spec.auth
        if self.accepted is not None:
            return credential in self.accepted
        if auth.mode == "none":
            return True
        pair = await self._writer.keys(endpoint.key)
        if auth.mode == "key":
            return credential in (pair.primary, pair.secondary)
        own = OwnTokens(pair.primary, pair.secondary, endpoint.key)
        return isinstance(own.verify(credential.encode(), datetime.now(UTC).timestamp()), float)

    def _owed(self, endpoint: ScoringEndpoint) -> str:
        total = sum(self._scored.values()) + 1
        return max(shares(endpoint).items(), key=lambda share: share[1] * total / 100 - self._scored[share[0]])[0]


def shares(endpoint: ScoringEndpoint) -> dict[str, float]:
    """Percent of each version: the default one has what none claims."""
    versions = endpoint.spec.versions
    found = {each.name: float(each.traffic_percentile) for each in versions}
    found[default_version(versions).name] += 100 - sum(found.values())
    return found


class Standing:
    """How versions stand: one replica each, as ready as the test says."""

    def __init__(self) -> None:
        self.endpoints: Mapping[EndpointKey, ScoringEndpoint] = {}
        """In force."""
        self.url = ""
        self.ready = 1
        self.becoming_ready: list[int] = []
        """Ready replicas that the next looks find; then they stay."""
        self.problems: Sequence[str] = ()
        """Why the newest configuration is not in force."""
        self.is_empty = False
        """No version is served yet."""

    def status(self, key: EndpointKey) -> Mapping[str, Any] | None:
        endpoint = self.endpoints.get(key)
        if endpoint is None:
            return None
        if self.becoming_ready:
            self.ready = self.becoming_ready.pop(0)
        namespace, name = key
        default, found = default_version(endpoint.spec.versions).name, shares(endpoint)
        return {
            "name": name,
            "namespace": namespace,
            "scoringUri": f"{self.url}/api/v1/service/{name}/score",
            "hosts": list(endpoint.spec.hosts),
            "authMode": endpoint.spec.auth.mode,
            "configured": not self.problems,
            "problems": list(self.problems),
            "versions": []
            if self.is_empty
            else [
                {
                    "name": each.name,
                    "isDefault": each.name == default,
                    "type": each.type,
                    "trafficShare": found[each.name],
                    "state": "ready" if self.ready else "starting",
                    "replicas": {"current": 1, "ready": self.ready, "busy": 0},
                    "desiredReplicas": 1,
                    "inFlight": 0,
                    "queued": 0,
                    "utilization": 0.0,
                    "lastDecision": None,
                }
                for each in endpoint.spec.versions
            ],
        }


class _Forbidding:
    """The router's own gate, but for the verb that the test forbids."""

    def __init__(self, api: RunningAdminApi, gate: Gate) -> None:
        self._api, self._gate = api, gate

    async def identify(self, bearer: str | None) -> Caller:
        return await self._gate.identify(bearer)

    async def admit(self, caller: Caller, access: Access) -> None:
        if access.verb == self._api.forbidden:
            words = f"alice may not {access.verb} scoringendpoints in {access.namespace}"
            raise NotAllowed(f"{words}: the verb {access.verb} is missing")
        await self._gate.admit(caller, access)


class _Healthy:
    """Nothing is wrong."""

    phase = Phase.SERVING
    configured = True

    def cluster(self) -> None:
        return None

    def problems(self) -> Sequence[str]:
        return ()


class _Printed:
    """What every version has printed, and prints to whoever follows."""

    def __init__(self, api: RunningAdminApi) -> None:
        self._api = api

    def lines(self, key: EndpointKey, _version: str, tail: int, follow: bool) -> AsyncGenerator[str, None]:
        if key not in self._api.standing.endpoints:
            raise EndpointUnknown(f"there is no endpoint {key[1]} in namespace {key[0]}")
        return self._lines([*self._api.log[-tail:], *(self._api.log_to_come if follow else ())])

    async def _lines(self, lines: Sequence[str]) -> AsyncGenerator[str, None]:
        for line in lines:
            yield line


class _Noting:
    """Notes the calls of the API on their way to the application."""

    def __init__(self, app: ASGIApp, seen: list[tuple[str, str]]) -> None:
        self._app, self._seen = app, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/api/v1/service/"):
            query = scope["query_string"].decode()
            self._seen.append((scope["method"], scope["raw_path"].decode() + (f"?{query}" if query else "")))
        await self._app(scope, receive, send)
