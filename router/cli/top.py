"""`maitre top`: a live table of endpoints and versions, from the differences between pages of metrics."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer

from router.cli.columns import columns
from router.cli.connecting import api_command
from router.cli.load import LoadSeen, loads, read_page
from router.cli.output import Output, OutputFormat, formatted
from router.client.maitre import Maitre

HEADER = (
    *("ENDPOINT", "VERSION", "SHARE", "RPS", "P50 MS", "P99 MS", "BUSY/TOTAL"),
    *("DESIRED", "IN FLIGHT", "QUEUED"),
)
_KEYS = (
    *("endpoint", "version", "share", "rps", "p50Ms", "p99Ms", "busy"),
    *("total", "desired", "inFlight", "queued"),
)


@api_command()
def top(
    maitre: Maitre,
    once: Annotated[
        bool, typer.Option("--once", help="Look for one interval, print it and end; so it is without a terminal.")
    ] = False,
    interval: Annotated[float, typer.Option(min=0.01, help="Seconds between two looks.")] = 2.0,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Watch endpoints and versions: load, latency, replicas."""
    looks = _looks(maitre, interval)
    if once or output is not OutputFormat.TABLE or not sys.stdout.isatty():
        seen = next(looks)
        data = {"versions": [dict(zip(_KEYS, each, strict=True)) for each in seen]}
        typer.echo(formatted(data, columns(HEADER, map(_row, seen)), output), nl=False)
        return
    try:
        _show(looks)
    except KeyboardInterrupt:  # the way to end it
        return


def _looks(maitre: Maitre, interval: float) -> Iterator[list[LoadSeen]]:
    """What happened in each interval."""
    page, at = read_page(maitre.metrics()), time.monotonic()
    while True:
        time.sleep(interval)
        later, now = read_page(maitre.metrics()), time.monotonic()
        yield loads(page, later, now - at)
        page, at = later, now


def _show(looks: Iterable[list[LoadSeen]]) -> None:
    from rich.live import Live  # noqa: PLC0415  slow to import, and only this needs it
    from rich.text import Text  # noqa: PLC0415

    with Live(Text("looking…"), auto_refresh=False, screen=True) as screen:
        for seen in looks:
            screen.update(_table(seen), refresh=True)


def _table(seen: list[LoadSeen]) -> Any:
    """Right-aligned numbers; who has requests that wait stands out."""
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    for name in HEADER:
        table.add_column(name, justify="left" if name in ("ENDPOINT", "VERSION") else "right")
    for each in seen:
        table.add_row(
            *("-" if cell is None else str(cell) for cell in _row(each)), style="bold" if each.queued else None
        )
    return table


def _row(load: LoadSeen) -> tuple[object, ...]:
    return (
        load.endpoint,
        load.version,
        f"{load.share:g}%",
        f"{load.rps:.1f}",
        load.p50_ms,
        load.p99_ms,
        f"{load.busy}/{load.total}",
        load.desired,
        load.in_flight,
        load.queued,
    )
