"""How a sink is kept equal to what the API server has of a kind, with a word to it when that cannot be.

Made by `workloads`, used by `followed_kind` and `hpas`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2

from router.kube.reflector import Reflector, Sink, Witness


class Follower(Sink[Any], Protocol):
    """A sink that wants to know when it is told nothing."""

    def cut_off(self, reason: str) -> None:
        """What the API server has cannot be learnt; called at each attempt."""


@dataclass(frozen=True, slots=True)
class Following:
    """What following takes. `draw` gives numbers in [0, 1)."""

    http: httpx2.AsyncClient
    contact: Witness
    draw: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def follow(self, resource: type[Any], follower: Follower, scope: str | None) -> None:
        """Until cancelled. `scope` is a namespace; None: all."""
        contact = _Overheard(self.contact, follower)
        reflector = Reflector(
            self.http, resource, follower, contact=contact, namespace=scope, draw=self.draw, sleep=self.sleep
        )
        await reflector.run()

    async def pause(self, seconds: float) -> None:
        """For half of that at least, so that what failed together is not tried again together."""
        await self.sleep(seconds * (1 + self.draw()) / 2)


class _Overheard:
    """Passes on what a reflector tells of its contact, and tells the follower too."""

    def __init__(self, contact: Witness, follower: Follower) -> None:
        self._contact = contact
        self._follower = follower

    def made(self, subject: str) -> None:
        self._contact.made(subject)

    def lost(self, subject: str, reason: str) -> None:
        self._contact.lost(subject, reason)
        self._follower.cut_off(reason)

    def ended(self, subject: str) -> None:
        self._contact.ended(subject)
