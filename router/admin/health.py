"""What the health paths answer, from what the router says of itself.

`/healthz` asks whether the process should be let live, `/readyz` whether traffic should come here. A configuration that
was edited and refused does not take readiness away, since the last good one serves on; it is told in the detail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, Protocol

MAX_PROBLEMS: Final = 100
"""How many problems the detail spells out; a directory of 10,000 files can have more than a probe wants to read."""

Answer = tuple[HTTPStatus, dict[str, Any]]


class Phase(StrEnum):
    """Where the process is in its life; it only ever moves forward."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class HealthPort(Protocol):
    """What the health paths ask of the router."""

    @property
    def phase(self) -> Phase: ...
    @property
    def configured(self) -> bool:
        """Whether a configuration is in force, be it the newest or an older one."""

    def problems(self) -> Sequence[str]:
        """What is wrong with the newest configuration, a line each with file, line, key and value."""

    def cluster(self) -> Mapping[str, Any] | None:
        """In a cluster, how the router stands there: for the detail, without a say in readiness."""


def liveness(health: HealthPort) -> Answer:
    """503 while draining: the process is going, and nobody should wait for it to come back."""
    if health.phase is Phase.DRAINING:
        return HTTPStatus.SERVICE_UNAVAILABLE, {"status": Phase.DRAINING.value}
    return HTTPStatus.OK, {"status": "ok"}


def readiness(health: HealthPort) -> Answer:
    """200 only while serving under some configuration. The detail is the same either way.

    `status`: starting, unconfigured, ready or draining. `configuration`: current, stale (the newest was refused, an
    older one is in force) or none. `problems`: up to MAX_PROBLEMS of the newest configuration's; `problemCount`: all.
    `kubernetes`, in a cluster: a router that the API server does not answer is ready, it serves what it knows.
    """
    problems = health.problems()
    status = _readiness_status(health)
    detail: dict[str, Any] = {
        "status": status,
        "configuration": _configuration(health, problems),
        "problemCount": len(problems),
        "problems": list(problems[:MAX_PROBLEMS]),
    }
    if (cluster := health.cluster()) is not None:
        detail["kubernetes"] = dict(cluster)
    return HTTPStatus.OK if status == "ready" else HTTPStatus.SERVICE_UNAVAILABLE, detail


def _readiness_status(health: HealthPort) -> str:
    if health.phase is not Phase.SERVING:
        return health.phase.value
    return "ready" if health.configured else "unconfigured"


def _configuration(health: HealthPort, problems: Sequence[str]) -> str:
    if not health.configured:
        return "none"
    return "stale" if problems else "current"
