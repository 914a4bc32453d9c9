"""`maitre logs`: what the replicas of a version write, each line with the name of its replica before it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from router.cli.connecting import api_command
from router.cli.endpoint import Name, Namespace
from router.cli.output import Output, OutputFormat
from router.client.endpoint import Endpoint
from router.client.maitre import Maitre


@api_command()
def logs(
    maitre: Maitre,
    name: Name,
    version: Annotated[str | None, typer.Option(help="Which one; needed where there are several.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with the lines to come, until interrupted.")] = False,
    tail: Annotated[int, typer.Option(min=1, help="How many of the last lines.")] = 100,
    namespace: Namespace = None,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Print what the replicas of a version write."""
    endpoint = maitre.endpoint(name, namespace)
    wanted = version or _only_version(endpoint)
    lines = endpoint.follow_logs(wanted, tail) if follow else iter(endpoint.get_logs(wanted, tail).splitlines())
    try:
        for line in lines:
            typer.echo(_shown(line, output))
    except KeyboardInterrupt:  # the way to end --follow
        return


def _only_version(endpoint: Endpoint) -> str:
    names = list(endpoint.versions)
    if len(names) > 1:
        raise typer.BadParameter(f"say which version: --version {'|'.join(names)}")
    return names[0]


def _shown(line: str, output: OutputFormat) -> str:
    """For programs an object per line, as soon as that is there: JSON lines, or entries of a YAML list."""
    if output is OutputFormat.TABLE:
        return line
    replica, _, text = line.partition(" ")
    entry = json.dumps({"replica": replica, "line": text})
    return entry if output is OutputFormat.JSON else f"- {entry}"
