"""The shell of the router's own size: look once a second, decide, change one size, and only then look again.

`frontend.decide_frontend` does the thinking. One task, no locks: a change that is under way is awaited, for CHANGE_S at
most, so there are never two at once, and time for the next one counts from its end. A change that fails is told, and
tried again when the policy comes to it again, which is not before the time between two changes has passed.

Made by the composition root with the ports below, all of which are called on the event loop that runs `run`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from autoscaler.errors import HeldBack, ScaleFailed
from autoscaler.frontend import (
    Decision,
    FrontendSettings,
    FrontendState,
    Observation,
    Part,
    PodsSeen,
    RouterLoad,
    decide_frontend,
)
from autoscaler.policy import Direction

LOOK_S: Final = 1.0
"""Between two looks. What is measured comes about once a second."""

CHANGE_S: Final = 60.0
"""How long one change may take: a worker that ends may finish its requests before."""

Sleep = Callable[[float], Awaitable[None]]

log = logging.getLogger(__name__)


class Crew(Protocol):
    """The workers of this router."""

    async def resize(self, workers: int) -> None:
        """Have so many. Returns when those that are new take connections and those too many take none any more; raises
        ScaleFailed when that cannot be. May be cancelled."""


class Loads(Protocol):
    """How busy the routers are."""

    def own(self, now: float) -> RouterLoad | None:
        """This one; None while nothing was measured."""

    def others(self, now: float) -> Sequence[RouterLoad]:
        """The newest of each other pod that has told of itself; none outside of a cluster."""


class Pods(Protocol):
    """The pods of the router in a cluster."""

    def seen(self) -> PodsSeen | None:
        """None while their number is not known."""

    async def scale(self, pods: int) -> None:
        """Ask for so many. Raises ScaleFailed, or HeldBack when they are not ours to scale."""


class FrontendRecorder(Protocol):
    """Where decisions and failures are told."""

    def decided(self, decision: Decision) -> None:
        """A decision to change a size, before it is carried out."""

    def failed(self, decision: Decision, error: Exception) -> None:
        """It was not carried out."""


class FrontendLoop:
    """Keeps this router at the size that the policy decides. `now` and `sleep` are monotonic seconds."""

    def __init__(
        self,
        settings: FrontendSettings,
        crew: Crew,
        pods: Pods | None,
        loads: Loads,
        recorder: FrontendRecorder,
        now: Callable[[], float],
        sleep: Sleep,
    ) -> None:
        """`pods` is None outside of a cluster, and where their number is left alone."""
        self._settings = settings
        self._crew = crew
        self._pods = pods
        self._loads = loads
        self._recorder = recorder
        self._now = now
        self._sleep = sleep
        self._state = FrontendState.begin(now())
        self.last: Decision | None = None
        """The newest decision, to be shown."""

    def __repr__(self) -> str:
        return f"<FrontendLoop {self.last and self.last.describe()}>"

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            decision = self._look()
            if decision.direction is not Direction.HOLD:
                await self._change(decision)
            await self._sleep(LOOK_S)

    def _look(self) -> Decision:
        now = self._now()
        self._state, decision = decide_frontend(self._settings, self._state, self._observe(now), now)
        if self.last is None or self.last.reason is not decision.reason:
            log.debug("the router's own size", extra={"fields": decision.describe()})
        self.last = decision
        return decision

    def _observe(self, now: float) -> Observation | None:
        own = self._loads.own(now)
        if own is None:
            return None
        return Observation(own, self._loads.others(now), self._pods.seen() if self._pods else None)

    async def _change(self, decision: Decision) -> None:
        self._recorder.decided(decision)
        error = await self._bounded(decision)
        self._state = FrontendState.begin(self._now())  # whatever came of it, its effect is still to be seen
        if error is not None and not isinstance(error, HeldBack):
            self._recorder.failed(decision, error)

    async def _bounded(self, decision: Decision) -> Exception | None:
        """What it failed of within CHANGE_S, or None."""
        async with asyncio.TaskGroup() as attempt:
            call = attempt.create_task(self._attempt(decision))
            limit = attempt.create_task(self._limit(call))
            await asyncio.wait({call})
            limit.cancel()
        return ScaleFailed(f"not done within {CHANGE_S:g} s") if call.cancelled() else call.result()

    async def _attempt(self, decision: Decision) -> Exception | None:
        try:
            if decision.part is Part.WORKERS:
                await self._crew.resize(decision.desired)
            elif self._pods is not None:
                await self._pods.scale(decision.desired)
        except Exception as error:  # noqa: BLE001  whatever an adapter raises is reported, and comes up again
            return error
        return None

    async def _limit(self, call: asyncio.Task[Exception | None]) -> None:
        await self._sleep(CHANGE_S)
        call.cancel()
