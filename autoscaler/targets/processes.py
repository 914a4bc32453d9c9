"""Local processes as a scale target. The group starts and ends them on its own; asking for a size takes no time."""

from __future__ import annotations

from typing import Protocol


class ProcessGroup(Protocol):
    """The processes of one version, one per replica."""

    @property
    def size(self) -> int:
        """The number of processes asked for."""

    def resize(self, replicas: int) -> None:
        """Ask for another number; starting and ending happens in the background. Raises when that is refused."""


class ProcessTarget:
    """A `ScaleTarget` over a process group."""

    def __init__(self, group: ProcessGroup) -> None:
        self._group = group

    def __repr__(self) -> str:
        return f"<ProcessTarget size={self._group.size}>"

    async def scale(self, replicas: int) -> None:
        self._group.resize(replicas)

    def current(self) -> int:
        return self._group.size
