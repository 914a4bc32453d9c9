"""The admin server on real sockets, port 0, in the test's own loop."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.types import ASGIApp

from router.admin.health import Phase
from router.admin.server import AdminServer

Serve = Callable[[ASGIApp], Awaitable[httpx.AsyncClient]]


@dataclass
class Health:
    """A `HealthPort` that says what it is told to."""

    phase: Phase = Phase.SERVING
    configured: bool = True
    found: Sequence[str] = field(default_factory=list)

    def cluster(self) -> None:
        return None

    def problems(self) -> Sequence[str]:
        return self.found


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server for the application and give a client that talks to it."""
    async with AsyncExitStack() as stack:

        async def start(app: ASGIApp) -> httpx.AsyncClient:
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))
            server = AdminServer(app, [sock], grace_s=1)
            await server.start()
            stack.push_async_callback(server.stop)
            ((host, port),) = server.addresses
            client = httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False)
            return await stack.enter_async_context(client)

        yield start
