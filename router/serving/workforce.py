"""The workers of this maitre: one in the control process itself, or several processes. Made by the composition root."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Protocol

from router.proxy.listener import bind
from router.serving.crew import Crew
from router.serving.local_link import LocalLink
from router.serving.worker import Worker
from router.settings import Settings
from router.store.certificates import Certificates, Kept
from router.store.contexts import Served


class Workforce(Protocol):
    @property
    def port(self) -> int:
        """Of the data port."""

    async def start(self) -> None:
        """Returns when connections are accepted."""

    async def drain(self, seconds: float, hurry: asyncio.Event) -> None:
        """No further connection; running requests end, for `seconds` at most or until `hurry`."""


class Solo:
    """The one worker is here."""

    def __init__(
        self,
        settings: Settings,
        default_namespace: str,
        now: Callable[[], float],
        crew: Crew,
        certificates: Certificates,
        served: Kept[Served] | None,
        last: AsyncExitStack,
    ) -> None:
        bound = bind(settings.host, settings.port)
        last.callback(bound.close)
        link = LocalLink(crew)
        self._worker = Worker(settings, default_namespace, now, bound, certificates, served, link.say, last)
        link.join(self._worker.side)

    @property
    def port(self) -> int:
        return self._worker.port

    async def start(self) -> None:
        await self._worker.start()

    async def drain(self, seconds: float, hurry: asyncio.Event) -> None:
        await self._worker.stop()
        await self._worker.drain(seconds, hurry)


def workforce_of(
    settings: Settings,
    default_namespace: str,
    now: Callable[[], float],
    crew: Crew,
    certificates: Certificates,
    served: Kept[Served] | None,
    last: AsyncExitStack,
) -> Workforce:
    return Solo(settings, default_namespace, now, crew, certificates, served, last)
