"""What is shown while the run goes on: the last seconds of what was seen, as values. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from examples.demo.quantiles import quantile
from examples.demo.seen import Load, Seen

LAST_S: Final = 5.0
"""The time that rates, latencies and the split are taken over: short enough to move, long enough to read."""


class VersionRow(NamedTuple):
    """One version. Latencies are in seconds, None when nothing was answered lately."""

    version: str
    rps: float
    share: float | None
    """Percent of the endpoint's answers."""
    p50_s: float | None
    p99_s: float | None
    load: Load


class View(NamedTuple):
    """The moment `at`."""

    at: float
    phase: str
    offered_rps: float
    sent: int
    answered: int
    refused: int
    rows: list[VersionRow]
    added_p50_s: float | None
    added_p99_s: float | None


def view(seen: Seen, at: float) -> View:
    """What to show at a moment."""
    phase = seen.phases[-1] if seen.phases else None
    added = seen.added()
    return View(
        at=at,
        phase=phase.name if phase else "starting",
        offered_rps=phase.rps if phase else 0.0,
        sent=seen.sent,
        answered=len(seen.answers),
        refused=sum(answer.status != 200 for answer in seen.answers),
        rows=_rows(seen, at),
        added_p50_s=added.quantile(0.5),
        added_p99_s=added.quantile(0.99),
    )


def _rows(seen: Seen, at: float) -> list[VersionRow]:
    loads = seen.samples[-1].versions if seen.samples else {}
    recent = [answer for answer in seen.answers if answer.done > at - LAST_S and answer.version]
    rows = []
    for version, load in loads.items():
        latencies = [answer.latency_s for answer in recent if answer.version == version]
        rows.append(
            VersionRow(
                version=version,
                rps=len(latencies) / min(LAST_S, max(at, 1.0)),
                share=100 * len(latencies) / len(recent) if recent else None,
                p50_s=quantile(latencies, 0.5),
                p99_s=quantile(latencies, 0.99),
                load=load,
            )
        )
    return rows
