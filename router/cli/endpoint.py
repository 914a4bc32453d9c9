"""`maitre endpoint`: endpoints as a whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from router.cli.columns import columns
from router.cli.commands import application
from router.cli.completing import endpoint_names
from router.cli.confirming import Yes, confirm
from router.cli.connecting import api_command
from router.cli.output import Output, OutputFormat, formatted
from router.cli.showing import show_endpoint
from router.cli.version_options import VERSION_OPTIONS, version_settings
from router.client.endpoint import Endpoint
from router.client.maitre import Maitre

app = application(help="Create, list, show, update and delete endpoints.")

Name: TypeAlias = Annotated[
    str, typer.Argument(help="Of the endpoint.", show_default=False, autocompletion=endpoint_names)
]
Namespace: TypeAlias = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Of the endpoint.", show_default="the router's own")
]
File: TypeAlias = Annotated[
    Path | None, typer.Option("--file", "-f", help="The whole endpoint as YAML or JSON; - is standard input.")
]
AuthMode: TypeAlias = Annotated[
    str | None, typer.Option(help="Who may score: who has a key, a token, or everybody.", metavar="key|token|none")
]
Hosts: TypeAlias = Annotated[list[str] | None, typer.Option("--hosts", "--host", help="Answered too; repeatable.")]


@app.command()
@api_command(**VERSION_OPTIONS)
def create(
    maitre: Maitre,
    name: Name,
    file: File = None,
    namespace: Namespace = None,
    version_name: Annotated[str | None, typer.Option(help="Of the first version.", show_default="NAME")] = None,
    auth_mode: AuthMode = None,
    hosts: Hosts = None,
    wait: Annotated[bool, typer.Option(help="Wait until it can answer, and say how it goes.")] = False,
    output: Output = OutputFormat.TABLE,
    **version: Any,
) -> None:
    """Create an endpoint and its first version, which is the default."""
    settings = {**version_settings(version), **_said(auth_mode=auth_mode, hosts=hosts)}
    if file is None:
        _require_target(settings)
        endpoint = maitre.create(name, version_name=version_name, namespace=namespace, **settings)
    else:
        if settings or version_name:
            raise typer.BadParameter("--file has the whole endpoint; settings beside it would be lost")
        endpoint = maitre.create_from(_resource(file, name, namespace))
    if wait:
        endpoint.wait_for_deployment(show_output=_tell)
    show_endpoint(endpoint, output)


@app.command("list")
@api_command()
def list_all(maitre: Maitre, namespace: Namespace = None, output: Output = OutputFormat.TABLE) -> None:
    """List endpoints."""
    endpoints = maitre.list(namespace)
    table = columns(
        ("NAME", "NAMESPACE", "AUTH", "VERSIONS"),
        (
            (
                each.name,
                each.namespace,
                each.serialize()["spec"].get("auth", {}).get("mode", "key"),
                ",".join(each.versions),
            )
            for each in endpoints
        ),
    )
    typer.echo(formatted({"items": [each.serialize() for each in endpoints]}, table, output), nl=False)


@app.command()
@api_command()
def show(maitre: Maitre, name: Name, namespace: Namespace = None, output: Output = OutputFormat.TABLE) -> None:
    """Show an endpoint and how it stands."""
    show_endpoint(maitre.endpoint(name, namespace), output)


@app.command()
@api_command()
def update(
    maitre: Maitre,
    name: Name,
    file: File = None,
    namespace: Namespace = None,
    auth_mode: AuthMode = None,
    hosts: Hosts = None,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Change an endpoint: what is said and nothing else, or all of it with --file."""
    settings = _said(auth_mode=auth_mode, hosts=hosts)
    if bool(settings) is (file is not None):
        raise typer.BadParameter("say what is to change: either --file, or settings")
    endpoint = maitre.endpoint(name, namespace)
    if file is None:
        endpoint.update(**settings)
    else:
        endpoint.replace(_resource(file, name, namespace))
    show_endpoint(endpoint, output)


@app.command()
@api_command()
def delete(maitre: Maitre, name: Name, namespace: Namespace = None, yes: Yes = False) -> None:
    """Delete an endpoint with all its versions."""
    endpoint = maitre.endpoint(name, namespace)
    confirm(f"Delete {name} with {_versions(endpoint)}?", yes=yes)
    endpoint.delete()


def _versions(endpoint: Endpoint) -> str:
    names = list(endpoint.versions)
    return f"its version {names[0]}" if len(names) == 1 else f"its {len(names)} versions"


def _said(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value not in (None, [])}


def _require_target(settings: dict[str, Any]) -> None:
    if sum(name in settings for name in ("command", "urls", "deployment")) != 1:
        raise typer.BadParameter("say where its replicas come from: one of --command, --urls, --deployment; or --file")


def _resource(file: Path, name: str, namespace: str | None) -> dict[str, Any]:
    """What a file says, under the name and namespace of the command line; a status, as `show` adds it, is left out."""
    try:
        said = YAML(typ="safe").load(sys.stdin.read() if str(file) == "-" else file.read_text())
    except (OSError, ValueError, YAMLError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}") from None
    metadata = said.get("metadata") if isinstance(said, dict) else None
    if not isinstance(metadata, dict):
        raise typer.BadParameter(f"{file} is no ScoringEndpoint; `maitre check {file}` says why")
    for key, told in (("name", name), ("namespace", namespace)):
        if told is not None and metadata.setdefault(key, told) != told:
            raise typer.BadParameter(f"{file} has the {key} {metadata[key]}, the command line {told}")
    return {key: value for key, value in said.items() if key != "status"}


def _tell(line: str) -> None:
    typer.echo(line, err=True)
