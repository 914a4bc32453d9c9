"""Both kinds of client through the same tests: the asynchronous one is driven so that it looks like the other."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from router.client import AsyncEndpoint, AsyncMaitre, Maitre
from tests.fakes.running_admin_api import RunningAdminApi

Connect = Callable[..., Any]


class Driven:
    """An asynchronous object whose coroutines are run when they are called."""

    def __init__(self, inner: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            result = found(*args, **kwargs)
            if inspect.isasyncgen(result):
                return self._iterate(result)
            return self._look_at(self._loop.run_until_complete(result) if inspect.iscoroutine(result) else result)

        return call

    def _look_at(self, result: Any) -> Any:
        if isinstance(result, list):
            return [self._look_at(each) for each in result]
        return Driven(result, self._loop) if isinstance(result, AsyncEndpoint) else result

    def _iterate(self, lines: Any) -> Iterator[Any]:
        while True:
            try:
                yield self._loop.run_until_complete(anext(lines))
            except StopAsyncIteration:
                return


@pytest.fixture
def api(tmp_path: Path) -> Iterator[RunningAdminApi]:
    with RunningAdminApi(tmp_path) as api:
        yield api


@pytest.fixture(params=["blocking", "awaiting"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client of either kind. `sleep` takes seconds and returns at once, whatever the kind."""
    if request.param == "blocking":
        clients: list[Maitre] = []

        def make(url: str | None = None, token: str | None = None, **options: Any) -> Any:
            clients.append(Maitre(url, token, **options))
            return clients[-1]

        yield make
        for client in clients:
            client.close()
        return
    with asyncio.Runner() as runner:
        awaiting: list[AsyncMaitre] = []

        def make_awaiting(url: str | None = None, token: str | None = None, **options: Any) -> Any:
            if "sleep" in options:
                sleep = options["sleep"]

                async def slept(seconds: float) -> None:
                    sleep(seconds)

                options["sleep"] = slept
            awaiting.append(AsyncMaitre(url, token, **options))
            return Driven(awaiting[-1], runner.get_loop())

        yield make_awaiting
        for each in awaiting:
            runner.run(each.aclose())


@pytest.fixture
def maitre(api: RunningAdminApi, connect: Connect) -> Any:
    return connect(api.url, api.token)
