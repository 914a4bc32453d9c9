"""podman with a storage of its own: builds images, starts containers, and leaves neither behind.

Containers run as the restricted profile of Kubernetes has it: no capability, no new privileges, the default seccomp
profile, a root file system that is read-only; and stricter in that nothing else is writable either. They share the
network with the host, so that no network has to be set up.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

END_S = 30

RESTRICTED = [
    *("--network", "host", "--cap-drop", "all", "--security-opt", "no-new-privileges"),
    *("--read-only", "--read-only-tmpfs=false"),
    # podman's own wishes are more than root without CAP_SYS_RESOURCE may grant
    *("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"),
]


class Podman:
    """Below `directory`. Leave the context to unmount what it mounted."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = 0
        self._command = [
            *("podman", "--root", str(directory / "storage"), "--runroot", str(directory / "run")),
            *("--tmpdir", str(directory / "tmp"), "--storage-driver", "overlay"),
            *("--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "none"),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self("rm", "--all", "--force", "--time", "0")
        subprocess.run(["umount", "--lazy", self._directory / "storage" / "overlay"], check=False, capture_output=True)

    def __call__(self, *arguments: str | Path) -> str:
        """Standard output of that command. Raises AssertionError with all that a command which failed said."""
        done = subprocess.run([*self._command, *arguments], check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"podman {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(
        self, image: str, *command: str, entrypoint: str | None = None, mounts: tuple[str, ...] = ()
    ) -> Container:
        """Each mount is `host path:path in the container:ro`."""
        self._number += 1
        name = f"container-{self._number}"
        options = [*RESTRICTED, "--rm", "--name", name]
        options += [f"--volume={mount}" for mount in mounts]
        options += [] if entrypoint is None else ["--entrypoint", entrypoint]
        return Container(
            self, name, [*self._command, "run", *options, image, *command], self._directory / f"{name}.log"
        )

    def says(self, image: str, program: str) -> str:
        """What a program of the router's own Python prints."""
        with self.start(image, "-c", program, entrypoint="python") as container:
            return container.output()


class Container:
    """Runs from the start of the context to its end, at the latest."""

    def __init__(self, podman: Podman, name: str, command: list[str], log: Path) -> None:
        self._podman = podman
        self._name = name
        self._log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._process:
            if self._process.poll() is None:
                self._podman("rm", "--force", "--ignore", "--time", "0", self._name)

    @property
    def log(self) -> str:
        """What it wrote to standard error until now."""
        return self._log.read_text()

    def line(self) -> str:
        """The next line of standard output; empty when it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def output(self) -> str:
        """All of standard output, once it has ended well."""
        assert self._process.stdout is not None
        output = self._process.stdout.read()
        assert self.wait() == 0, self.log
        return output

    def wait(self) -> int:
        """The exit code, once it has ended."""
        return self._process.wait()

    def stop(self) -> int:
        """Sends the signal that the image names, and returns the exit code; 137 when it had to be killed."""
        self._podman("stop", "--time", str(END_S), self._name)
        return self.wait()
