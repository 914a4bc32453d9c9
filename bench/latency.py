"""`python -m bench.latency`: what the router adds to a request's time, at a fixed rate that no answer can slow down.

The same generator asks the model directly and through each contender, in turn, round after round. What is added is the
difference of two figures of the same round. README.md says what two cores allow.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from array import array
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench import arguments, cores, machine, open_loop, results
from bench.contenders import MAITRE
from bench.machine import Machine
from bench.open_loop import CONNECTIONS, Turn
from bench.proof import Unfit
from bench.rounds import Arena
from bench.schedule import CONSTANT, POISSON, Figures, constant, figures, poisson
from bench.tables import Table, aligned, piped
from bench.work import PATH, SCORING_PATH

DIRECT: Final = "direct"
"""The generator and the model, nobody between them: the generator's own error is in here."""
RATE: Final = 5_000
BOUND_MEAN_MS: Final = 0.5
BOUND_P99_MS: Final = 3.0
WARM_UP_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One turn of one contender, or of nobody (DIRECT). `lag`: how late the generator sent."""

    who: str
    round: int
    requests: int
    latency: Figures
    lag: Figures
    most: int
    generator_us: float
    """CPU of the generator per request."""


@dataclass(frozen=True, slots=True)
class Run:
    machine: Machine
    cores: cores.Cores
    versions: dict[str, str]
    rate: int
    arrivals: str
    rounds: int
    seconds: int
    turns: Sequence[Measured]

    def of(self, who: str) -> list[Measured]:
        return [turn for turn in self.turns if turn.who == who]

    def added(self, who: str) -> list[Figures]:
        """By round."""
        direct = {turn.round: turn.latency for turn in self.of(DIRECT)}
        return [turn.latency - direct[turn.round] for turn in self.of(who)]


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 1 when nothing could be measured."""
    options = _parser().parse_args(words)
    try:
        run = measure(options)
    except Unfit as unfit:
        print(f"bench.latency: {unfit}", file=sys.stderr)
        return 1
    print("\n" + text(run))
    page = markdown(run)
    print("saved:", *results.save(results.RESULTS, f"latency-{run.machine.stem}", asdict(run), page))
    return 0


def measure(options: argparse.Namespace) -> Run:
    chosen, _ = arguments.chosen(options)
    place, described, turns = cores.choose(os.sched_getaffinity(0)), machine.describe(), []
    with (
        tempfile.TemporaryDirectory(prefix="maitre-latency-") as directory,
        Arena(chosen, place, Path(directory)) as arena,
        cores.pinned(place.load),
    ):
        targets = {DIRECT: (arena.replicas.blue[0], SCORING_PATH)}
        targets |= {each.name: (arena.port(each.name), PATH) for each in chosen}
        for who, target in targets.items():
            _drive(who, target, constant(options.rate, WARM_UP_S))
        for number in range(1, options.rounds + 1):
            due = _due(options)
            for who, target in targets.items():
                turns.append(_measured(who, number, _drive(who, target, due)))
                print(f"round {number}  {who:12} {_spelled(turns[-1].latency)}", flush=True)
    return Run(
        machine=described,
        cores=place,
        versions={each.name: each.version for each in chosen},
        rate=options.rate,
        arrivals=options.arrivals,
        rounds=options.rounds,
        seconds=options.seconds,
        turns=turns,
    )


def _due(options: argparse.Namespace) -> array[float]:
    if options.arrivals == CONSTANT:
        return constant(options.rate, options.seconds)
    return poisson(options.rate, options.seconds, random.random)


def _drive(who: str, target: tuple[int, str], due: Sequence[float]) -> Turn:
    try:
        return open_loop.drive(*target, due)
    except (Unfit, OSError) as failure:
        raise Unfit(f"{who} failed: {failure}") from failure


def _measured(who: str, number: int, turn: Turn) -> Measured:
    count = len(turn.latency)
    used_us = turn.cpu_s / count * 1e6
    return Measured(who, number, count, figures(turn.latency), figures(turn.lag), turn.most, used_us)


def _spelled(of: Figures) -> str:
    return f"mean {of.mean:.3f}  p50 {of.p50:.3f}  p99 {of.p99:.3f}  p99.9 {of.p999:.3f} ms"


# -- what is said -----------------------------------------------------------------------------------------------------


def table(run: Run) -> Table:
    """Latencies of everybody, and what each contender adds to the direct call: median of rounds (lowest to highest)."""
    headings = ["ms", "mean", "p50", "p99", "p99.9"]
    latencies = [[who, *_cells([turn.latency for turn in run.of(who)])] for who in (DIRECT, *run.versions)]
    added = [[f"{who} adds", *_cells(run.added(who))] for who in run.versions]
    lag = ["generator late", *_cells([turn.lag for turn in run.of(DIRECT)])]
    return [headings, *latencies, *added, lag]


def _cells(found: Sequence[Figures]) -> list[str]:
    columns = zip(*map(astuple, found), strict=True)
    return [f"{median(column):.3f} ({min(column):.3f} to {max(column):.3f})" for column in columns]


def verdict(run: Run) -> list[str]:
    """A line on maitre, where it was measured."""
    if MAITRE not in run.versions:
        return []
    added = run.added(MAITRE)
    mean, p99 = median(each.mean for each in added), median(each.p99 for each in added)
    kept = mean <= BOUND_MEAN_MS and p99 <= BOUND_P99_MS
    bounds = f"the bounds of {BOUND_MEAN_MS:g} and {BOUND_P99_MS:g} ms"
    return [f"maitre adds {mean:.3f} ms in the mean, {p99:.3f} ms at p99: {'within' if kept else 'ABOVE'} {bounds}"]


def conditions(run: Run) -> list[str]:
    most = max(turn.most for turn in run.turns)
    used = median(turn.generator_us for turn in run.turns) * run.rate / 1e6
    free = "so none waited for a connection" if most < CONNECTIONS else "so some waited for a connection"
    return [
        f"{run.rate:,} requests/s, {run.arrivals} arrivals, {run.rounds} rounds of {run.seconds} s each, in turn",
        "latencies from when a request was due; adds: difference to the direct call of the same round",
        f"at most {most} in flight over {CONNECTIONS} connections, {free}; the generator used {used:.0%} of its core",
        f"{run.cores}",
        str(run.machine),
        ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    ]


def text(run: Run) -> str:
    return "\n\n".join([aligned(table(run)), "\n".join([*verdict(run), *conditions(run)])])


def markdown(run: Run) -> str:
    listed = "\n".join(f"- {line}" for line in [*verdict(run), *conditions(run)])
    return f"# Added latency, {run.machine.at}\n\n{piped(table(run))}\n\n{listed}\n"


def _parser() -> argparse.ArgumentParser:
    parser = arguments.parser("bench.latency", __doc__, rounds=5, seconds=5)
    parser.add_argument("--rate", type=arguments.positive, default=RATE, help=f"requests per second ({RATE})")
    arrivals = "equally far apart, or as many independent clients ask"
    parser.add_argument("--arrivals", choices=[CONSTANT, POISSON], default=CONSTANT, help=arrivals)
    return parser


if __name__ == "__main__":
    sys.exit(main())
