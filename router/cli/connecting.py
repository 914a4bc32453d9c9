"""Commands that talk to the admin API: the options by which they find it, and what is said when it refuses.

`api_command` turns `command(maitre, …)` into a command of the command line: the client comes from the options that
every such command has, and a ClientError becomes words on standard error and exit code 1 (2 for wrong usage).
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints
from urllib.parse import urlsplit

import typer

from router.cli.explaining import explained
from router.cli.suggesting import suggestion
from router.client.errors import ClientError, Misused
from router.client.maitre import DEFAULT_URL, TOKEN_VARIABLE, URL_VARIABLE, Maitre

TOKEN_FILE_VARIABLE: Final = "MAITRE_ADMIN_TOKEN_FILE"  # noqa: S105  its name
TOKEN_FILE: Final = "admin-token"  # noqa: S105  its name in the state directory
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

CONNECTION: Final[Mapping[str, Any]] = {
    "admin_url": Annotated[
        str | None,
        typer.Option(help="Where the admin API is.", envvar=URL_VARIABLE, show_default=DEFAULT_URL, metavar="URL"),
    ],
    "admin_token_file": Annotated[
        Path | None,
        typer.Option(
            help=f"A file with the admin token, instead of {TOKEN_VARIABLE}.",
            show_default=f"on this machine, {TOKEN_FILE} in the router's state directory",
        ),
    ],
    "ca_file": Annotated[
        str | None, typer.Option(help="PEM file of the authorities to trust.", envvar="MAITRE_ADMIN_CA_FILE")
    ],
}


def api_command(**offered: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`offered`: options by name, which the command takes as `**settings`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(
            *args: Any, admin_url: str | None, admin_token_file: Path | None, ca_file: str | None, **kwargs: Any
        ) -> None:
            with refusals_in_words(), connected(admin_url, admin_token_file, ca_file) as maitre:
                try:
                    command(maitre, *args, **kwargs)
                except ClientError as error:
                    if (meant := suggestion(maitre, error, kwargs)) is not None:
                        error.add_note(meant)
                    raise

        signature = _signature(command, {**offered, **CONNECTION})
        called.__signature__ = signature  # type: ignore[attr-defined]
        called.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
        return called

    return decorate


@contextmanager
def refusals_in_words() -> Iterator[None]:
    try:
        yield
    except Misused as error:
        raise typer.BadParameter(error.message) from None
    except ClientError as error:
        for line in explained(error):
            typer.echo(line, err=True)
        raise typer.Exit(1) from None


def connected(url: str | None, token_file: Path | None, ca_file: str | None, timeout_s: float = 30.0) -> Maitre:
    url = url or DEFAULT_URL
    return Maitre(url, _token(url, token_file), ca_file=ca_file, timeout_s=timeout_s)


def _token(url: str, told: Path | None) -> str | None:
    """What was told first, then the environment, then, for a router on this machine, the file that it made."""
    if told is not None:
        return _read(told)
    if token := os.environ.get(TOKEN_VARIABLE):
        return token
    if file := os.environ.get(TOKEN_FILE_VARIABLE):
        return _read(Path(file))
    if urlsplit(url).hostname not in LOOPBACK:
        return None
    from router.settings import default_state_dir  # noqa: PLC0415  mostly not needed

    state_dir = os.environ.get("MAITRE_STATE_DIR")
    made = (Path(state_dir) if state_dir else default_state_dir()) / TOKEN_FILE
    return _read(made) if os.access(made, os.R_OK) else None


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"the file of the admin token {file} cannot be read: {error}") from None


def _signature(command: Callable[..., None], offered: Mapping[str, Any]) -> inspect.Signature:
    """That of the command, without the client, and with the options that are offered."""
    hints = get_type_hints(command, include_extras=True)
    own = list(inspect.signature(command).parameters.values())[1:]
    parameters = [each.replace(annotation=hints[each.name]) for each in own if each.kind is not each.VAR_KEYWORD]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in offered.items()
    ]
    return inspect.Signature(sorted(parameters, key=lambda each: each.kind))
