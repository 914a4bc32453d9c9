"""How a kubelet finds out how a container is: by HTTP, at the address of its pod."""

import asyncio
import contextlib

from lightkube.models.core_v1 import Container, Probe

from tests.kube.container import port_number


async def answers(ip: str, container: Container, probe: Probe) -> bool:
    get = probe.httpGet
    try:
        async with asyncio.timeout(float(probe.timeoutSeconds or 1)):
            reader, writer = await asyncio.open_connection(ip, port_number(container, get.port))
            with contextlib.closing(writer):
                writer.write(f"GET {get.path or '/'} HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n".encode())
                return (await reader.readline()).split(b" ", 2)[1:2] in ([b"200"], [b"204"])
    except (OSError, TimeoutError):
        return False


async def unwell(ip: str, container: Container) -> None:
    """Returns when the container is to be killed, since by its probes it has not started, or does not live."""
    if not await _started(ip, container):
        return
    probe, failed = container.livenessProbe, 0
    if probe is None:
        await asyncio.Event().wait()
    while failed < (probe.failureThreshold or 3):
        await asyncio.sleep(float(probe.periodSeconds or 10))
        failed = 0 if await answers(ip, container, probe) else failed + 1


async def _started(ip: str, container: Container) -> bool:
    probe = container.startupProbe
    for _ in range(probe.failureThreshold or 3 if probe is not None else 0):
        if await answers(ip, container, probe):
            return True
        await asyncio.sleep(float(probe.periodSeconds or 10))
    return probe is None
