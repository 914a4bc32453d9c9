"""One worker, put together: data plane, data port, and its half of the conversation with the control process.

In a process of its own (`router.worker`), or in the control process itself (`router.main`), from the same parts.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from router.core.limits import ClientLimits
from router.core.routes import RouteTable
from router.descriptors import connections_possible
from router.proxy.exchange import Exchange
from router.proxy.identifiers import RequestIds
from router.proxy.listener import Listener
from router.proxy.plane import DataPlane
from router.proxy.tls_listener import TlsListener
from router.serving.access import access_recorder
from router.serving.data_side import DataSide
from router.settings import Settings
from router.store.certificates import Certificates, Kept
from router.store.contexts import Served
from router.telemetry.access_log import AccessLog
from router.telemetry.log_file import LogFile
from router.telemetry.source import Clients
from router.telemetry.turns import Turns

log = logging.getLogger("maitre")

LAST_CALL_S: Final = 1.0
"""For so long after SIGTERM a connection between requests may begin one more: it may be on its way already."""


class Worker:
    """`served` is what clients are shown, None: in the clear. `say` takes its words to the control process; what `last`
    holds is closed by whoever made it."""

    def __init__(
        self,
        settings: Settings,
        default_namespace: str,
        now: Callable[[], float],
        bound: socket.socket,
        certificates: Certificates,
        served: Kept[Served] | None,
        say: Callable[[object], None],
        last: AsyncExitStack,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.side = DataSide(
            loop,
            now,
            certificates,
            say=say,
            publish=self._publish,
            clients=self._clients,
            default_namespace=default_namespace,
        )
        last.callback(self.side.close)
        self.plane = DataPlane(
            loop,
            _limits(settings),
            now=now,
            unix_now=_unix_now,
            draw=random.random,
            ids=RequestIds(random.getrandbits),
            unrouted=self.side.front.unrouted,
            access_log=_access_log(settings, loop, last),
            trusted_proxies=settings.trusted_proxies,
        )
        self.turns = Turns(loop, now)
        last.callback(self.turns.close)
        self._listener = _listener(self.plane, bound, served)

    @property
    def port(self) -> int:
        return self._listener.port

    async def start(self) -> None:
        """Returns when connections are accepted."""
        await self._listener.start()
        self.turns.start()

    async def stop(self) -> None:
        """No further connection."""
        await self._listener.stop()

    async def drain(self, seconds: float, hurry: asyncio.Event) -> None:
        """Lets running requests finish, for `seconds` at most or until `hurry`; then cuts what is left."""
        plane = self.plane
        plane.drain(min(LAST_CALL_S, seconds / 2))
        ends = [asyncio.create_task(wait, name="drain") for wait in (plane.emptied(), hurry.wait())]  # noqa: TID251
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        if plane.connections:
            log.warning("requests cut", extra={"fields": {"connections": len(plane.connections)}})
        plane.abort()

    def _publish(self, table: RouteTable) -> None:
        self.plane.publish(table)

    def _clients(self) -> Clients:
        plane = self.plane
        return Clients(len(plane.connections), plane.connections_refused, plane.connections_displaced)


def served_by(settings: Settings, certificates: Certificates) -> Kept[Served] | None:
    """What clients are shown; None: in the clear. Raises CertificateRefused."""
    tls = settings.tls
    if tls is None:
        return None
    return certificates.serve(tls.certificate, tls.key, tls.client_ca, client_required=tls.client_required)


def settle_memory() -> None:
    """What was made until now lasts: the garbage collector need not look at it again, which with 10,000 endpoints would
    hold up requests for a tenth of a second each time."""
    gc.collect()
    gc.freeze()


def _unix_now() -> float:
    return datetime.now(UTC).timestamp()


def _limits(settings: Settings) -> ClientLimits:
    """The limits as they are told, with no more connections than there are file descriptors for."""
    limits = settings.limits
    possible = connections_possible(limits.connections)
    if possible < limits.connections:
        fields = {"max_connections": limits.connections, "possible": possible}
        log.warning("fewer connections than asked for: raise the limit of open files", extra={"fields": fields})
    return replace(limits, connections=possible)


def _access_log(
    settings: Settings, loop: asyncio.AbstractEventLoop, last: AsyncExitStack
) -> Callable[[Exchange, float], None] | None:
    if settings.access_log is None:
        return None
    file = LogFile(settings.access_log, loop)
    last.push_async_callback(file.close)
    loop.add_signal_handler(signal.SIGHUP, file.reopen)
    return access_recorder(AccessLog(file))


def _listener(plane: DataPlane, bound: socket.socket, served: Kept[Served] | None) -> Listener | TlsListener:
    return Listener(plane, bound) if served is None else TlsListener(plane, bound, lambda: served.get().data)
