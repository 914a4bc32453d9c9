"""What the status of resources is made from: live endpoints and the origins of the configuration, as plain views.

`Views` implements the reporter's `Board` over the fleet. Read on the event loop; nothing waits, nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from router.model.rules import default_version
from router.model.spec import EndpointKey
from router.serving.fleet import Fleet, LiveEndpoint
from router.serving.status import EndpointView, VersionView
from router.serving.version import LiveVersion
from router.store.configuration import Origin

RATE_S: Final = 10.0
"""Over at least so long a rate is taken, once requests have been counted for so long."""


class _Count(NamedTuple):
    at: float
    arrivals: int


class Views:
    """`standing` gives the status that stands in a resource, from the watch."""

    def __init__(self, fleet: Fleet, standing: Callable[[EndpointKey], Mapping[str, Any]]) -> None:
        self._fleet = fleet
        self.standing = standing
        self._counts: dict[EndpointKey, tuple[_Count, _Count]] = {}

    def reported(self) -> Iterable[EndpointKey]:
        return self._fleet.origins

    def uid(self, key: EndpointKey) -> str | None:
        origin = self._fleet.origins.get(key)
        return None if origin is None else origin.uid

    def mark(self, key: EndpointKey) -> Hashable:
        live = self._fleet.endpoint(key)
        versions = () if live is None else tuple(version.mark() for version in live.versions.values())
        return self._fleet.origins[key], versions

    def view(self, key: EndpointKey, now: float) -> EndpointView:
        origin, live = self._fleet.origins[key], self._fleet.endpoint(key)
        if live is None or live.source is None:
            return _refused(origin)
        spec = live.source.endpoint.spec
        return EndpointView(
            generation=origin.generation,
            problems=_problems(origin),
            conflicts=origin.conflict,
            key_problem=None if origin.key_problem is None else str(origin.key_problem),
            keys_coming=origin.keys_missing,
            keyed=spec.auth.uses_keys,
            versions=tuple(map(_version, live.versions.values())),
            default_version=default_version(spec.versions).name,
            rps=self._rps(key, live, now),
        )

    def _rps(self, key: EndpointKey, live: LiveEndpoint, now: float) -> float:
        """Requests per second of the last RATE_S to twice as long, of those that found a version."""
        count = _Count(now, sum(version.arrivals for version in live.versions.values()))
        since, later = self._counts.get(key, (count, count))
        if now - later.at >= RATE_S:
            since, later = later, count
        self._counts[key] = since, later
        if now <= since.at:
            return 0.0
        return max(0.0, (count.arrivals - since.arrivals) / (now - since.at))


def _refused(origin: Origin) -> EndpointView:
    return EndpointView(generation=origin.generation, problems=_problems(origin), conflicts=origin.conflict)


def _problems(origin: Origin) -> tuple[str, ...]:
    """Without the name of the resource, which the reader is looking at."""
    return tuple(": ".join(filter(None, (problem.key, problem.message))) for problem in origin.problems)


def _version(version: LiveVersion) -> VersionView:
    load = version.load()
    return VersionView(
        name=version.version,
        traffic=load.traffic_percentile,
        ready=load.total,
        desired=load.desired,
        busy=load.busy,
        may_be_empty=load.desired == 0,
        workload=version.workload(),
    )
