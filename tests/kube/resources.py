"""ScoringEndpoint resources for tests, and what became of them."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

from lightkube import ApiError, AsyncClient
from lightkube.resources.core_v1 import Event, Secret

from router.kube.resources import ScoringEndpoints
from tests.fakes.changes import BOUND_S
from tests.kube.manifests import PORT


def version(name: str, *, kind: str = "Deployment", api_version: str = "apps/v1", **settings: Any) -> dict[str, Any]:
    """A version on the workload of the same name; settings as in the file."""
    deployment = {"name": name, "port": PORT, "kind": kind, "apiVersion": api_version}
    return {"name": name, "target": {"deployment": deployment}, **settings}


def endpoint(*versions: dict[str, Any], name: str = "digits", mode: str = "key", **spec: Any) -> ScoringEndpoints:
    return ScoringEndpoints(metadata={"name": name}, spec={"auth": {"mode": mode}, "versions": list(versions), **spec})


class Resource:
    """One ScoringEndpoint in the API server."""

    def __init__(self, client: AsyncClient, namespace: str, name: str = "digits") -> None:
        self._client = client
        self._namespace = namespace
        self._name = name

    async def get(self) -> dict[str, Any]:
        return await self._client.get(ScoringEndpoints, self._name, namespace=self._namespace)

    async def condition(self, type: str) -> dict[str, Any]:
        """Empty while there is none."""
        conditions = ((await self.get()).get("status") or {}).get("conditions", [])
        return next((each for each in conditions if each["type"] == type), {})

    async def until(self, type: str, status: str, reason: str | None = None, about: str = "") -> dict[str, Any]:
        """The condition, as soon as it is so; `about` is a part of the message."""
        async with asyncio.timeout(BOUND_S):
            while True:
                condition = await self.condition(type)
                so = condition.get("status") == status and reason in (None, condition["reason"])
                if so and about in condition["message"]:
                    return condition
                await asyncio.sleep(0.05)

    async def events(self) -> list[Event]:
        """In the order in which they were told."""
        found = [each async for each in self._client.list(Event, namespace=self._namespace)]
        own = [each for each in found if each.involvedObject.name == self._name]
        return sorted(own, key=lambda event: int(event.metadata.resourceVersion))

    async def until_event(self, reason: str, true: Callable[[Event], bool] = lambda event: True) -> Event:
        async with asyncio.timeout(BOUND_S):
            while True:
                for event in await self.events():
                    if event.reason == reason and true(event):
                        return event
                await asyncio.sleep(0.05)

    async def keys(self, secret: str | None = None) -> dict[str, str]:
        """The entries of its Secret, once there is one."""
        async with asyncio.timeout(BOUND_S):
            while True:
                try:
                    found = await self._client.get(Secret, secret or f"{self._name}-keys", namespace=self._namespace)
                except ApiError as error:
                    if error.status.code != 404:
                        raise
                    await asyncio.sleep(0.05)
                else:
                    return {name: base64.b64decode(value).decode() for name, value in found.data.items()}
