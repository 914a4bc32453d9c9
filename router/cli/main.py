"""The command `maitre`: its commands are listed in `commands.py`, and each has a module of its own."""

from __future__ import annotations

import typer

from router import __version__
from router.cli.commands import LazyGroup, application

app = application(name="maitre", cls=LazyGroup, help="Front-end router for machine-learning models.")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"maitre {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print it."),
) -> None:
    pass


def main() -> None:
    app()
