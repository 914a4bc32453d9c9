"""What the replicas of a version print, for the admin API: the last lines, then, for who follows, those that come.

Implements the admin API's `Logs`. Of local processes their version keeps what they print (`RecentLines`); pods are read
when somebody asks (`pod_logs`). Fixed urls have none here, and the refusal says who has. In a line of the router itself
`-` stands for the replica: that lines are missing is said there.

Made by the composition root. Who follows comes to the end when the version goes, so also when the fleet is closed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from router.discovery.output import RecentLines
from router.errors import EndpointUnknown, NoLogs, VersionUnknown
from router.model.spec import EndpointKey
from router.serving.fleet import Fleet
from router.serving.lines import ROOM, line_reader, lines_of
from router.serving.version import LiveVersion


class VersionLogs:
    def __init__(self, fleet: Fleet, room: int = ROOM) -> None:
        self._fleet = fleet
        self._room = room

    def lines(self, key: EndpointKey, version: str, tail: int, follow: bool) -> AsyncGenerator[str, None]:
        live = self._version(key, version)
        if live.spec.target.command is not None:
            return self._printed(live.printed, tail, follow)
        if live.spec.target.deployment is None:
            raise NoLogs(f"version {version} has fixed urls: whoever runs what is there has its logs")
        return live.pod_lines(tail, follow)

    def _version(self, key: EndpointKey, version: str) -> LiveVersion:
        namespace, name = key
        live = self._fleet.endpoint(key)
        if live is None:
            raise EndpointUnknown(f"there is no endpoint {name} in force in namespace {namespace}")
        if version not in live.versions:
            raise VersionUnknown(f"the endpoint {name} has no version {version!r} in force")
        return live.versions[version]

    async def _printed(self, printed: RecentLines, tail: int, follow: bool) -> AsyncGenerator[str, None]:
        """From its first step on it follows, and so misses nothing between the past and what comes."""
        last = list(printed)
        reader = line_reader(printed.leave, last[max(0, len(last) - tail) :], self._room)
        if follow:
            printed.follow(reader)
        else:
            reader.close()
        try:
            async for line in lines_of(reader):
                yield line
        finally:
            reader.close()
