"""The data plane on real sockets: uvloop as in production, a house per test, and its end asserted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from ipaddress import IPv4Network

import pytest
import uvloop

from router.core.limits import ClientLimits
from router.proxy.copies import CopyLimits
from tests.proxy.house import House

OpenHouse = Callable[..., Awaitable[House]]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def open_house() -> AsyncIterator[OpenHouse]:
    """Opens a house with other limits than the usual ones, or with trusted proxies."""
    houses: list[House] = []

    async def open_one(
        limits: ClientLimits | None = None,
        trusted: tuple[IPv4Network, ...] = (),
        copy_limits: CopyLimits | None = None,
    ) -> House:
        houses.append(await House.open(limits, trusted, copy_limits))
        return houses[-1]

    yield open_one
    for house in houses:
        await house.close()


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    return await open_house()
