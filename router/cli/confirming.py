"""Asking before what cannot be taken back. A script, which nobody can ask, says --yes."""

from __future__ import annotations

import sys
from typing import Annotated, TypeAlias

import typer

Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def confirm(question: str, *, yes: bool) -> None:
    """Returns when the answer is yes; exits 1 when it is no, 2 where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} There is no terminal to ask on: say --yes.")
    if not typer.confirm(question):
        typer.echo("nothing was changed", err=True)
        raise typer.Exit(1)
