"""The objects of one kind, in one namespace or in all of them, and the workloads that are among them.

The kind is looked up first, again and again while it is unknown: a CustomResourceDefinition may come later. Then its
objects are followed. What cannot be followed from the start is a problem of its workloads; when contact is lost later,
they stay as they are known. Made and run by `workloads`, one for each kind and scope that somebody needs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from router.discovery.following import Following
from router.discovery.sighting import Sighting, WorkloadObject, followed_as
from router.discovery.workload import Workload
from router.kube.kinds import Kinds, KindUnusable

FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 60.0

Name = tuple[str, str]
"""Namespace and name."""


class FollowedKind:
    def __init__(self, api_version: str, kind: str, scope: str | None, *, kinds: Kinds, following: Following) -> None:
        self._api_version = api_version
        self._kind = kind
        self._scope = scope
        self._kinds = kinds
        self._following = following
        self._resource: type[Any] | None = None
        self._problem: str | None = None
        self._sightings: dict[Name, Sighting] | None = None  # None: not listed yet
        self._workloads: defaultdict[Name, list[Workload]] = defaultdict(list)

    def __bool__(self) -> bool:
        """Whether somebody needs it."""
        return bool(self._workloads)

    def add(self, workload: Workload) -> None:
        name = _name(workload)
        self._workloads[name].append(workload)
        if self._resource is not None:
            workload.resolved(self._resource)
        workload.kind_unusable(self._problem)
        if self._sightings is not None:
            workload.seen(self._sightings.get(name))

    def discard(self, workload: Workload) -> None:
        name = _name(workload)
        self._workloads[name].remove(workload)
        if not self._workloads[name]:
            del self._workloads[name]

    async def run(self) -> None:
        """Until cancelled."""
        self._resource = await self._resolve()
        for workload in self._all():
            workload.resolved(self._resource)
        await self._following.follow(followed_as(self._resource), self, self._scope)

    async def _resolve(self) -> type[Any]:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await self._kinds.scalable(self._api_version, self._kind)
            except KindUnusable as error:
                self._tell(str(error))
            await self._following.pause(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    # -- what the API server has --------------------------------------------------------------------------------------

    def replace(self, namespace: str | None, objects: Sequence[WorkloadObject]) -> None:
        self._sightings = {_name_of(object): Sighting.of(object) for object in objects}
        self._tell(None)
        for name, workloads in list(self._workloads.items()):
            for workload in workloads:
                workload.seen(self._sightings.get(name))

    def put(self, object: WorkloadObject) -> None:
        self._see(_name_of(object), Sighting.of(object))

    def remove(self, object: WorkloadObject) -> None:
        self._see(_name_of(object), None)

    def cut_off(self, reason: str) -> None:
        if self._sightings is None:
            self._tell(f"kind {self._kind} of {self._api_version} cannot be followed: {reason}")

    def _see(self, name: Name, sighting: Sighting | None) -> None:
        sightings = self._sightings if self._sightings is not None else {}
        if sighting is None:
            sightings.pop(name, None)
        else:
            sightings[name] = sighting
        for workload in list(self._workloads.get(name, ())):
            workload.seen(sighting)

    def _tell(self, problem: str | None) -> None:
        self._problem = problem
        for workload in self._all():
            workload.kind_unusable(problem)

    def _all(self) -> Iterator[Workload]:
        """Of a copy: who is told something may follow or release in answer."""
        return iter([workload for workloads in self._workloads.values() for workload in workloads])

    def __repr__(self) -> str:
        there = "not listed" if self._sightings is None else f"objects={len(self._sightings)}"
        return f"<FollowedKind {self._kind} of {self._api_version} in {self._scope or 'all namespaces'} {there}>"


def _name(workload: Workload) -> Name:
    return workload.namespace, workload.target.name


def _name_of(object: WorkloadObject) -> Name:
    return object.metadata.namespace, object.metadata.name
