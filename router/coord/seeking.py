"""Where the coordinator is, and the way to it: brings the member links to whoever leads, one after the other.

The address is that in the Lease, which this router reads anyway. While this router leads, its member talks to its own
coordinator within the process. A connection that fails is tried again after a short, growing pause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from router.coord.coordinator import Coordinator, Office
from router.coord.frames import Message
from router.coord.handshake import CHALLENGE_BYTES, Handshake, Key
from router.coord.link import HANDSHAKE_S, Link, LinkOwner, NetworkLink, connect
from router.coord.member import Member

LOOK_S: Final = 0.25
"""How often it looks whether another one leads: as soon as the Lease shows it, the old connection is given up."""

PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
"""Between attempts: doubled each time, and half of it by chance."""

log = logging.getLogger("maitre.coordination")


class _Attempt:
    """One link, from its making to its end. Passes on to the member what comes over it."""

    def __init__(self, member: Member) -> None:
        self.link: Link | None = None
        self.was_open = False
        self.reason = ""
        self.ended = asyncio.Event()
        self._member = member

    def opened(self, link: Link) -> None:
        self.was_open = True
        self._member.opened(link)

    def received(self, link: Link, message: Message) -> None:
        self._member.received(link, message)

    def closed(self, link: Link, reason: str) -> None:
        self.reason = reason
        self.ended.set()
        self._member.closed(link, reason)


class Seeking:
    """`random_bytes(n)` must be unpredictable; `draw` gives numbers in [0, 1)."""

    def __init__(
        self,
        member: Member,
        coordinator: Coordinator,
        office: Office,
        key: Key,
        *,
        random_bytes: Callable[[int], bytes],
        draw: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._member = member
        self._coordinator = coordinator
        self._office = office
        self._key = key
        self._random_bytes = random_bytes
        self._draw = draw
        self._loop = loop
        self._sleep = sleep
        self._told = ""

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            where = self._where()
            attempt = await self._connected(where) if where else None
            try:
                if attempt is not None:
                    await self._stay(attempt, where)
            finally:
                if attempt is not None and attempt.link is not None:
                    attempt.link.close("another router leads")
            failures = 0 if attempt is None or attempt.was_open else failures + 1
            await self._sleep(self._pause_s(failures))

    def _where(self) -> str:
        """The name of this router: here. Else an address; empty: nobody is known to lead."""
        return self._member.name if self._office.leading else self._office.address

    async def _connected(self, where: str) -> _Attempt:
        attempt = _Attempt(self._member)
        if where == self._member.name:
            name, coordinator = self._member.name, self._coordinator
            attempt.link = connect((name, attempt), (coordinator.name, coordinator), self._loop)
            return attempt
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                attempt.link = await self._dial(attempt, where)
        except (OSError, ValueError) as error:  # TimeoutError is one
            attempt.reason = str(error) or f"no connection within {HANDSHAKE_S:g} s"
            attempt.ended.set()
        return attempt

    async def _dial(self, owner: LinkOwner, where: str) -> Link:
        host, _, port = where.rpartition(":")
        handshake = Handshake("member", self._member.name, self._key, self._random_bytes(CHALLENGE_BYTES))
        _, link = await self._loop.create_connection(
            lambda: NetworkLink(owner, handshake, self._loop), host.strip("[]"), int(port)
        )
        return link

    async def _stay(self, attempt: _Attempt, where: str) -> None:
        """Until the link has ended, or leads to the wrong place. An address that is not known any more may be right."""
        while self._where() in (where, ""):
            try:
                async with asyncio.timeout(LOOK_S):
                    await attempt.ended.wait()
                break
            except TimeoutError:
                pass
        self._report(attempt, where)

    def _report(self, attempt: _Attempt, where: str) -> None:
        """Once per reason."""
        if attempt.was_open:
            self._told = ""
        elif attempt.reason and attempt.reason != self._told:
            self._told = attempt.reason
            log.warning("the coordinator is out of reach", extra={"fields": {"at": where, "reason": attempt.reason}})

    def _pause_s(self, failures: int) -> float:
        longest = min(LONGEST_PAUSE_S, PAUSE_S * 2.0 ** min(failures, 10))
        return longest * (0.5 + 0.5 * self._draw())
