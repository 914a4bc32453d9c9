"""Real sockets are those of the router's own event loop: its transports are no subclasses of asyncio's."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    over_sockets = item.path.name == "test_network.py"
    return {"uvloop": uvloop.new_event_loop} if over_sockets else {"asyncio": asyncio.new_event_loop}
