"""`maitre admin-token`: shows or changes the token of the admin port, on the machine where the router runs.

It works on the file alone, by the options that `serve` has for it, and asks no router; one that runs takes a new token
with the next request. Exits 0, 1 when the file cannot be used, 2 for wrong options. Mounted by `cli/main.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from router.admin import admin_token
from router.cli.output import OutputFormat, formatted
from router.errors import AdminTokenRefused
from router.settings import default_state_dir

StateDir = Annotated[Path, typer.Option(help="That of the router.", envvar="MAITRE_STATE_DIR")]
AdminTokenFile = Annotated[
    Path | None,
    typer.Option(help="The file that the router was told of, if it was.", envvar="MAITRE_ADMIN_TOKEN_FILE"),
]
Output = Annotated[OutputFormat, typer.Option("--output", "-o", help="How to print it.")]

app = typer.Typer(no_args_is_help=True, help="The token of the admin port, in its file on this machine.")


@app.command()
def show(
    state_dir: StateDir = default_state_dir(),  # noqa: B008  so that --help shows it
    admin_token_file: AdminTokenFile = None,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Print the token."""
    path = admin_token.token_path(state_dir, admin_token_file)
    with _told():
        token = admin_token.read(path)
    typer.echo(formatted({"file": str(path), "token": token}, f"{token}\n", output), nl=False)


@app.command()
def rotate(
    state_dir: StateDir = default_state_dir(),  # noqa: B008
    admin_token_file: AdminTokenFile = None,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Write a new token. The one before is refused at once, also by a router that runs."""
    path = admin_token.token_path(state_dir, admin_token_file)
    with _told():
        admin_token.rotate(path)
    typer.echo(formatted({"file": str(path)}, f"{path}: a new admin token\n", output), nl=False)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except AdminTokenRefused as refused:
        typer.echo(f"maitre: {refused}", err=True)
        raise typer.Exit(1) from None
