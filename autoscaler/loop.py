"""The autoscaler's shell: observe, decide, carry out, record; for every workload, each at its own pace.

`policy.decide` does the thinking, `Pursuit` the scaling; this file knows when to look. It looks at a workload

- when it is added, or when `run` starts: so its minimum or fixed size is there at once. Each run begins without memory
  of what was before it, so that a router which becomes the leader never shrinks on a window that it did not see itself;
- every `refresh_s` of its settings. All workloads of one period are walked through together, by one timer. Those that
  are settled (see `Decision.settled`) and have seen no activity, no new settings and no foreign hand since are passed
  over, at the price of three reads, so ten thousand idle versions cost next to nothing;
- TRIGGER_DELAY_S after `trigger`, which a queue calls when it forms. The delay is there so that the whole step of load
  is seen and the right size is reached in one step; triggers that come meanwhile are the same one.

Concurrency: one event loop, no locks. `add`, `remove`, `trigger` and looking at a workload are synchronous; what takes
time is one task per workload that is being scaled. A workload that raises is logged, and looked at again next time.
Called by the composition root, which gives it the clock, and by whoever owns the queues (`trigger`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from autoscaler.errors import AlreadyWatched
from autoscaler.policy import Decision, Direction, ScalingSettings, ScalingState, decide
from autoscaler.ports import Key, Recorder, ScaleTarget, Workload
from autoscaler.pursuit import Pursuit, Sleep

TRIGGER_DELAY_S: Final = 0.1
"""From a queue that forms to the decision; the goal for the whole way up is 250 ms."""

BATCH: Final = 100
"""Decisions in a row before others get a turn on the event loop: some milliseconds."""

log = logging.getLogger(__name__)


class _Watched:
    """A workload, what is remembered of it, and whether there is need to look at it."""

    __slots__ = (
        "_activity",
        "_settings",
        "_settled",
        "_size",
        "key",
        "period_s",
        "pursuit",
        "state",
        "triggered",
        "workload",
    )

    def __init__(self, workload: Workload, pursuit: Pursuit, state: ScalingState) -> None:
        self.key = workload.key
        self.workload = workload
        self.pursuit = pursuit
        self.state = state
        self.period_s = workload.settings().refresh_s
        self.triggered = False
        self._settled = False
        self._activity = 0
        self._settings: ScalingSettings | None = None
        self._size = 0

    def begin(self, now: float) -> None:
        """What was wanted until `now` is not known: others may have scaled it. So the window begins here."""
        self.state = self.state.begun_anew(now, self.pursuit.size)
        self.triggered = False
        self._settled = False

    def is_idle(self) -> bool:
        """Whether looking again would lead to the same decision."""
        return (
            self._settled
            and self.workload.activity() == self._activity
            and self.pursuit.size == self._size
            and ((settings := self.workload.settings()) is self._settings or settings == self._settings)
        )

    def look(self, now: float) -> Decision:
        """Decide, and remember on what."""
        # Read before observing: what happens in between is then looked at once more, and never missed.
        self._activity = self.workload.activity()
        self._settings = settings = self.workload.settings()
        self._size = size = self.pursuit.size
        self.period_s = settings.refresh_s
        observation = self.workload.observe(now)
        if observation is not None:
            observation = observation.sized(size)
        self.state, decision = decide(settings, self.state.sized(size), observation, now)
        self._settled = decision.settled
        return decision


class AutoscalerLoop:
    """Keeps every added workload at the size that the policy decides. `now` and `sleep` are monotonic seconds."""

    def __init__(self, recorder: Recorder, now: Callable[[], float], sleep: Sleep) -> None:
        self._recorder = recorder
        self._now = now
        self._sleep = sleep
        self._watched: dict[Key, _Watched] = {}
        self._periods: set[float] = set()
        self._tasks: asyncio.TaskGroup | None = None

    def __repr__(self) -> str:
        running = "running" if self._tasks else "stopped"
        return f"<AutoscalerLoop {running} workloads={len(self._watched)} periods={sorted(self._periods)}>"

    def add(self, workload: Workload, target: ScaleTarget) -> None:
        """Watch a workload from now on; its minimum is asked for at once. Raises AlreadyWatched for a key in use."""
        key = workload.key
        if key in self._watched:
            raise AlreadyWatched(f"{'/'.join(key)} is being scaled already")
        state = ScalingState.begin(self._now(), target.current())
        watched = _Watched(workload, Pursuit(key, target, self._recorder, self._sleep), state)
        self._watched[key] = watched
        self._look(watched)

    def watches(self, key: Key) -> bool:
        """Whether a workload of this key was added and not removed since."""
        return key in self._watched

    def remove(self, key: Key) -> None:
        """Forget a workload, and cancel a call that is under way for it; an unknown key is none."""
        watched = self._watched.pop(key, None)
        if watched is not None:
            watched.pursuit.stop()

    def trigger(self, key: Key) -> None:
        """Something waits: decide TRIGGER_DELAY_S from now. Cheap to call again; unknown keys are ignored."""
        watched = self._watched.get(key)
        if watched is None or watched.triggered or self._tasks is None:
            return
        watched.triggered = True
        self._tasks.create_task(self._look_soon(key, watched))

    async def run(self) -> None:
        """Work until cancelled, any number of times; nothing that a run has begun goes on after its end.

        Calls under way are cancelled with it, and their wishes forgotten: another one may be scaling by then.
        """
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                several = list(self._watched.values())
                for watched in several:
                    watched.begin(self._now())
                await self._look_at(several)
                await asyncio.Event().wait()
            finally:
                self._tasks = None  # before the group ends: no task may be added to a group that is ending
                self._periods.clear()
                for watched in self._watched.values():
                    watched.pursuit.stop()

    async def _look_soon(self, key: Key, watched: _Watched) -> None:
        try:
            await self._sleep(TRIGGER_DELAY_S)
        finally:
            watched.triggered = False
        if self._watched.get(key) is watched:
            self._look(watched)

    async def _walk(self, period_s: float) -> None:
        """Look at the workloads of one period, again and again, until there are none."""
        due = self._now() + period_s
        while True:
            await self._sleep(due - self._now())
            members = [watched for watched in self._watched.values() if watched.period_s == period_s]
            if not members:
                self._periods.discard(period_s)
                return
            await self._look_at(members)
            due = max(due + period_s, self._now())  # after a stall go on from now, without catching up

    async def _look_at(self, several: list[_Watched]) -> None:
        """Look at those that are not idle, in batches, so that nobody else on the event loop waits for all of them."""
        looked = 0
        for watched in several:
            if self._look(watched):
                looked += 1
                if looked % BATCH == 0:
                    await self._sleep(0)

    def _look(self, watched: _Watched) -> bool:
        """Look at one workload, unless it is idle or was removed, and have its wish pursued; whether it was."""
        key = watched.key
        try:
            if watched.is_idle() or self._watched.get(key) is not watched or self._tasks is None:
                return False
            decision = watched.look(self._now())
            if decision.direction is not Direction.HOLD:
                watched.pursuit.wish(decision, self._tasks)
                self._recorder.decided(key, decision)
        except Exception:
            log.exception("no decision for %s", "/".join(key))
        self._keep_pace(watched.period_s)
        return True

    def _keep_pace(self, period_s: float) -> None:
        """See that somebody walks at this period."""
        if period_s not in self._periods and self._tasks is not None:
            self._periods.add(period_s)
            self._tasks.create_task(self._walk(period_s), name=f"autoscaler every {period_s:g} s")
