"""The workloads of all versions in a cluster: each found by its kind and name, and kept up to date.

One watch serves all workloads of a kind, and one all HorizontalPodAutoscalers: in all namespaces, or in each of those
that maitre serves. They run for as long as a workload needs them, in the task group of the composition root, which
makes the one `Workloads` there is. Versions ask it through `follow`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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
        tasks: asyncio.TaskGroup,
        contact: Witness,
        all_namespaces: bool,
        may_write: Callable[[], bool],
        draw: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`client` reads and writes scales, `http` follows (`router.kube.client`). `all_namespaces`: one watch for all;
        else one for each namespace of a workload. `may_write` is asked before each write; `draw` is in [0, 1).
        """
        self._client = client
        self._tasks = tasks
        self._all_namespaces = all_namespaces
        self._may_write = may_write
        self._kinds = Kinds(http)
        self._following = Following(http, contact, draw, sleep)
        self._readings = Readings(tasks, self._following)
        self._boards: dict[_Key, tuple[_Board, asyncio.Task[None]]] = {}
        self._coming: set[Workload] = set()

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
        self._coming.add(workload)
        asyncio.get_running_loop().call_soon(self._enter, workload)
        return workload

    def release(self, workload: Workload) -> None:
        """Its listener is told nothing any more."""
        if workload in self._coming:
            self._coming.remove(workload)
            return
        self._readings.forget(workload)
        for key in self._keys(workload):
            board, running = self._boards[key]
            board.discard(workload)
            if not board:
                running.cancel()
                del self._boards[key]

    def _enter(self, workload: Workload) -> None:
        if workload in self._coming:
            self._coming.remove(workload)
            for key in self._keys(workload):
                self._board(key).add(workload)

    def _keys(self, workload: Workload) -> tuple[_Key, _Key]:
        scope = None if self._all_namespaces else workload.namespace
        target = workload.target
        return (*_HPAS, scope), (target.api_version, target.kind, scope)

    def _board(self, key: _Key) -> _Board:
        if key not in self._boards:
            api_version, kind, scope = key
            board: _Board
            if (api_version, kind) == _HPAS:
                board = Hpas(scope, self._following)
            else:
                board = FollowedKind(api_version, kind, scope, kinds=self._kinds, following=self._following)
            self._boards[key] = board, self._tasks.create_task(board.run(), name=repr(board))
        return self._boards[key][0]

    def __repr__(self) -> str:
        return f"<Workloads {[board for board, _ in self._boards.values()]} {self._readings}>"
