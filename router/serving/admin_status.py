"""How an endpoint is doing, as the admin API shows it: where it is called, who gets what share, how busy it is here.

Implements the admin API's `Statuses` over the fleet. Read on the event loop; nothing waits, nothing is changed. Numbers
of requests are those of this router; in a cluster each has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from router.model.rules import default_version
from router.model.spec import EndpointKey
from router.serving.fleet import Fleet, LiveEndpoint
from router.serving.scaling import shown
from router.serving.version import LastDecision, LiveVersion
from router.store.configuration import Origin
from router.telemetry.source import VersionLoad

Conditions = Callable[[EndpointKey], Sequence[Mapping[str, Any]]]


class LiveStatuses:
    """`data_url`: where clients reach this router, without a path. `conditions`: of the resource, in a cluster."""

    def __init__(self, fleet: Fleet, data_url: Callable[[], str], conditions: Conditions | None = None) -> None:
        self._fleet = fleet
        self._data_url = data_url
        self._conditions = conditions

    def status(self, key: EndpointKey) -> Mapping[str, Any] | None:
        live, origin = self._fleet.endpoint(key), self._fleet.origins.get(key)
        if live is None and origin is None:
            return None
        namespace, name = key
        about: dict[str, Any] = {"name": name, "namespace": namespace}
        about |= {"configured": live is not None, "problems": self._problems(origin), "versions": []}
        if live is not None and live.source is not None:
            about |= self._live(live)
        if self._conditions is not None:
            about["conditions"] = [dict(condition) for condition in self._conditions(key)]
        return about

    def _problems(self, origin: Origin | None) -> list[str]:
        """Files are not known by endpoint: there, all of the newest configuration, each with its file and line."""
        if origin is None:
            return list(self._fleet.problems())
        key_problem = () if origin.key_problem is None else (origin.key_problem,)
        return [str(problem) for problem in (*origin.problems, *key_problem)]

    def _live(self, live: LiveEndpoint) -> dict[str, Any]:
        assert live.source is not None  # noqa: S101  the caller has looked
        spec = live.source.endpoint.spec
        default = default_version(spec.versions).name
        return {
            "scoringUri": f"{self._data_url()}/api/v1/service/{live.label}/score",
            "hosts": list(spec.hosts),
            "authMode": spec.auth.mode,
            "versions": [_version(version, name == default) for name, version in live.versions.items()],
        }


def _version(version: LiveVersion, is_default: bool) -> dict[str, Any]:
    load, present = version.load(), version.present
    return {
        "name": version.version,
        "isDefault": is_default,
        "type": version.spec.type,
        "trafficShare": load.traffic_percentile,
        "state": _state(load, present),
        "replicas": {"current": max(present, load.total), "ready": load.total, "busy": load.busy},
        "desiredReplicas": load.desired,
        "inFlight": load.in_flight,
        "queued": load.queued,
        "utilization": load.utilization,
        "lastDecision": _decision(version.last_decision),
    }


def _state(load: VersionLoad, present: int) -> str:
    if load.total:
        return "ready"
    if load.desired == 0:
        return "scaled_to_zero"
    return "starting" if present else "not_ready"


def _decision(last: LastDecision | None) -> dict[str, Any] | None:
    return None if last is None else {"at": last.at.isoformat(), **shown(last.decision)}
