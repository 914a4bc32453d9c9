"""Waiting until an endpoint can answer: what is looked for, how often, and what is said meanwhile.

Called by `Endpoint.wait_for_deployment`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from router.client.admin_api import AdminApi, Name
from router.client.errors import NotDeployed
from router.client.steps import Pause, Steps
from router.client.values import Status, VersionStatus

FIRST_PAUSE_S: Final = 0.25
GROWTH: Final = 1.5
LONGEST_PAUSE_S: Final = 5.0


def wait_until_able(
    api: AdminApi, which: Name, timeout_s: float, clock: Callable[[], float], say: Callable[[str], None]
) -> Steps[Status]:
    """Asks for the status, in pauses that grow, until every version is able to answer; says what it is like whenever
    that has changed. Raises NotDeployed when the configuration was refused, or after `timeout_s` seconds."""
    deadline = clock() + timeout_s
    pause_s, told = FIRST_PAUSE_S, ""
    while True:
        status = yield from api.status(which)
        if (words := summary(status)) != told:
            say(words)
            told = words
        if status.configured and status.versions and all(version.is_able for version in status.versions):
            return status
        if not status.configured and status.problems:
            raise NotDeployed(f"{which.name} is not in force: {'; '.join(status.problems)}", code="not_configured")
        left_s = deadline - clock()
        if left_s <= 0:
            reason = "; ".join(status.problems) or "see get_logs, or `maitre logs`"
            raise NotDeployed(f"after {timeout_s:g} s, {words}: {reason}", code="not_ready")
        yield Pause(min(pause_s, left_s))
        pause_s = min(pause_s * GROWTH, LONGEST_PAUSE_S)


def summary(status: Status) -> str:
    """`digits: blue 2 of 2 ready, green starting (0 of 1 ready)`."""
    return f"{status.name}: {', '.join(map(_version, status.versions)) or 'no version is in force yet'}"


def _version(version: VersionStatus) -> str:
    wanted = version.current if version.desired is None else version.desired
    ready = f"{version.ready} of {wanted} ready"
    return f"{version.name} {ready}" if version.is_able else f"{version.name} {version.state or 'waiting'} ({ready})"
