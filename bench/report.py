"""What a run tells: one table for people, Markdown with all details and JSON for later. Pure, but for `save`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import results
from bench.bounds import BINDING, BOUNDS, Verdict, judge
from bench.contenders import ENVOY, HAPROXY, MAITRE, NGINX
from bench.cores import Cores
from bench.load import FRESH
from bench.machine import Machine
from bench.ratios import Sample, Spread, cpu_ratio, figure
from bench.shapes import SHAPES, Shape
from bench.tables import Table, aligned, piped


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

    @property
    def shapes(self) -> list[Shape]:
        """Those that were measured."""
        names = {sample.shape for sample in self.samples}
        return [shape for shape in SHAPES if shape.name in names]

    def of(self, shape: Shape) -> list[Sample]:
        return [sample for sample in self.samples if sample.shape == shape.name]

    @property
    def peers(self) -> list[str]:
        return [name for name in (HAPROXY, ENVOY, NGINX) if name in self.versions]

    @property
    def ourselves(self) -> list[str]:
        """maitre, and its other working trees."""
        return [name for name in self.versions if name not in self.peers]


# -- one table of all loads -------------------------------------------------------------------------------------------


def summary(run: Run) -> Table:
    """A line per load and working tree: CPU per request of it and its peers, its ratios to them, with verdicts."""
    rivals = [*run.peers, *(name for name in run.ourselves if name != MAITRE and MAITRE in run.versions)]
    limits = {bound.peer: f" (≤ {bound.most:g})" for bound in BOUNDS}
    headings = ["load", "who", "µs/request", *run.peers, *(f"× {name}{limits.get(name, '')}" for name in rivals)]
    return [headings, *(_summed(run, shape, name, rivals) for shape in run.shapes for name in run.ourselves)]


def _summed(run: Run, shape: Shape, name: str, rivals: Sequence[str]) -> list[str]:
    samples = run.of(shape)
    verdicts = {verdict.bound.peer: verdict for verdict in judge(samples, name)}
    costs = [figure(samples, each, lambda sample: sample.cpu_us).median for each in (name, *run.peers)]
    ratios = [_ratio(samples, name, rival) + _verdict(verdicts.get(rival)) for rival in rivals]
    return [shape.name, name, *(f"{cost:.1f}" for cost in costs), *ratios]


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    return (" kept" if verdict.kept else " ABOVE") + ("" if verdict.clear else "?")


def verdicts(run: Run) -> list[str]:
    """A line per working tree."""
    lines = []
    for name in run.ourselves:
        found = judge(run.samples, name)
        broken = [f"{each.shape} × {each.bound.peer} {each.ratio.median:.2f}" for each in found if not each.kept]
        if found:
            kept = f"{name}: {len(found) - len(broken)} of {len(found)} bounds kept"
            lines.append(kept + (f"; above: {', '.join(broken)}" if broken else ""))
    return lines


# -- one table per load -----------------------------------------------------------------------------------------------


def rows(run: Run, shape: Shape) -> Table:
    """The table of one shape: headings, then a line per contender. Ratios: of CPU per request, median (low to high)."""
    references = [*run.peers, *(name for name in run.ourselves if name != MAITRE)]
    samples = run.of(shape)
    headings = [
        shape.name,
        "CPU µs/request",
        "requests/s",
        "core busy",
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
        f"{median_of(lambda sample: sample.busy):.0%}",
        f"{median_of(lambda sample: sample.p50_ms):.2f}",
        f"{median_of(lambda sample: sample.p99_ms):.2f}",
        f"{figure(samples, name, lambda sample: sample.connections).high:.0f}",
        *(_ratio(samples, name, other) for other in references),
    ]


def _ratio(samples: Sequence[Sample], name: str, other: str) -> str:
    return "1" if name == other else _spread(cpu_ratio(samples, name, other))


def _spread(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"


# -- whole pages ------------------------------------------------------------------------------------------------------


def text(run: Run) -> str:
    """For a terminal."""
    return "\n\n".join([aligned(summary(run)), "\n".join([*verdicts(run), *conditions(run)])])


def markdown(run: Run) -> str:
    details = "\n\n".join(f"{shape.name}: {shape}\n\n{piped(rows(run, shape))}" for shape in run.shapes)
    listed = "\n".join(f"- {line}" for line in [*verdicts(run), *conditions(run)])
    return f"# Cost per request, {run.machine.at}\n\n{piped(summary(run))}\n\n{listed}\n\n## Each load\n\n{details}\n"


def conditions(run: Run) -> list[str]:
    lines = [
        "µs/request: CPU, median; × other: its multiple in the same round, median (lowest to highest)",
        f"bounds are for full load over 32 and 256 connections ({', '.join(BINDING)}); ?: not so in every round",
        str(run.machine),
        f"{run.rounds} rounds of {run.seconds} s per load and contender, in turn; {run.cores}",
        f"{run.heads} heads: " + ("no head comes twice" if run.heads == FRESH else "64 heads in turn"),
        ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    ]
    if run.missing:
        lines.append(f"not installed here, so not measured: {', '.join(run.missing)}")
    if run.cores.shared:
        lines.append("one core for everything: requests/s and latencies mean nothing here")
    return lines


def save(run: Run, directory: Path) -> list[Path]:
    """Writes the run as JSON and as Markdown, named by its time; returns where."""
    return results.save(directory, run.machine.stem, asdict(run), markdown(run))
