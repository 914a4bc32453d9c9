"""What the replicas of one version run: the command, where, and in which environment.

`{port}` in the command stands for the replica's port; other braces are left alone. A command that cannot be started is
found out here, before a process is made, so that the message can name it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from router.discovery.roster import ReplicaTls
from router.errors import ReplicaFailed


@dataclass(frozen=True, slots=True)
class Program:
    """The command of one version; durations are in seconds."""

    endpoint: str
    version: str
    command: tuple[str, ...]
    directory: Path
    readiness_path: str = "/"
    startup_s: float = 120.0  # a start that is not ready by then has failed
    grace_s: float = 5.0  # between SIGTERM and SIGKILL
    tls: ReplicaTls | None = None  # how the process is spoken to; None: in the clear

    @property
    def label(self) -> str:
        """How logs name the version."""
        return f"{self.endpoint}/{self.version}"

    def arguments(self, port: int) -> list[str]:
        """The command for one replica. ReplicaFailed when the system could not start it."""
        arguments = [part.replace("{port}", str(port)) for part in self.command]
        if not arguments:
            raise ReplicaFailed(f"{self.label}: the command is empty")
        if not self.directory.is_dir():
            raise ReplicaFailed(f"{self.label}: the command's directory {self.directory} does not exist")
        self._must_be_startable(arguments[0])
        return arguments

    def environment(self, replica: str, port: int, inherited: Mapping[str, str]) -> dict[str, str]:
        """The inherited one without the router's own settings, which may hold its admin token."""
        kept = {name: value for name, value in inherited.items() if not name.startswith("MAITRE_")}
        return kept | {
            "MAITRE_ENDPOINT": self.endpoint,
            "MAITRE_VERSION": self.version,
            "MAITRE_REPLICA": replica,
            "PORT": str(port),
        }

    def _must_be_startable(self, name: str) -> None:
        """Looks where the system will look: a name with a slash in the directory, any other one on the PATH."""
        path = self.directory / name
        if os.sep not in name:
            if shutil.which(name) is None:
                raise ReplicaFailed(f"{self.label}: command {name!r} is not on the PATH")
        elif not path.exists():
            raise ReplicaFailed(f"{self.label}: command {name!r} does not exist in {self.directory}")
        elif not (path.is_file() and os.access(path, os.X_OK)):
            raise ReplicaFailed(f"{self.label}: command {name!r} in {self.directory} is not an executable file")
