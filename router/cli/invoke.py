"""`maitre invoke`: one scoring request. The answer goes to standard output; who gave it, and how fast, to the other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from router.cli.connecting import api_command
from router.cli.endpoint import Name, Namespace
from router.cli.output import Output, OutputFormat, formatted
from router.client.maitre import Maitre
from router.client.values import Answer


@api_command()
def invoke(
    maitre: Maitre,
    name: Name,
    data: Annotated[str, typer.Option(help="What to send: text, @FILE, or @- for standard input.", show_default=False)],
    version: Annotated[str | None, typer.Option(help="This one, whatever the percentiles say.")] = None,
    namespace: Namespace = None,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Score once, with the endpoint's own credential."""
    answer = maitre.endpoint(name, namespace).run(_content(data), version=version)
    if output is OutputFormat.TABLE:
        sys.stdout.buffer.write(answer.content + b"\n" * (not answer.content.endswith(b"\n")))
        sys.stdout.buffer.flush()
        typer.echo(f"{answer.version} answered in {answer.milliseconds:.1f} ms{_parts(answer)}", err=True)
        return
    typer.echo(formatted(_data(answer), "", output), nl=False)


def _content(data: str) -> bytes:
    if not data.startswith("@"):
        return data.encode()
    try:
        return sys.stdin.buffer.read() if data == "@-" else Path(data[1:]).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{data[1:]} cannot be read: {error}") from None


def _parts(answer: Answer) -> str:
    parts = ", ".join(f"{name} {milliseconds:g}" for name, milliseconds in answer.server_timing.items())
    return f" ({parts})" if parts else ""


def _data(answer: Answer) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        said = answer.content.decode("utf-8", "replace")
    return {
        "answer": said,
        "version": answer.version,
        "status": answer.status,
        "milliseconds": round(answer.milliseconds, 3),
        "serverTiming": dict(answer.server_timing),
        "requestId": answer.request_id,
    }
