"""Calls to an API server that tests stop, pause and start: made again until it has answered, as controllers do."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.resources.core_v1 import Pod, PodStatus
from lightkube.types import PatchType

PAUSE_S = 0.05


async def insist(call: Callable[[], Awaitable[object]]) -> bool:
    """Whether it was done; False: the object is gone, or somebody else has done so."""
    while True:
        try:
            await _to_its_end(call)
            return True
        except ApiError as error:
            if error.status.code in (404, 409):
                return False
            if error.status.code != 429 and error.status.code < 500:
                raise
        except httpx2.TransportError:
            pass
        await asyncio.sleep(PAUSE_S)


async def _to_its_end(call: Callable[[], Awaitable[object]]) -> None:
    """Also when cancelled: a call cut short within its TLS handshake leaves the socket open, as httpcore closes it on
    errors alone."""

    async def made() -> None:
        await call()

    calling = asyncio.get_running_loop().create_task(made())
    try:
        await asyncio.shield(calling)
    except asyncio.CancelledError:
        await asyncio.gather(calling, return_exceptions=True)
        raise


async def patch_status(client: AsyncClient, pod: Pod, patch: dict[str, object]) -> None:
    name, namespace = pod.metadata.name, pod.metadata.namespace
    await insist(lambda: client.patch(PodStatus, name, patch, namespace=namespace, patch_type=PatchType.MERGE))
