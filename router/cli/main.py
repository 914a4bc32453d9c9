"""The command `maitre`: collects the commands, each of which has a module of its own."""

from __future__ import annotations

import typer

from router import __version__
from router.cli.admin_token import app as admin_token
from router.cli.check import check
from router.cli.crd import crd
from router.cli.replicas import replicas
from router.cli.serve import serve

app = typer.Typer(
    name="maitre",
    help="Front-end router for machine-learning models.",
    no_args_is_help=True,
    rich_markup_mode=None,  # help and errors as plain text, also in a terminal: they end up in logs and issues
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"maitre {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print it."),
) -> None:
    pass


app.command()(serve)
app.command()(check)
app.command()(replicas)
app.command()(crd)
app.add_typer(admin_token, name="admin-token")


def main() -> None:
    app()
