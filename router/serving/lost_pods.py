"""Tells the coordinator which of the routers that are away are dead, as far as the API server knows for certain.

A router that was cut off keeps its share, since nobody can tell from afar whether it serves on. But a pod that is not
there any more runs nothing, nor does one that has ended; so, while this router leads, the pod of each one that is away
is looked for. What is no proof changes nothing:

- a router that was not told its pod's uid: it may be no pod at all
- a container that is down, or was started again, by a status that may be old; its successor vouches for it, instead
- Failed is said of some pods before their containers have stopped, so each of these has to have ended, too
- no answer, and no right to ask

One instance per process, made by `serving.cluster`, which runs it while this router leads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from typing import Final, Protocol

from lightkube import ApiError, AsyncClient
from lightkube.resources.core_v1 import Pod

from router.coord.identity import pod_of, pod_uid_of
from router.kube.client import CALL_FAILED, explain
from router.kube.contact import Contact

LOOK_S: Final = 1.0
"""Between two looks; each asks for every pod of a router that is away."""

log = logging.getLogger("maitre.coordination")


class Coordinating(Protocol):
    """What it needs of `router.coord.coordinator.Coordinator`."""

    @property
    def away(self) -> Collection[str]:
        """The other routers that may be using slots, and are not here."""

    def died(self, name: str) -> None:
        """This router is known to use nothing any more."""


class LostPods:
    def __init__(
        self,
        client: AsyncClient,
        namespace: str,
        coordinator: Coordinating,
        contact: Contact,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`namespace`: where all routers are."""
        self._client = client
        self._namespace = namespace
        self._coordinator = coordinator
        self._contact = contact
        self._sleep = sleep
        self._subject = f"router pods in namespace {namespace}"

    def __repr__(self) -> str:
        return f"<LostPods of {self._namespace}>"

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._look()
                await self._sleep(LOOK_S)
        finally:
            self._contact.ended(self._subject)

    async def _look(self) -> None:
        """An attempt without an answer ends it: there are none for the others, either."""
        pods = {name: uid for name in self._coordinator.away if (uid := pod_uid_of(name))}
        if not pods:
            self._contact.ended(self._subject)
        for name, uid in pods.items():
            try:
                proof = await self._proof(pod_of(name), uid)
            except CALL_FAILED as error:
                self._contact.lost(self._subject, explain(error))
                return
            self._contact.made(self._subject)
            if proof and name in self._coordinator.away:
                log.info("a router is known to be dead", extra={"fields": {"router": name, "reason": proof}})
                self._coordinator.died(name)

    async def _proof(self, name: str, uid: str) -> str:
        """Why nothing runs in this pod any more; empty: it may. Raises what CALL_FAILED names."""
        try:
            pod = await self._client.get(Pod, name, namespace=self._namespace)
        except ApiError as error:
            if error.status.code == HTTPStatus.NOT_FOUND:
                return "its pod is gone"
            raise
        if pod.metadata is None or pod.metadata.uid != uid:
            return "another pod has its name"
        return "its pod has ended" if _has_ended(pod) else ""


def _has_ended(pod: Pod) -> bool:
    status = pod.status
    if status is None or status.phase not in ("Failed", "Succeeded"):
        return False
    containers = status.containerStatuses or []
    return bool(containers) and all(each.state is not None and each.state.terminated is not None for each in containers)
