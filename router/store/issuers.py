"""The keys of the outside issuers that endpoints trust: fetched in the background, and kept for good when an issuer is
down, also over a restart.

A request never waits for an issuer. Each is followed by a task of its own, so a slow one holds up none of the others.
What workers need is handed to `publish` whenever it is another document. What cannot be fetched is a problem while it
lasts, told with the configuration's, and a line in the log when it begins and ends.

Made and run by `router.main`. Runs on the event loop of the control process.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol

from router.core.key_fetching import FetchPlan
from router.errors import KeySetRefused
from router.model.spec import KeySource
from router.store.key_fetcher import Fetched

log = logging.getLogger("maitre.store")

AT_ONCE: Final = 8
"""Fetches under way."""


class Fetcher(Protocol):
    async def fetch(self, source: KeySource) -> Fetched:
        """Raises KeySetRefused."""


class Kept(Protocol):
    """Where the last good key sets outlive the router."""

    def read(self, source: KeySource) -> bytes | None: ...
    def write(self, source: KeySource, document: bytes) -> None:
        """Raises OSError."""


class _Issuer:
    """One that is followed."""

    def __init__(self, now: float) -> None:
        self.plan = FetchPlan(now)
        self.hurried = asyncio.Event()
        self.tried = asyncio.Event()
        """Once it has answered, or failed to."""
        self.document: bytes | None = None
        self.problem: str | None = None


class Issuers:
    def __init__(
        self,
        fetcher: Fetcher,
        kept: Kept,
        publish: Callable[[KeySource, bytes | None], None],
        *,
        now: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
        wait: Callable[[Coroutine[Any, Any, object], float], Awaitable[object]] = asyncio.wait_for,
    ) -> None:
        """`publish(source, document)`: the key set in force, None: nobody asks for it any more. `draw` gives numbers in
        [0, 1); `wait` raises TimeoutError when its seconds are over."""
        self._fetcher = fetcher
        self._kept = kept
        self._publish = publish
        self._now = now
        self._draw = draw
        self._wait = wait
        self._followed: dict[KeySource, _Issuer] = {}
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)

    def want(self, sources: Iterable[KeySource]) -> None:
        """These are all that endpoints name."""
        wanted = set(sources)
        for source in [source for source in self._followed if source not in wanted]:
            del self._followed[source]
            self._publish(source, None)
        for source in sorted(wanted - self._followed.keys(), key=str):
            self._followed[source] = _Issuer(self._now())
        self._changed.set()

    def unknown_key(self, source: KeySource) -> None:
        """A token names a key that this issuer's set does not have."""
        issuer = self._followed.get(source)
        if issuer is not None and issuer.plan.unknown_key(self._now()):
            issuer.hurried.set()

    def problems(self) -> tuple[str, ...]:
        return tuple(issuer.problem for issuer in self._followed.values() if issuer.problem is not None)

    async def settled(self, seconds: float) -> None:
        """Returns when all have been asked once, or after `seconds`: a router that has just started would refuse good
        tokens until then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for issuer in list(self._followed.values()):
                    await issuer.tried.wait()

    async def run(self) -> None:
        """Until cancelled."""
        tasks: dict[_Issuer, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                followed = {issuer: source for source, issuer in self._followed.items()}
                for issuer in [issuer for issuer in tasks if issuer not in followed]:
                    tasks.pop(issuer).cancel()
                for issuer, source in followed.items():
                    if issuer not in tasks:
                        tasks[issuer] = group.create_task(self._follow(source, issuer), name=f"keys of {source.issuer}")
                await self._changed.wait()

    async def _follow(self, source: KeySource, issuer: _Issuer) -> None:
        plan = issuer.plan
        while True:
            while (left := plan.due - self._now()) > 0:
                issuer.hurried.clear()
                with suppress(TimeoutError):
                    await self._wait(issuer.hurried.wait(), left)
            async with self._slots:
                plan.begin(self._now())
                try:
                    fetched = await self._fetcher.fetch(source)
                except KeySetRefused as error:
                    plan.failed(self._now(), self._draw())
                    await self._failed(source, issuer, str(error))
                else:
                    plan.fetched(self._now(), fetched.max_age_s)
                    await self._succeeded(source, issuer, fetched.document)
            issuer.tried.set()

    async def _failed(self, source: KeySource, issuer: _Issuer, reason: str) -> None:
        if issuer.document is None and (document := await asyncio.to_thread(self._kept.read, source)) is not None:
            issuer.document = document
            self._publish(source, document)
        rest = "no token of it is admitted" if issuer.document is None else "those that are known stay in force"
        problem = f"issuer {source.issuer}: its keys cannot be fetched ({rest}): {reason}"
        if problem != issuer.problem:
            issuer.problem = problem
            log.warning("the keys of an issuer cannot be fetched", extra={"fields": {"problem": problem}})

    async def _succeeded(self, source: KeySource, issuer: _Issuer, document: bytes) -> None:
        if issuer.problem is not None or issuer.document is None:
            log.info("the keys of an issuer are known", extra={"fields": {"issuer": source.issuer}})
        issuer.problem = None
        if document != issuer.document:
            issuer.document = document
            self._publish(source, document)
            try:
                await asyncio.to_thread(self._kept.write, source, document)
            except OSError as error:
                fields = {"issuer": source.issuer, "reason": str(error)}
                log.warning("the keys of an issuer cannot be kept for the next start", extra={"fields": fields})

    def __repr__(self) -> str:
        return f"<Issuers followed={len(self._followed)} problems={len(self.problems())}>"
