"""The way in: `Maitre` and `AsyncMaitre`, one source for both."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, Unpack

from router.client.admin_api import AdminApi, Name, Shown
from router.client.driving import Awaiting, Blocking, operation
from router.client.endpoint import AsyncEndpoint, Endpoint
from router.client.settings import NewEndpoint, divided, new_spec, new_version
from router.client.steps import Steps
from router.client.transport import AwaitingTransport, BlockingTransport, sleep_awaiting

DEFAULT_URL: Final = "http://127.0.0.1:8081"
URL_VARIABLE: Final = "MAITRE_ADMIN_URL"
TOKEN_VARIABLE: Final = "MAITRE_ADMIN_TOKEN"  # noqa: S105  its name

E = TypeVar("E")


class MaitreCore(Generic[E]):
    """What both kinds of client can do; E is their kind of endpoint. All of it may raise ClientError."""

    _api: AdminApi

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._api.url!r})"

    @property
    def url(self) -> str:
        return self._api.url

    @operation
    def create(
        self,
        name: str,
        *,
        version_name: str | None = None,
        namespace: str | None = None,
        **settings: Unpack[NewEndpoint],
    ) -> Steps[E]:
        """A new endpoint with its first version, which is the default; without a name that is called like the endpoint.
        Raises Exists, Invalid."""
        endpoint, version = divided(settings)
        spec = new_spec(endpoint, new_version(version_name or name, version))
        return self._made((yield from self._api.create(resource(name, namespace, spec))))

    @operation
    def create_from(self, resource: Mapping[str, Any]) -> Steps[E]:
        """A new endpoint that looks like this, as a file has it. Raises Exists, Invalid."""
        return self._made((yield from self._api.create(resource)))

    @operation
    def apply(self, resource: Mapping[str, Any]) -> Steps[E]:
        """Has the endpoint of this name look like this, be it there or not: the last one wins. Raises Invalid."""
        metadata = resource["metadata"]
        which = Name(metadata["name"], metadata.get("namespace"))
        return self._made((yield from self._api.put(which, resource, None)))

    @operation
    def endpoint(self, name: str, namespace: str | None = None) -> Steps[E]:
        """Raises NotFound."""
        return self._made((yield from self._api.show(Name(name, namespace))))

    @operation
    def list(self, namespace: str | None = None) -> Steps[list[E]]:
        """All that the caller may see, of one namespace or of all."""
        found: list[E] = []
        after: str | None = None
        while True:
            items, after = yield from self._api.page(namespace, after)
            found += map(self._made, items)
            if after is None:
                return found

    @operation
    def metrics(self) -> Steps[str]:
        """The router's page of metrics, in the text format of Prometheus."""
        return (yield from self._api.metrics())

    def _made(self, shown: Shown) -> E:
        raise NotImplementedError


class Maitre(MaitreCore[Endpoint], Blocking[BlockingTransport]):
    """The admin API at `url` (else MAITRE_ADMIN_URL, else http://127.0.0.1:8081), with this admin token (else
    MAITRE_ADMIN_TOKEN). Its operations return when they are done; `close` it, or use it in a `with`.

    `ca_file`: PEM file of the authorities to trust; else the system's. `timeout_s`: of each call. `clock` and `sleep`:
    seconds, monotonic; for tests.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        ca_file: str | None = None,
        timeout_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = _admin_api(url, token, timeout_s)
        self._clock = clock
        self._io = BlockingTransport(ca_file, clock, sleep)

    def _made(self, shown: Shown) -> Endpoint:
        return Endpoint(self._api, shown, self._clock, self._io)

    def close(self) -> None:
        self._io.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncMaitre(MaitreCore[AsyncEndpoint], Awaiting[AwaitingTransport]):
    """The same, for an event loop: its operations are awaited; `aclose` it, or use it in an `async with`."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        ca_file: str | None = None,
        timeout_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = sleep_awaiting,
    ) -> None:
        self._api = _admin_api(url, token, timeout_s)
        self._clock = clock
        self._io = AwaitingTransport(ca_file, clock, sleep)

    def _made(self, shown: Shown) -> AsyncEndpoint:
        return AsyncEndpoint(self._api, shown, self._clock, self._io)

    async def aclose(self) -> None:
        await self._io.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def resource(name: str, namespace: str | None, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A ScoringEndpoint; without a namespace the router takes its default one."""
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {"apiVersion": "maitre.dev/v1alpha1", "kind": "ScoringEndpoint", "metadata": metadata, "spec": dict(spec)}


def _admin_api(url: str | None, token: str | None, timeout_s: float) -> AdminApi:
    return AdminApi(
        url or os.environ.get(URL_VARIABLE) or DEFAULT_URL,
        token or os.environ.get(TOKEN_VARIABLE) or None,
        timeout_s,
    )
