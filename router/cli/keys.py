"""`maitre keys`: the two keys of an endpoint. A key never stands in the arguments, where any process could read it."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from router.cli.columns import columns
from router.cli.commands import application
from router.cli.confirming import Yes, confirm
from router.cli.connecting import api_command
from router.cli.endpoint import Name, Namespace
from router.cli.output import Output, OutputFormat, formatted
from router.client.maitre import Maitre
from router.client.values import Keys

app = application(help="Show the keys of an endpoint, and replace one of them.")


class Key(StrEnum):
    PRIMARY = "primary"
    SECONDARY = "secondary"


@app.command()
@api_command()
def show(maitre: Maitre, name: Name, namespace: Namespace = None, output: Output = OutputFormat.TABLE) -> None:
    """Show both keys."""
    _print(maitre.endpoint(name, namespace).get_keys(), output)


@app.command()
@api_command()
def regenerate(
    maitre: Maitre,
    name: Name,
    key: Annotated[Key, typer.Option(help="Which one; the other one works on.", show_default=False)],
    value_file: Annotated[
        Path | None, typer.Option(help="A file with the new key; - is standard input.", show_default="a random one")
    ] = None,
    namespace: Namespace = None,
    yes: Yes = False,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Replace one key, at once: who uses it is refused from then on."""
    value = None if value_file is None else _value(value_file)
    endpoint = maitre.endpoint(name, namespace)
    confirm(f"Replace the {key.value} key of {name}? Who uses it is refused from then on.", yes=yes)
    _print(endpoint.regen_key(key.value, value), output)


def _value(file: Path) -> str:
    try:
        return (sys.stdin.read() if str(file) == "-" else file.read_text()).strip()
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}") from None


def _print(keys: Keys, output: OutputFormat) -> None:
    data = {"primaryKey": keys.primary, "secondaryKey": keys.secondary}
    typer.echo(formatted(data, columns(("KEY", "VALUE"), zip(Key, keys, strict=True)), output), nl=False)
