"""A router that starts with the API server away: it lives, says why it is not ready, and serves once it is back."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from time import monotonic

import httpx
import pytest

from tests.e2e.client import Connection
from tests.e2e.conftest import BOUND_S, READY
from tests.e2e.replicas import kept_port
from tests.kube.conftest import account, launch
from tests.kube.resources import endpoint, version
from tests.kube.rights import rights

END_S = 5.0
"""From SIGTERM to the end of a router that has nothing to finish. Where a core is free it takes half a second, and a
second more while a call hangs. A call that is waited for to its end takes 10 s, a drain 30."""


class Starting:
    """A router that has not said that it is ready, on an admin port that was picked for it."""

    def __init__(self, process: asyncio.subprocess.Process, admin_port: int) -> None:
        self.process = process
        self._url = f"http://127.0.0.1:{admin_port}"

    async def admin(self, path: str) -> httpx.Response:
        """Asked until somebody answers."""
        async with asyncio.timeout(BOUND_S), httpx.AsyncClient(trust_env=False) as client:
            while True:
                with suppress(httpx.TransportError):
                    return await client.get(f"{self._url}{path}")
                await asyncio.sleep(0.02)

    async def reason(self, word: str) -> str:
        """What /readyz says of the API server, as soon as it says something with that word."""
        async with asyncio.timeout(BOUND_S):
            while True:
                answer = await self.admin("/readyz")
                detail = answer.json()
                assert (answer.status_code, detail["status"], detail["configuration"]) == (503, "starting", "none")
                for problem in detail["kubernetes"]["problems"]:
                    if word in problem:
                        return problem
                await asyncio.sleep(0.02)

    async def ready(self) -> int:
        """The data port, once it has said so."""
        async with asyncio.timeout(BOUND_S):
            said = READY.fullmatch((await self.process.stdout.readline()).decode().strip())
        return int(said[2])

    async def end(self) -> float:
        """By SIGTERM, without a fault; how long it took."""
        self.process.send_signal(signal.SIGTERM)
        begun = monotonic()
        async with asyncio.timeout(BOUND_S):
            _, log = await self.process.communicate()
        assert self.process.returncode == 0, log.decode()
        assert "Traceback" not in log.decode()
        return monotonic() - begun


@pytest.fixture
async def starting(own_control_plane, definition, admin, namespace, workload, kubelet, tmp_path) -> AsyncIterator:
    """Started while the API server was stopped, or hung, by the caller."""
    await workload("blue")
    still = version("blue", autoscale={"enabled": False})
    await admin.create(endpoint(still, mode="none"), namespace=namespace)
    await kubelet.ready(1)
    kubeconfig = await account(own_control_plane, admin, namespace, rights())
    begun = []

    async def start() -> Starting:
        with kept_port() as kept:
            port = kept.getsockname()[1]
            options = ("--admin-port", str(port), "--default-namespace", namespace)
            process = await launch(kubeconfig, namespace, tmp_path / "state", *options, POD_NAMESPACE=namespace)
            begun.append(process)
            router = Starting(process, port)
            assert (await router.admin("/healthz")).status_code == 200
        return router

    yield start
    for process in begun:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.timeout(150)
async def test_it_ends_when_it_is_told_to_and_else_serves_as_soon_as_the_api_server_is_back(
    own_control_plane, starting
):
    await own_control_plane.stop_api_server()
    stopped, router = await starting(), await starting()
    for each in stopped, router:
        assert "All connection attempts failed" in await each.reason("scoringendpoints")
        await each.reason("leases")
    took = await stopped.end()
    print(f"ended {took:.2f} s after SIGTERM, before it ever served")
    assert took < END_S
    await own_control_plane.start_api_server()
    back = monotonic()
    connection = Connection(await router.ready())
    print(f"ready {monotonic() - back:.2f} s after the API server")
    assert (await connection.post("digits")).status == 200
    await connection.close()
    assert (await router.admin("/readyz")).status_code == 200
    await router.end()


@pytest.mark.long
@pytest.mark.timeout(150)
async def test_it_ends_also_while_the_api_server_hangs(own_control_plane, starting):
    own_control_plane.api_server.pause()
    router = await starting()
    await router.reason("leases")
    took = await router.end()
    own_control_plane.api_server.resume()  # to be cleared of the namespace
    print(f"ended {took:.2f} s after SIGTERM")
    assert took < END_S
