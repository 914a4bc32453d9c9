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
from router.store.settling import Settling

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
        self._statuses: dict[EndpointKey, Mapping[str, Any]] = {}
        self._settling: Settling[EndpointKey, Judged] = Settling(claims=_claims, order=_seniority)
        self._wishes: dict[EndpointKey, Judged] = {}
        """What is right by itself and not in force."""
        self._rivals: dict[EndpointKey, tuple[EndpointKey, ...]] = {}
        self._unsettled: set[EndpointKey] = set()

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
        if before is not None and before.uid != metadata["uid"]:
            self._forget(key)
        self._statuses[key] = object.get("status", {})
        if before is not None and (before.uid, before.generation) == (metadata["uid"], metadata["generation"]):
            return
        newest = self._newest[key] = _with_known(judge(object), self._settling.in_force.get(key))
        if newest.endpoint is not None:
            self._wishes[key] = newest
        else:
            self._wishes.pop(key, None)
        self._unsettled.add(key)
        self._changed()

    def remove(self, object: Resource) -> None:
        if _key(object) in self._newest:
            self._forget(_key(object))

    def _forget(self, key: EndpointKey) -> None:
        del self._newest[key], self._statuses[key]
        self._wishes.pop(key, None)
        self._settling.remove(key)
        self._unsettled.add(key)
        self._changed()

    # -- what is in force ---------------------------------------------------------------------------------------------

    def settle(self) -> set[EndpointKey]:
        """Brings into force what can be; returns whose standing may have changed."""
        touched = self._unsettled | self._wishes.keys()
        self._rivals = self._settling.settle(self._wishes)
        self._wishes = {key: self._wishes[key] for key in self._rivals}
        self._unsettled = set()
        return touched

    def standing(self, key: EndpointKey) -> Standing | None:
        """As it was settled last; None where there is no such resource."""
        newest = self._newest.get(key)
        if newest is None:
            return None
        in_force = self._settling.in_force
        conflicts = _conflicts(newest, [in_force[rival] for rival in self._rivals.get(key, ())])
        endpoint = in_force[key].endpoint if key in in_force else None
        return Standing(newest, endpoint, newest.problems or conflicts, bool(conflicts))

    def status(self, key: EndpointKey) -> Mapping[str, Any]:
        """As it is written in the resource; empty where there is none."""
        return self._statuses.get(key, {})

    def __repr__(self) -> str:
        return f"<Endpoints resources={len(self._newest)} in_force={len(self._settling.in_force)}>"


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
