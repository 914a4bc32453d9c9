"""Plays the controller of something that has replicas: makes and deletes pods until there are as many as its spec says.

For Deployments it makes the pods itself, without ReplicaSets in between. Which pods go first is as in Kubernetes
1.22 and later (`deletion_order.py`); the controller that comes with the API server of these tests knows no deletion
cost. A pod that the API server refuses, for instance by quota, is told in the condition ReplicaFailure and tried
again.

    async with ReplicaSets(client, namespace, Deployment): ...
"""

import asyncio
import contextlib
import secrets
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from lightkube.types import PatchType

from tests.kube.deletion_order import is_ready, order
from tests.kube.insisting import PAUSE_S, insist

REFUSED_PAUSE_S = 0.5


class ReplicaSets:
    """`kind`: a class of lightkube with `spec.replicas`, `spec.template` and a status subresource.

    Works on what its watches brought and on what it did itself since, one owner after the other, whenever something
    stirred.
    """

    def __init__(self, client: AsyncClient, namespace: str, kind: Any = Deployment) -> None:
        self._client = client
        self._namespace = namespace
        self._kind = kind
        self._owners: dict[str, dict[str, Any]] = {}
        self._pods: dict[str, Pod] = {}
        self._leaving: set[str] = set()
        self._told: dict[str, dict[str, Any]] = {}
        self._stirred = asyncio.Event()
        self._playing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "ReplicaSets":
        self._playing = asyncio.get_running_loop().create_task(self._play())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The pods stay. What went wrong while it played is raised."""
        self._playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._playing

    async def _play(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for loop in self._watch(self._kind), self._watch(Pod), self._work():
                tasks.create_task(loop)

    async def _watch(self, kind: Any) -> None:
        while True:
            try:
                listed = self._client.list(kind, namespace=self._namespace)
                self._replace(kind, [each async for each in listed])
                version = listed.resourceVersion
                async for event, each in self._client.watch(kind, namespace=self._namespace, resource_version=version):
                    self._changed(kind, each, gone=event == "DELETED")
            except (httpx2.HTTPError, ApiError):
                await asyncio.sleep(PAUSE_S)  # the API server is away, or has forgotten: from the beginning

    def _replace(self, kind: Any, objects: Iterable[Any]) -> None:
        self._known(kind).clear()
        for each in objects:
            self._changed(kind, each)
        self._stirred.set()

    def _changed(self, kind: Any, changed: Any, *, gone: bool = False) -> None:
        known, uid = self._known(kind), changed.metadata.uid
        if gone:
            known.pop(uid, None)
            self._leaving.discard(uid)
        else:
            known[uid] = changed if kind is Pod else changed.to_dict()
        self._stirred.set()

    def _known(self, kind: Any) -> dict[str, Any]:
        return self._pods if kind is Pod else self._owners

    async def _work(self) -> None:
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            for owner in list(self._owners.values()):
                await self._reconcile(owner)
            await self._collect_orphans()

    async def _reconcile(self, owner: dict[str, Any]) -> None:
        pods = sorted(self._pods_of(owner), key=order)
        missing = owner["spec"].get("replicas", 1) - len(pods)
        refusals = await asyncio.gather(*[self._create(owner) for _ in range(missing)])
        await asyncio.gather(*[self._delete(pod) for pod in pods[: max(0, -missing)]])
        refusal = next(filter(None, refusals), None)
        if refusal is not None:
            asyncio.get_running_loop().call_later(REFUSED_PAUSE_S, self._stirred.set)
        await self._tell(owner, refusal)

    def _pods_of(self, owner: dict[str, Any]) -> list[Pod]:
        return [pod for uid, pod in self._pods.items() if uid not in self._leaving and owner_of(pod) == uid_of(owner)]

    async def _create(self, owner: dict[str, Any]) -> str | None:
        """Why the API server refused it; None: it did not."""
        try:
            pod = await self._client.create(Pod.from_dict(_pod(owner)), namespace=self._namespace)
        except ApiError as error:
            return error.status.message
        except httpx2.TransportError as error:
            return repr(error)
        self._pods.setdefault(pod.metadata.uid, pod)
        return None

    async def _delete(self, pod: Pod) -> None:
        self._leaving.add(pod.metadata.uid)
        await insist(lambda: self._client.delete(Pod, pod.metadata.name, namespace=self._namespace))

    async def _collect_orphans(self) -> None:
        """What the garbage collector does when an owner is deleted."""
        for uid, pod in list(self._pods.items()):
            controller = next((each for each in pod.metadata.ownerReferences or [] if each.controller), None)
            mine = controller is not None and controller.kind == self._kind._api_info.resource.kind
            if mine and controller.uid not in self._owners and uid not in self._leaving:
                await self._delete(pod)

    async def _tell(self, owner: dict[str, Any], refusal: str | None) -> None:
        status = _status(owner, self._pods_of(owner), refusal)
        if self._told.get(uid_of(owner)) == status:
            return
        self._told[uid_of(owner)] = status
        name, patch = owner["metadata"]["name"], {"status": status}
        await insist(
            lambda: self._client.patch(
                self._kind.Status, name, patch, namespace=self._namespace, patch_type=PatchType.MERGE
            )
        )


def uid_of(owner: dict[str, Any]) -> str:
    return owner["metadata"]["uid"]


def owner_of(pod: Pod) -> str | None:
    return next((each.uid for each in pod.metadata.ownerReferences or [] if each.controller), None)


def _pod(owner: dict[str, Any]) -> dict[str, Any]:
    template, meta = owner["spec"]["template"], owner["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    reference |= {"controller": True, "blockOwnerDeletion": True}
    metadata = {
        **template.get("metadata", {}),
        "name": f"{meta['name']}-{secrets.token_hex(3)}",
        "ownerReferences": [reference],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def _status(owner: dict[str, Any], pods: list[Pod], refusal: str | None) -> dict[str, Any]:
    ready = sum(map(is_ready, pods))
    labels = owner["spec"]["template"].get("metadata", {}).get("labels", {})
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refusal}
    status = {
        "observedGeneration": owner["metadata"].get("generation", 0),
        "replicas": len(pods),
        "readyReplicas": ready,
        "conditions": [failure] if refusal else [],
    }
    if owner["kind"] == "Deployment":
        return {**status, "updatedReplicas": len(pods), "availableReplicas": ready}
    return {**status, "selector": ",".join(f"{name}={value}" for name, value in labels.items())}
