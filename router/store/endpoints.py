"""ScoringEndpoint resources as they come from the API server, and which generation of each is in force.

A sink for a reflector. Each generation is judged once, when it comes. One that is wrong, or wants what another endpoint
has, leaves the last good one of the same resource (the same uid) in force. A resource that was never good is not
served; one that is gone is gone. Labels and annotations are those of when a generation was first seen: the router reads
none.

Pure but for who is told of changes. Owned by `ResourceStore`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from router.model.interpreting import Place
from router.model.parsing import Claim, claimed_twice, located_claims
from router.model.problems import Problem
from router.model.resource import interpret_resource, source_of
from router.model.spec import EndpointKey, ScoringEndpoint
from router.store.settling import settle

Resource = Mapping[str, Any]
"""As JSON has it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One generation of a resource: the endpoint that it describes, or what is wrong with it."""

    source: str
    uid: str
    generation: int
    created: str
    """RFC 3339 in UTC, as the API server writes it: texts are in the order of times."""
    endpoint: ScoringEndpoint | None
    claims: tuple[Claim, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of the newest generation of a resource."""

    newest: Judged
    in_force: ScoringEndpoint | None
    problems: tuple[Problem, ...]
    conflict: bool
    """The problems are those with other endpoints."""


class Endpoints:
    """All of the resources in the namespaces that are followed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._newest: dict[EndpointKey, Judged] = {}
        self._in_force: dict[EndpointKey, Judged] = {}

    # -- the sink -----------------------------------------------------------------------------------------------------

    def replace(self, namespace: str | None, objects: Sequence[Resource]) -> None:
        there = {_key(resource) for resource in objects}
        for key in [key for key in self._newest if namespace in (None, key[0]) and key not in there]:
            self._forget(key)
        for resource in objects:
            self.put(resource)

    def put(self, object: Resource) -> None:
        key, metadata = _key(object), object["metadata"]
        before = self._newest.get(key)
        if before is not None and (before.uid, before.generation) == (metadata["uid"], metadata["generation"]):
            return
        if before is not None and before.uid != metadata["uid"]:
            self._forget(key)
        self._newest[key] = _with_known(judge(object), self._in_force.get(key))
        self._changed()

    def remove(self, object: Resource) -> None:
        if _key(object) in self._newest:
            self._forget(_key(object))

    def _forget(self, key: EndpointKey) -> None:
        del self._newest[key]
        self._in_force.pop(key, None)
        self._changed()

    # -- what is in force ---------------------------------------------------------------------------------------------

    def settle(self) -> Iterable[tuple[EndpointKey, Standing]]:
        """Brings into force what can be, and says of each resource where it stands."""
        good = {key: newest for key, newest in self._newest.items() if newest.endpoint is not None}
        settled = settle(self._in_force | good, self._in_force, claims=_claims, order=_seniority)
        self._in_force = settled.in_force
        for key, newest in self._newest.items():
            rivals = settled.refused.get(key, ())
            conflicts = _conflicts(newest, [self._in_force[rival] for rival in rivals]) if rivals else ()
            in_force = judged.endpoint if (judged := self._in_force.get(key)) is not None else None
            yield key, Standing(newest, in_force, newest.problems or conflicts, bool(conflicts))

    def __repr__(self) -> str:
        return f"<Endpoints resources={len(self._newest)} in_force={len(self._in_force)}>"


def judge(resource: Resource) -> Judged:
    """Never raises for what the resource holds."""
    source, metadata = source_of(resource), resource["metadata"]
    interpreted = interpret_resource(resource)
    endpoint, problems = interpreted.endpoint, interpreted.problems
    claims: tuple[Claim, ...] = ()
    if endpoint is not None:
        claims = tuple(located_claims(endpoint, Place(resource, source)))
        problems = tuple(claimed_twice(source, claims))
    if problems:
        endpoint, claims = None, ()
    created = metadata["creationTimestamp"]
    return Judged(source, metadata["uid"], metadata["generation"], created, endpoint, claims, problems)


def _with_known(judged: Judged, in_force: Judged | None) -> Judged:
    """The same with the very object that is in force, if it is equal: whoever serves sees at a glance what stayed."""
    if in_force is not None and judged.endpoint == in_force.endpoint:
        return replace(judged, endpoint=in_force.endpoint)
    return judged


def _conflicts(refused: Judged, rivals: Iterable[Judged]) -> tuple[Problem, ...]:
    holders = {claim.what: rival for rival in rivals for claim in rival.claims}
    return tuple(
        Problem(refused.source, None, claim.key, None, f"{claim.what} is taken already, by {holder.source}")
        for claim in refused.claims
        if (holder := holders.get(claim.what)) is not None
    )


def _key(resource: Resource) -> EndpointKey:
    return resource["metadata"]["namespace"], resource["metadata"]["name"]


def _claims(judged: Judged) -> Iterable[str]:
    return (claim.what for claim in judged.claims)


def _seniority(judged: Judged) -> tuple[str, str]:
    return judged.created, judged.source
