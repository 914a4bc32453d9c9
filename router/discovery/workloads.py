"""The workloads of all versions in a cluster: each found by its kind and name, and kept up to date.

One watch serves all workloads of a kind, and one all HorizontalPodAutoscalers: in all namespaces, or in each of those
that maitre serves. They run for as long as a workload needs them. One per router, made and run by
`router.serving.cluster`; versions ask it through `follow`, also before it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import httpx2

from autoscaler.targets.scale_subresource import Client
from router.discovery.followed_kind import FollowedKind
from router.discovery.following import Following
from router.discovery.hpas import Hpas
from router.discovery.readings import Readings
from router.discovery.workload import Listener, Workload
from router.kube.kinds import Kinds
from router.kube.reflector import Witness
from router.model.spec import DeploymentTarget


class _Board(Protocol):
    """What is followed on behalf of workloads."""

    def add(self, workload: Workload) -> None: ...
    def discard(self, workload: Workload) -> None: ...
    def __bool__(self) -> bool: ...
    async def run(self) -> None: ...


_Key = tuple[str, str, str | None]
"""API version, kind and scope."""

_HPAS: Final = ("", "")
"""In place of API version and kind; what users name has neither empty."""


class Workloads:
    def __init__(
        self,
        client: Client,
        http: httpx2.AsyncClient,
        *,
        contact: Witness,
        namespaces: Sequence[str],
        may_write: Callable[[], bool],
        draw: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`client` reads and writes scales, `http` follows (`router.kube.client`). No `namespaces`: one watch for all;
        else one for each that has a workload. `may_write` is asked before each write; `draw` gives numbers in [0, 1).
        """
        self._client = client
        self._namespaces = namespaces
        self._may_write = may_write
        self._kinds = Kinds(http)
        self._following = Following(http, contact, draw, sleep)
        self._readings = Readings(self._following)
        self._tasks: asyncio.TaskGroup | None = None
        self._boards: dict[_Key, _Board] = {}
        self._running: dict[_Key, asyncio.Task[None]] = {}
        self._coming: set[Workload] = set()
        self._followed: set[Workload] = set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._readings.begin(tasks)
            for key in self._boards:
                self._start(key, tasks)
            try:
                await asyncio.Event().wait()
            finally:
                self._tasks = None

    def follow(self, namespace: str, target: DeploymentTarget, listener: Listener) -> Workload:
        """Nothing is known of it yet. The listener is told of all that becomes known, but not before this returns."""
        workload = Workload(
            namespace,
            target,
            listener,
            client=self._client,
            may_write=self._may_write,
            stale=self._readings.due,
        )
        self._followed.add(workload)
        self._coming.add(workload)
        asyncio.get_running_loop().call_soon(self._enter, workload)
        return workload

    def release(self, workload: Workload) -> None:
        """Its listener is told nothing any more."""
        self._followed.remove(workload)
        workload.settled.set()
        if workload in self._coming:
            self._coming.remove(workload)
            return
        self._readings.forget(workload)
        for key in self._keys(workload):
            board = self._boards[key]
            board.discard(workload)
            if not board:
                self._end(key)

    async def settled(self) -> None:
        """Until each workload that is followed now is known, or has a problem."""
        for workload in list(self._followed):
            await workload.settled.wait()

    def _enter(self, workload: Workload) -> None:
        if workload in self._coming:
            self._coming.remove(workload)
            for key in self._keys(workload):
                self._board(key).add(workload)

    def _keys(self, workload: Workload) -> tuple[_Key, _Key]:
        scope = workload.namespace if self._namespaces else None
        target = workload.target
        return (*_HPAS, scope), (target.api_version, target.kind, scope)

    def _board(self, key: _Key) -> _Board:
        if key not in self._boards:
            self._boards[key] = self._made(key)
            if self._tasks is not None:
                self._start(key, self._tasks)
        return self._boards[key]

    def _made(self, key: _Key) -> _Board:
        api_version, kind, scope = key
        if (api_version, kind) == _HPAS:
            return Hpas(scope, self._following)
        return FollowedKind(api_version, kind, scope, kinds=self._kinds, following=self._following)

    def _start(self, key: _Key, tasks: asyncio.TaskGroup) -> None:
        board = self._boards[key]
        self._running[key] = tasks.create_task(board.run(), name=repr(board))

    def _end(self, key: _Key) -> None:
        del self._boards[key]
        if running := self._running.pop(key, None):
            running.cancel()

    def __repr__(self) -> str:
        return f"<Workloads followed={len(self._followed)} {list(self._boards.values())} {self._readings}>"
