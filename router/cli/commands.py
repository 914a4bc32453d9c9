"""The commands by name, each loaded when it is called, so that `maitre --help` need not wait for all that they import.

The summaries stand here a second time for the same reason; a test holds them against the commands' own.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperGroup


class Lazy(NamedTuple):
    """Where a command is: a function, or an application with commands of its own."""

    module: str
    attribute: str
    summary: str


COMMANDS: Final = {
    "serve": Lazy(
        "router.cli.serve", "serve", "Route, authenticate, split, queue and scale: on this machine, or in a cluster."
    ),
    "check": Lazy(
        "router.cli.check",
        "check",
        "Validate configuration: every problem with file, line, key, value and what is allowed.",
    ),
    "endpoint": Lazy("router.cli.endpoint", "app", "Create, list, show, update and delete endpoints."),
    "version": Lazy("router.cli.version", "app", "Create, update and delete the versions of an endpoint."),
    "keys": Lazy("router.cli.keys", "app", "Show the keys of an endpoint, and replace one of them."),
    "token": Lazy("router.cli.token", "token", "Get a token to score an endpoint with."),
    "invoke": Lazy("router.cli.invoke", "invoke", "Score once, with the endpoint's own credential."),
    "logs": Lazy("router.cli.logs", "logs", "Print what the replicas of a version write."),
    "top": Lazy("router.cli.top", "top", "Watch endpoints and versions: load, latency, replicas."),
    "admin-token": Lazy("router.cli.admin_token", "app", "The token of the admin port, in its file on this machine."),
    "replicas": Lazy(
        "router.cli.replicas",
        "replicas",
        "How many replicas a load needs: rps × seconds / utilization / concurrency, rounded up.",
    ),
    "crd": Lazy(
        "router.cli.crd", "crd", "Print the CustomResourceDefinition of ScoringEndpoints, for `kubectl apply -f -`."
    ),
}


class LazyGroup(TyperGroup):
    """The commands of the table, loaded one at a time."""

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in COMMANDS.items()])


def application(**settings: Any) -> typer.Typer:
    """An application that speaks like the others: help and errors as plain text, because they end up in logs."""
    return typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **settings,
    )


def load(name: str) -> Any:
    """The command of this name, which must be one of the table's."""
    lazy = COMMANDS[name]
    found = getattr(import_module(lazy.module), lazy.attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(rich_markup_mode=None, add_completion=False)
        alone.command(name)(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name
    return command
