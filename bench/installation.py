"""A cluster with maitre installed: a real API server, and routers with the account and the rights that deploy/ gives.

The API server is that of `tests/kube`, found by KUBEBUILDER_ASSETS. Endpoints live in one namespace, the router's
account and Lease in another, as with `deploy/namespaced`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from bench.proof import Unfit
from tests.e2e.conftest import Maitre, until_ready
from tests.kube.audit import Asked
from tests.kube.control_plane import ControlPlane
from tests.kube.daemon import TETHER
from tests.kube.resources import Resource

NAMESPACE: Final = "default"
"""Of the endpoints; the one that `deploy/namespaced` serves."""
SYSTEM: Final = "maitre-system"
ACCOUNT: Final = f"system:serviceaccount:{SYSTEM}:maitre"
DEPLOY: Final = Path(__file__).parents[1] / "deploy"
START_BOUND_S: Final = 120.0
CALL_S: Final = 60.0
"""A server that is given thousands of objects may take its time."""


Object = dict[str, Any]


class Installation:
    """Made by `installed`. What it asks of the API server, it asks as an administrator."""

    def __init__(self, plane: ControlPlane, http: httpx.AsyncClient) -> None:
        self.plane = plane
        self._http = http

    @asynccontextmanager
    async def router(self) -> AsyncIterator[Maitre]:
        """Started, and ready; ended with the block."""
        kubeconfig = await self.plane.kubeconfig("maitre", SYSTEM)
        command = [sys.executable, "-m", "router", "serve", "--kubernetes", "--namespace", NAMESPACE]
        command += ["--default-namespace", NAMESPACE, "--port", "0", "--admin-port", "0"]
        process = await asyncio.create_subprocess_exec(
            *TETHER,
            *command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "KUBECONFIG": str(kubeconfig), "POD_NAME": "maitre-0", "POD_NAMESPACE": SYSTEM},
        )
        maitre = await until_ready(process, kubeconfig, START_BOUND_S)
        try:
            yield maitre
        finally:
            await maitre.close()

    async def get(self, path: str) -> Object:
        return _content(await self._http.get(path))

    async def create(self, path: str, body: Object) -> Object:
        return _content(await self._http.post(path, json=body))

    async def patch(self, path: str, body: Object) -> Object:
        """As a JSON merge patch."""
        headers = {"content-type": "application/merge-patch+json"}
        return _content(await self._http.patch(path, json=body, headers=headers))

    async def key(self, endpoint: str) -> str:
        """One of the two that the router has made."""
        async with self.plane.client() as client:
            keys = await Resource(client, NAMESPACE, endpoint).keys()
        return keys["primaryKey"]

    def asked(self, start: int = 0, **wanted: object) -> list[Asked]:
        """Requests of routers to the API server, from number `start` of all requests on."""
        return self.plane.audit.events(start, user=ACCOUNT, **wanted)


@asynccontextmanager
async def installed() -> AsyncIterator[Installation]:
    """Raises Unfit where no API server is installed."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        raise Unfit(
            "KUBEBUILDER_ASSETS is not set (a folder with etcd and kube-apiserver; .ci/control-plane makes one)"
        )
    async with ControlPlane(Path(assets)) as plane, plane.http() as http:
        http.timeout = httpx.Timeout(CALL_S)
        await _install(plane)
        yield Installation(plane, http)


def _content(answer: httpx.Response) -> Object:
    if answer.is_error:
        raise Unfit(f"the API server refuses {answer.request.method} {answer.request.url.path}: {answer.text}")
    found: Object = answer.json()
    return found


async def _install(plane: ControlPlane) -> None:
    base = [DEPLOY / "base" / f"{name}.yaml" for name in ("namespace", "crd", "service-account", "leader-role")]
    await plane.kubectl("apply", "--validate=false", *(f"--filename={path}" for path in base))
    role = DEPLOY / "namespaced" / "grant" / "role.yaml"
    await plane.kubectl("apply", f"--namespace={NAMESPACE}", f"--filename={role}")
    await plane.kubectl("wait", "--for=condition=Established", "crd/scoringendpoints.maitre.dev")
