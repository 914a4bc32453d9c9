"""The router's own pods in a cluster: how many there are and should be, and the way to ask for another number.

Implements the autoscaler's `Pods`. The router's workload is followed like any other one (`router.discovery.workloads`),
with the same care: hands off where an HPA scales it, foreign sizes are adopted, a write rests on the version that was
read. Every router follows it, so that the next leader knows; only the one that leads may scale. Made by
`serving.cluster`, which runs it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Protocol

from autoscaler.frontend import PodsSeen
from router.discovery.pod import Pod, State
from router.discovery.pods import PodBoard, Subscription
from router.discovery.selectors import Selector, SelectorRefused
from router.discovery.workload import Listener, Workload
from router.model.spec import DeploymentTarget

log = logging.getLogger("maitre.serving")


class WorkloadsPort(Protocol):
    """What it needs of `router.discovery.workloads.Workloads`."""

    def follow(self, namespace: str, target: DeploymentTarget, listener: Listener) -> Workload: ...


class OwnPods:
    """Implements the workload's `Listener` and the board's `Subscriber`, too."""

    def __init__(
        self,
        namespace: str,
        target: DeploymentTarget,
        workloads: WorkloadsPort,
        board: PodBoard,
        leading: Callable[[], bool],
        follow: Callable[[str], Coroutine[None, None, None]] | None,
    ) -> None:
        """`board` has the pods of the namespace, or gets those of a selector while `follow(selector)` runs; None: it is
        kept up to date anyway. The port in `target` plays no part."""
        self._namespace = namespace
        self._board = board
        self._leading = leading
        self._follow = follow
        self._selector: str | None = None
        self._selected = asyncio.Event()
        self._subscription: Subscription | None = None
        self._states: dict[str, State] = {}  # by uid
        self._unreadable: str | None = None
        self._workload = workloads.follow(namespace, target, self)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._selected.wait()
            self._selected.clear()
            if self._follow is not None and self._selector is not None:
                async with asyncio.TaskGroup() as tasks:
                    following = tasks.create_task(self._follow(self._selector), name="pods of the router")
                    await self._selected.wait()
                    following.cancel()

    # -- for the autoscaler -------------------------------------------------------------------------------------------

    def seen(self) -> PodsSeen | None:
        """None while the workload or its selector is not known."""
        if not self._workload.known or self._subscription is None:
            return None
        states = list(self._states.values())
        current, ready, full = self._workload.current(), states.count(State.READY), states.count(State.UNSCHEDULABLE)
        return PodsSeen(
            current=current,
            ready=ready,
            coming=max(states.count(State.STARTING), current - ready - full),
            unschedulable=full,
            ours=self._leading() and self._workload.hpa is None,
        )

    async def scale(self, pods: int) -> None:
        """Raises ScaleFailed, NotLeading or HandsOff."""
        await self._workload.scale(pods)

    @property
    def problem(self) -> str | None:
        """Why they cannot be seen or scaled, in words for who runs the router."""
        return self._workload.problem or self._unreadable

    # -- what the board says ------------------------------------------------------------------------------------------

    def put(self, pod: Pod) -> None:
        self._states[pod.uid] = pod.state

    def gone(self, pod: Pod) -> None:
        self._states.pop(pod.uid, None)

    # -- what the workload says ---------------------------------------------------------------------------------------

    def selects(self, selector: str) -> None:
        """These are the router's pods from now on."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        self._states.clear()
        try:
            parsed = Selector.parse(selector)
        except SelectorRefused as error:
            self._unreadable = f"{self._workload}: its selector {selector!r} cannot be understood: {error}"
            return
        self._unreadable = None
        self._subscription = self._board.subscribe(self._namespace, parsed, self)
        for pod in self._subscription.pods():
            self.put(pod)
        self._selector = selector
        self._selected.set()

    def hpa_changed(self, hpa: str | None) -> None:
        if hpa is not None:
            log.warning("%s: left to the HorizontalPodAutoscaler %s", self._workload, hpa)

    def problem_changed(self, problem: str | None) -> None:
        if problem is not None:
            log.warning("the router's own pods: %s", problem)

    def scaled_by_others(self, before: int, after: int) -> None:
        log.info("%s: somebody else scaled it from %d to %d pods; it is adopted", self._workload, before, after)

    def found(self, replicas: int) -> None:
        """`seen` tells it."""

    def lost(self) -> None:
        """`seen` tells it."""

    def failure_changed(self, failure: str | None) -> None:
        """Pods that are refused do not come, and `seen` tells that."""

    def __repr__(self) -> str:
        return f"<OwnPods {self._workload} {self.seen()}>"
