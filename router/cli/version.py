"""`maitre version`: the versions of an endpoint."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import typer

from router.cli.commands import application
from router.cli.confirming import Yes, confirm
from router.cli.connecting import api_command
from router.cli.endpoint import Name, Namespace
from router.cli.output import Output, OutputFormat
from router.cli.showing import show_endpoint
from router.cli.version_options import VERSION_OPTIONS, version_settings
from router.client.maitre import Maitre

app = application(help="Create, update and delete the versions of an endpoint.")

Version: TypeAlias = Annotated[str, typer.Argument(metavar="VERSION", help="Of the version.", show_default=False)]


@app.command()
@api_command(**VERSION_OPTIONS)
def create(
    maitre: Maitre,
    name: Name,
    version: Version,
    namespace: Namespace = None,
    output: Output = OutputFormat.TABLE,
    **settings: Any,
) -> None:
    """Add a version, the sixth at most."""
    endpoint = maitre.endpoint(name, namespace)
    endpoint.create_version(version, **version_settings(settings))
    show_endpoint(endpoint, output)


@app.command()
@api_command(**VERSION_OPTIONS)
def update(
    maitre: Maitre,
    name: Name,
    version: Version,
    namespace: Namespace = None,
    output: Output = OutputFormat.TABLE,
    **settings: Any,
) -> None:
    """Change what is said of a version, and nothing else; --default and --control take the mark from who has it."""
    said = version_settings(settings)
    if not said:
        raise typer.BadParameter("say what is to change, as --traffic-percentile 40")
    endpoint = maitre.endpoint(name, namespace)
    endpoint.update_version(version, **said)
    show_endpoint(endpoint, output)


@app.command()
@api_command()
def delete(
    maitre: Maitre,
    name: Name,
    version: Version,
    new_default: Annotated[
        str | None, typer.Option(help="The next default, if this one is.", metavar="VERSION")
    ] = None,
    namespace: Namespace = None,
    yes: Yes = False,
) -> None:
    """Delete a version; the default one only if the next is named."""
    endpoint = maitre.endpoint(name, namespace)
    confirm(f"Delete version {version} of {name}?", yes=yes)
    endpoint.delete_version(version, new_default)
