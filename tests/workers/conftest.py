"""Supervisors of stub workers that are gone in the end, under both loops."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from router.core.backoff import Backoff
from router.workers.supervisor import Supervisor
from tests.workers.crew import Owner, Pauses, Port, runs, starter


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Descriptors and processes are where the two differ most."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def owner() -> Owner:
    return Owner()


@pytest.fixture
async def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def port() -> Port:
    return Port()


@pytest.fixture
async def supervise(owner, pauses, port) -> AsyncIterator[Callable[..., Supervisor]]:
    made: list[Supervisor] = []

    def supervise(*flags: str, drain_s: float = 15.0, **more) -> Supervisor:
        settings = {"backoff": Backoff(first_s=0.2, most_s=1.0), "sleep": pauses, "draw": lambda: 0.0} | more
        supervisor = Supervisor(starter(*flags), owner, bind=port.bind, drain_s=drain_s, **settings)
        made.append(supervisor)
        return supervisor

    yield supervise
    pauses.go.set()
    for supervisor in made:
        await supervisor.stop(0.0)
        assert supervisor.workers == []
    assert owner.alive == {}
    assert not any(runs(pid) for _, pid in owner.all("joined"))
