"""Plays scheduler and kubelet: every pod of a namespace becomes a local process on a loopback address of its own.

    async with Kubelet(client, namespace, folder) as kubelet:
        (pod,) = await kubelet.ready(1)

Pods get a node while there is room (`capacity`); the others are told that they are unschedulable, until there is.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.models.core_v1 import NodeStatus
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Node, Pod

from tests.fakes.changes import BOUND_S
from tests.kube import pod_status
from tests.kube.insisting import PAUSE_S, patch_status
from tests.kube.pod_life import PodLife, Record


class Kubelet:
    """Reacts to a watch; what it saw of each pod is in `records`, also of those that are gone."""

    def __init__(
        self,
        client: AsyncClient,
        namespace: str,
        folder: Path,
        *,
        images: Mapping[str, Sequence[str]] | None = None,
        capacity: int = 1_000_000,
        start_delay_s: float = 0.0,
    ) -> None:
        """`images`: what to run for an image, whatever the pod says. `start_delay_s`: as long as pulling takes."""
        self._client = client
        self._namespace = namespace
        self._folder = folder
        self._images = images or {}
        self._capacity = capacity
        self._start_delay_s = start_delay_s
        self._node = f"node-of-{namespace}"
        self._lives: dict[str, tuple[PodLife, asyncio.Task[None]]] = {}
        self._waiting: dict[str, Pod] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._playing: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.records: list[Record] = []
        """In the order in which their pods got a node."""

    async def __aenter__(self) -> "Kubelet":
        node = Node(metadata=ObjectMeta(name=self._node), status=NodeStatus())
        with contextlib.suppress(ApiError):  # it is there: another kubelet had the namespace before
            await self._client.create(node)
        self._playing = asyncio.get_running_loop().create_task(self._play())
        self._playing.add_done_callback(lambda _: self._changed.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the processes; the objects stay. What went wrong while it played is raised."""
        self._playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._playing

    @property
    def capacity(self) -> int:
        return self._capacity

    @capacity.setter
    def capacity(self, pods: int) -> None:
        """More lets pods in that wait; fewer ends none."""
        self._capacity = pods
        self._schedule()

    async def ready(self, number: int, *, bound_s: float = BOUND_S, **labels: str) -> list[Record]:
        """Those pods with these labels that are ready, as soon as there are exactly that many."""

        def found() -> list[Record]:
            alive = (each for each in self.records if each.is_ready and each.terminating is None)
            return [each for each in alive if labels.items() <= each.labels.items()]

        await self.until(lambda: len(found()) == number, bound_s=bound_s)
        return found()

    async def until(self, condition: Callable[[], bool], *, bound_s: float = BOUND_S) -> None:
        """Looks after each change of a record."""
        try:
            async with asyncio.timeout(bound_s):
                while not condition():
                    if self._playing.done():
                        await self._playing  # raises what ended it
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError("\n".join(["it never came to that; the pods:", *map(repr, self.records)])) from None

    def crash(self, pod: Record) -> None:
        """Kills its process; a pod gets another one at once, and counts a restart."""
        self._lives[pod.uid][0].crash()

    async def _play(self) -> None:
        async with asyncio.TaskGroup() as self._tasks:
            await self._watch()

    async def _watch(self) -> None:
        while True:
            try:
                listed = self._client.list(Pod, namespace=self._namespace)
                pods = [pod async for pod in listed]
                self._forget_all_but({pod.metadata.uid for pod in pods})
                for pod in pods:
                    self._see(pod)
                watch = self._client.watch(Pod, namespace=self._namespace, resource_version=listed.resourceVersion)
                async for event, pod in watch:
                    if event == "DELETED":
                        self._forget(pod.metadata.uid)
                    else:
                        self._see(pod)
            except (httpx2.HTTPError, ApiError):
                await asyncio.sleep(PAUSE_S)  # the API server is away, or has forgotten: from the beginning

    def _see(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        if uid in self._lives:
            if pod.metadata.deletionTimestamp is not None:
                self._lives[uid][0].terminate(float(pod.metadata.deletionGracePeriodSeconds or 0))
        elif pod.metadata.deletionTimestamp is None and uid not in self._waiting:
            self._waiting[uid] = pod
            self._schedule()
            if uid in self._waiting:
                message = f"0/1 nodes are available: 1 Too many pods, {self._capacity} fit."
                self._tasks.create_task(patch_status(self._client, pod, pod_status.unschedulable(message)))

    def _schedule(self) -> None:
        while self._waiting and len(self._lives) < self._capacity:
            uid = next(iter(self._waiting))
            self._begin(uid, self._waiting.pop(uid))

    def _begin(self, uid: str, pod: Pod) -> None:
        life = PodLife(
            pod,
            self._client,
            node=self._node,
            images=self._images,
            output=self._folder / f"{pod.metadata.name}.log",
            start_delay_s=self._start_delay_s,
            changed=self._changed.set,
        )
        self.records.append(life.record)
        self._lives[uid] = life, self._tasks.create_task(life.run())

    def _forget(self, uid: str) -> None:
        self._waiting.pop(uid, None)
        if uid in self._lives:
            _, task = self._lives.pop(uid)
            task.cancel()  # deleted without us: its process must not outlive it
        self._schedule()
        self._changed.set()

    def _forget_all_but(self, uids: set[str]) -> None:
        for uid in (self._lives.keys() | self._waiting.keys()) - uids:
            self._forget(uid)
