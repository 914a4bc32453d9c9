"""Marks on pods that are about to be told to go: the deletion cost, for the controller, and our own, for the routers.

Advice, not truth: what cannot be written is told, and the shrink goes on without it. A pod that has a deletion cost
from somebody else keeps it, and gets only the mark. Each patch names the pod's uid, so that it cannot hit the next pod
of that name. Only the leader writes. `Marks` is owned by `pod_replicas`; one `Marker` is made by the composition root.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Final

from lightkube import ApiError, AsyncClient
from lightkube.types import PatchType

from router.discovery.pod import COST, MARK, MARKED_COST, Pod, PodObject
from router.kube.client import CALL_FAILED
from router.kube.writes import Writes

AT_ONCE: Final = 8
"""Patches under way together, of all versions."""
GONE: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
"""The pod is no more, or another one has its name: of another uid is said that it is immutable."""


class Marker:
    """Writes marks. `name` tells this process from all others that ever marked a pod; `wall` is the time of day."""

    def __init__(
        self,
        client: AsyncClient,
        *,
        writes: Writes,
        leading: Callable[[], bool],
        wall: Callable[[], datetime],
        name: str,
    ) -> None:
        self._client = client
        self._writes = writes
        self._leading = leading
        self._wall = wall
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self.name = name

    def new_mark(self) -> str:
        """Unlike any before; ends with a space and our name."""
        return f"{self._wall().isoformat()} {self.name}"

    async def write(self, pod: Pod, mark: str | None) -> bool:
        """None takes it away. Whether nothing is left to do: False when it could not be written."""
        annotations = {MARK: mark}
        if pod.cost is None:
            annotations[COST] = None if mark is None else MARKED_COST
        patch = {"metadata": {"uid": pod.uid, "annotations": annotations}}
        subject = f"marks of pods in namespace {pod.namespace}"
        try:
            async with self._at_once:
                if not self._leading():
                    return False
                await self._client.patch(
                    PodObject, pod.name, patch, namespace=pod.namespace, patch_type=PatchType.MERGE
                )
        except CALL_FAILED as error:
            if isinstance(error, ApiError) and error.status.code in GONE:
                return True
            self._writes.failed(subject, error)
            return False
        self._writes.made(subject)
        return True


class Marks:
    """Those on the pods of one version: the newest wish wins, and writes never overtake each other."""

    def __init__(self, marker: Marker) -> None:
        self._marker = marker
        self._mark = ""
        self._wished: dict[str, Pod] = {}
        self._written: set[str] = set()  # uids of those that may bear a mark of ours
        self._turn = asyncio.Lock()

    def wish(self, pods: Iterable[Pod]) -> str:
        """These are to bear a new mark, which is returned, and no others any."""
        self._mark = self._marker.new_mark()
        self._wished = {pod.uid: pod for pod in pods}
        return self._mark

    def borne(self, pods: Mapping[str, Pod]) -> Sequence[Pod]:
        """Of these, by their uids, those that may bear a mark, seen or written by us; without those that are going."""
        return [pod for uid, pod in pods.items() if pod.state.counts and (pod.mark is not None or uid in self._written)]

    async def write(self, pods: Mapping[str, Pod]) -> None:
        """Makes it as wished. `pods`: all of the version, by their uids, as they were last seen."""
        async with self._turn:
            mark, wished = self._mark, self._wished
            borne = self.borne(pods)
            self._written = {*wished, *(pod.uid for pod in borne)}
            await asyncio.gather(
                *(self._marker.write(pod, mark) for pod in wished.values()),
                *(self._erase(pod) for pod in borne if pod.uid not in wished),
            )

    async def _erase(self, pod: Pod) -> None:
        if await self._marker.write(pod, None):
            self._written.discard(pod.uid)

    def __repr__(self) -> str:
        return f"<Marks wished={len(self._wished)} written={len(self._written)}>"
