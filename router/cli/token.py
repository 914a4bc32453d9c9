"""`maitre token`: a token to score with. In table form it prints the token alone, so that a script can take it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from router.cli.connecting import api_command
from router.cli.endpoint import Name, Namespace
from router.cli.output import Output, OutputFormat, formatted
from router.client.maitre import Maitre


@api_command()
def token(
    maitre: Maitre,
    name: Name,
    expires_in_seconds: Annotated[
        int | None, typer.Option(min=60, max=86_400, help="How long it is good.", show_default="12 hours")
    ] = None,
    namespace: Namespace = None,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Get a token to score an endpoint with."""
    made = maitre.endpoint(name, namespace).get_token(expires_in_seconds)
    typer.echo(formatted(asdict(made), f"{made.access_token}\n", output), nl=False)
