"""How the run is shown while it goes on: a live table in a terminal; elsewhere plain lines, without control characters.

`follow` is the loop that both share. Colours follow NO_COLOR, which rich heeds by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from examples.demo.seen import Scaling, Seen, Timeline
from examples.demo.view import VersionRow, View, view

LOOK_S: Final = 0.5
PLAIN_S: Final = 5.0
"""Between two reports in plain lines; decisions and new phases are told at once."""
RECENT: Final = 4


class Display(Protocol):
    """Is told of every look, and shows what it finds worth it."""

    def show(self, now: View, scalings: list[Scaling]) -> None: ...


async def follow(seen: Seen, timeline: Timeline, display: Display) -> None:
    """Shows what is seen, until cancelled."""
    while True:
        display.show(view(seen, timeline.now()), seen.scalings)
        await asyncio.sleep(LOOK_S)


def is_live(*, terminal: bool, environment: Mapping[str, str]) -> bool:
    """Whether a table that repaints itself is welcome: in a terminal that can, with a reader who sees it move."""
    return terminal and environment.get("TERM", "dumb") not in ("dumb", "unknown") and not environment.get("CI")


@contextmanager
def display_on(console: Console, *, live: bool) -> Iterator[Display]:
    """The display for a console; leaves the terminal as it was."""
    if not live:
        yield PlainDisplay(console)
        return
    with Live(console=console, auto_refresh=False, transient=True) as screen:
        yield LiveDisplay(screen)


class PlainDisplay:
    """A line per version now and then, and one per decision."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._decisions = 0
        self._last: View | None = None

    def show(self, now: View, scalings: list[Scaling]) -> None:
        for scaling in scalings[self._decisions :]:
            self._print(decision_line(scaling))
        self._decisions = len(scalings)
        if self._last is None or now.phase != self._last.phase or now.at - self._last.at >= PLAIN_S:
            self._last = now
            self._report(now)

    def _report(self, now: View) -> None:
        self._print(f"{now.at:5.1f} s  {load_line(now)}; {added_line(now)}")
        for row in now.rows:
            self._print(f"         {plain_row(row)}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveDisplay:
    """The table, and the last decisions under it."""

    def __init__(self, screen: Live) -> None:
        self._screen = screen

    def show(self, now: View, scalings: list[Scaling]) -> None:
        decisions = [Text(decision_line(each), style="dim") for each in scalings[-RECENT:]]
        title = Text(f"maitre, {now.at:.0f} s: {load_line(now)}", style="bold")
        self._screen.update(Group(title, Text(added_line(now)), _table(now), *decisions), refresh=True)


def load_line(now: View) -> str:
    counts = f"{now.sent} sent, {now.answered} answered, {now.refused} refused"
    return f"{now.phase} at {now.offered_rps:g} requests/s; {counts}"


def added_line(now: View) -> str:
    return f"router adds p50 {milliseconds(now.added_p50_s, 2)}, p99 {milliseconds(now.added_p99_s, 2)}"


def plain_row(row: VersionRow) -> str:
    load = row.load
    latency = f"p50 {milliseconds(row.p50_s)} p99 {milliseconds(row.p99_s)}"
    replicas = f"{load.busy}/{load.total} busy, {load.desired} wanted, {load.queued} queued"
    return f"{row.version:<6} {row.rps:4.1f} rps {percent(row.share):>6}  {latency}  {replicas}"


def decision_line(each: Scaling) -> str:
    way = "up" if each.up else "down"
    return (
        f"{each.at:5.1f} s  scale {way}: {each.version} {each.before} -> {each.after} "
        f"({each.reason}, demand {each.demand:.2f})"
    )


def milliseconds(seconds: float | None, decimals: int = 0) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.{decimals}f} ms"


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0f} %"


def _table(now: View) -> Table:
    table = Table()
    table.add_column("version")
    for column in ("rps", "split", "p50", "p99", "busy/total", "queue"):
        table.add_column(column, justify="right", min_width=len("100 ms"))
    table.add_column("replicas", min_width=8)
    for row in now.rows:
        load = row.load
        figures = (f"{row.rps:.1f}", percent(row.share), milliseconds(row.p50_s), milliseconds(row.p99_s))
        table.add_row(row.version, *figures, f"{load.busy}/{load.total}", str(load.queued), _replicas(row))
    return table


def _replicas(row: VersionRow) -> Text:
    """One mark per replica: busy, idle, or wanted and not there yet."""
    load = row.load
    marks = Text("■" * load.busy, style="green")
    marks.append("□" * (load.total - load.busy), style="green")
    marks.append("·" * max(0, load.desired - load.total), style="yellow")
    return marks
