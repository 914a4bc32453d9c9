"""What a run tells: a table for people, Markdown and JSON for later. Pure, but for `save`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.contenders import HAPROXY, MAITRE, NGINX
from bench.cores import Cores
from bench.load import FRESH, SHAPES, STEADY, Shape
from bench.machine import Machine
from bench.ratios import Sample, Spread, cpu_ratio, figure


@dataclass(frozen=True, slots=True)
class Run:
    """All that one run found. `versions`: by contender, in the order in which they took turns."""

    machine: Machine
    cores: Cores
    versions: dict[str, str]
    missing: Sequence[str]
    heads: str
    rounds: int
    seconds: int
    samples: Sequence[Sample]


def rows(run: Run, shape: Shape) -> list[list[str]]:
    """The table of one shape: headings, then a line per contender. Ratios: of CPU per request, median (low to high)."""
    references = [name for name in (HAPROXY, NGINX, *run.versions) if name in run.versions]
    references = [name for name in dict.fromkeys(references) if name != MAITRE]
    samples = [sample for sample in run.samples if sample.shape == shape.name]
    headings = [
        shape.name,
        "CPU µs/request",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "opened",
        *(f"× {name}" for name in references),
    ]
    return [headings, *(_row(samples, name, references) for name in run.versions)]


def _row(samples: Sequence[Sample], name: str, references: Sequence[str]) -> list[str]:
    def median_of(what: Callable[[Sample], float]) -> float:
        return figure(samples, name, what).median

    return [
        name,
        f"{median_of(lambda sample: sample.cpu_us):.1f}",
        f"{median_of(lambda sample: sample.rate):,.0f}",
        f"{median_of(lambda sample: sample.p50_ms):.2f}",
        f"{median_of(lambda sample: sample.p99_ms):.2f}",
        f"{figure(samples, name, lambda sample: sample.connections).high:.0f}",
        *(_ratio(cpu_ratio(samples, name, other)) if name != other else "1" for other in references),
    ]


def _ratio(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"


def text(run: Run) -> str:
    """For a terminal."""
    return "\n\n".join([*(_aligned(rows(run, shape)) for shape in SHAPES), "\n".join(conditions(run))])


def _aligned(table: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
    return "\n".join(line.rstrip() for line in lines)


def markdown(run: Run) -> str:
    tables = "\n\n".join(_piped(rows(run, shape)) for shape in SHAPES)
    listed = "\n".join(f"- {line}" for line in conditions(run))
    return f"# Cost per request, {run.machine.at}\n\n{tables}\n\n{listed}\n"


def _piped(table: list[list[str]]) -> str:
    headings, *others = table
    return "\n".join("| " + " | ".join(row) + " |" for row in [headings, ["---"] * len(headings), *others])


def conditions(run: Run) -> list[str]:
    machine, cores = run.machine, run.cores
    load = " ".join(f"{value:.2f}" for value in machine.load_average)
    where = f"proxy on core {cores.proxy}, load generator and model on core {cores.load}"
    lines = [
        f"{machine.cores} cores, {machine.cpu}, Linux {machine.kernel}, Python {machine.python}, load average {load}",
        f"{run.rounds} rounds of {run.seconds} s per shape and contender, in turn; {where}",
        f"steady: connections rest {STEADY.pause_ms} ms in the mean before a request; full: as fast as answers come",
        f"{run.heads} heads: " + ("no head comes twice" if run.heads == FRESH else "64 heads in turn"),
        ", ".join(f"{name} {version}" for name, version in run.versions.items()),
        "× other: CPU per request in the same round, median (lowest to highest); opened: replica connections, at most",
    ]
    if run.missing:
        lines.append(f"not installed here, so not measured: {', '.join(run.missing)}")
    if cores.shared:
        lines.append("one core for everything: requests/s and latencies mean nothing here")
    return lines


def save(run: Run, directory: Path) -> list[Path]:
    """Writes the run as JSON and as Markdown, named by its time; returns where."""
    directory.mkdir(parents=True, exist_ok=True)
    stem = run.machine.at.replace(":", "").replace("+0000", "Z")
    data, page = directory / f"{stem}.json", directory / f"{stem}.md"
    data.write_text(json.dumps(asdict(run), indent=1) + "\n")
    page.write_text(markdown(run))
    return [data, page]
