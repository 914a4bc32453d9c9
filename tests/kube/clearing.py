"""Empties a namespace after a test: the controller that would do so is not there, and routers see all namespaces."""

import asyncio
from collections.abc import AsyncIterator

import httpx


async def clear(api: httpx.AsyncClient, namespace: str) -> None:
    """Deletes every object of every kind in it, without grace."""
    paths = [f"{group}/namespaces/{namespace}/{plural}" async for group, plural in _kinds(api)]
    answers = await asyncio.gather(*[api.request("DELETE", path, json={"gracePeriodSeconds": 0}) for path in paths])
    for answer in answers:
        answer.raise_for_status()


async def _kinds(api: httpx.AsyncClient) -> AsyncIterator[tuple[str, str]]:
    """Path of the group, plural."""
    groups = (await api.get("/apis")).raise_for_status().json()["groups"]
    paths = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
    for path, answer in zip(paths, await asyncio.gather(*[api.get(path) for path in paths]), strict=True):
        for resource in answer.raise_for_status().json()["resources"]:
            if resource["namespaced"] and "deletecollection" in resource["verbs"]:
                yield path, resource["name"]
