"""An endpoint and how it stands, in the three forms of output. Used by `maitre endpoint` and `maitre version`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from router.cli.columns import columns
from router.cli.output import OutputFormat, formatted
from router.client.endpoint import Endpoint
from router.client.values import Status

HEADER = ("VERSION", "SHARE", "MARKS", "STATE", "READY", "DESIRED", "BUSY", "IN FLIGHT", "QUEUED")


def show_endpoint(endpoint: Endpoint, output: OutputFormat) -> None:
    """For programs: the resource, and its status beside metadata and spec."""
    status = endpoint.status()
    data = {**endpoint.serialize(), "status": _data(status)}
    typer.echo(formatted(data, _table(status), output), nl=False)


def _table(status: Status) -> str:
    lines = [f"{status.name}  auth {status.auth_mode}  {status.scoring_uri or 'not served yet'}"]
    lines += [f"problem: {problem}" for problem in status.problems]
    rows = [
        (
            version.name,
            f"{version.traffic_share:g}%",
            ",".join(["default"] * version.is_default + ["control"] * (version.type == "control")) or "-",
            version.state,
            version.ready,
            version.desired,
            version.busy,
            version.in_flight,
            version.queued,
        )
        for version in status.versions
    ]
    return "".join(f"{line}\n" for line in lines) + columns(HEADER, rows)


def _data(status: Status) -> dict[str, Any]:
    said = asdict(status)
    said["hosts"], said["problems"], said["versions"] = map(list, (status.hosts, status.problems, said["versions"]))
    return {_key(key): _camel(value) for key, value in said.items()}


def _camel(value: Any) -> Any:
    """Keys as everywhere in what is printed."""
    if isinstance(value, dict):
        return {_key(key): _camel(each) for key, each in value.items()}
    return [_camel(each) for each in value] if isinstance(value, list | tuple) else value


def _key(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
