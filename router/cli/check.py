"""`maitre check`: is this configuration right, and if not, where. The one command that needs no running router.

Prints every problem on a line of its own, in the order of the files and lines, then one line that sums up. Exits 0 when
the configuration is right, 1 when it is not; a missing argument or an unknown option exits 2 (typer).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from router.cli.output import OutputFormat, formatted
from router.model.catalogue import Reading, read


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `check` has to say, free of how it is printed."""

    source: str
    reading: Reading

    @property
    def ok(self) -> bool:
        return not self.reading.problems

    def summary(self) -> str:
        """`digits.yaml: ok, 1 endpoint, 2 versions` or `conf: 3 problems in 2 of 5 files`."""
        problems, files = self.reading.problems, self.reading.files
        if self.ok:
            return f"{self.source}: ok, {_count(self._endpoints, 'endpoint')}, {_count(self._versions, 'version')}"
        wrong = {problem.source for problem in problems}
        where = f" in {len(wrong)} of {len(files)} files" if len(files) > 1 else ""
        return f"{self.source}: {_count(len(problems), 'problem')}{where}"

    def data(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "source": self.source,
            "ok": self.ok,
            "files": len(self.reading.files),
            "endpoints": self._endpoints,
            "versions": self._versions,
            "problems": [asdict(problem) for problem in self.reading.problems],
        }

    @property
    def _endpoints(self) -> int:
        return len(self.reading.catalogue.endpoints)

    @property
    def _versions(self) -> int:
        return sum(len(endpoint.spec.versions) for endpoint in self.reading.catalogue.endpoints.values())


def check(
    file: Annotated[Path, typer.Argument(help="A configuration file, or a directory of them.", show_default=False)],
    output: Annotated[OutputFormat, typer.Option("--output", "-o", help="How to print it.")] = OutputFormat.TABLE,
) -> None:
    """Validate configuration: every problem with file, line, key, value and what is allowed."""
    verdict = Verdict(str(file), read(file))
    table = "".join(f"{line}\n" for line in (*verdict.reading.problems, verdict.summary()))
    typer.echo(formatted(verdict.data(), table, output), nl=False)
    if not verdict.ok:
        raise typer.Exit(1)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
