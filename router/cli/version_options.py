"""The options by which a version is described, for all commands that do: one for each setting of the SDK.

Names are those of the SDK with dashes, but `--default` and `--control`, which say what a version becomes.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer


def _option(kind: Any, help: str, *names: str, metavar: str | None = None) -> Any:
    return Annotated[kind | None, typer.Option(*names, help=help, metavar=metavar, show_default=False)]


VERSION_OPTIONS: Final[Mapping[str, Any]] = {
    "command": _option(str, "Local processes, one per replica; {port} becomes the port to listen on.", metavar="WORDS"),
    "urls": _option(list[str], "A fixed replica; repeatable.", "--urls", "--url", metavar="URL"),
    "deployment": _option(str, "A Deployment in the cluster, and the port of its pods.", metavar="NAME:PORT"),
    "traffic_percentile": _option(float, "0 to 100; the default version takes what none claims.", metavar="PERCENT"),
    "default": _option(bool, "Becomes the default version, instead of the one that is.", "--default"),
    "control": _option(bool, "Becomes the control version, or a treatment.", "--control/--treatment"),
    "autoscale_enabled": _option(bool, "Whether it is scaled.", "--autoscale-enabled/--no-autoscale-enabled"),
    "autoscale_min_replicas": _option(int, "0: scaled to zero.", metavar="N"),
    "autoscale_max_replicas": _option(int, "Never more.", metavar="N"),
    "autoscale_target_utilization": _option(int, "Share of the slots to be in use, 1 to 100.", metavar="PERCENT"),
    "autoscale_refresh_period_seconds": _option(float, "Between two decisions.", metavar="SECONDS"),
    "autoscale_scale_down_window_seconds": _option(float, "Down to the most of this time.", metavar="SECONDS"),
    "replicas": _option(int, "A fixed size, instead of autoscaling.", metavar="N"),
    "max_concurrent_requests_per_replica": _option(int, "Slots of a replica.", metavar="N"),
    "max_queue_wait_ms": _option(int, "Longest wait for a slot.", metavar="MS"),
    "max_queue_length": _option(int, "Most requests that wait.", metavar="N"),
    "scoring_timeout_ms": _option(int, "Longest scoring.", metavar="MS"),
    "cold_start_timeout_ms": _option(int, "Longest wait for the first replica.", metavar="MS"),
    "scoring_path": _option(str, "On the replica.", metavar="PATH"),
    "readiness_path": _option(str, "On the replica.", metavar="PATH"),
    "collect_data": _option(bool, "Keep inputs and outputs.", "--collect-data/--no-collect-data"),
    "mirror_percentile": _option(float, "Share of the requests to get copies of.", metavar="PERCENT"),
}


def version_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, as the SDK's settings; what was not is left out."""
    said = {name: value for name, value in given.items() if value not in (None, [])}
    if "command" in said:
        said["command"] = _words(said["command"])
    if "default" in said:
        said["is_default"] = said.pop("default")
    if "control" in said:
        said["type"] = "control" if said.pop("control") else "treatment"
    return said


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise typer.BadParameter(f"--command: {error}") from None
