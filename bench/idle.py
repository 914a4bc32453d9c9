"""`python -m bench.idle`: what 10,000 clients cost that keep a connection open and say nothing.

In every round the active clients (the steady load) are served alone, then beside the idle ones, by the same process:
the ratio of the two costs, and how much the router's memory grew per connection. maitre only, from one or more trees.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench import arguments, cores, crowd, load, machine, results
from bench.machine import Machine
from bench.memory import Memory, memory
from bench.processes import cpu_seconds
from bench.proof import Unfit
from bench.ratios import Sample, Spread, spread
from bench.rounds import Arena
from bench.shapes import STEADY
from bench.tables import Table, aligned, piped

CLIENTS: Final = 10_000
QUIET_S: Final = 2.0
"""How long the router is watched while nobody asks."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The router with or without a crowd. `quiet`: cores used while nobody asks; `active`: the steady load."""

    memory: Memory
    quiet: float
    active: Sample


@dataclass(frozen=True, slots=True)
class Round:
    who: str
    number: int
    alone: Moment
    beside: Moment

    @property
    def ratio(self) -> float:
        """CPU per request of the active clients beside the idle ones, to that without."""
        return self.beside.active.cpu_us / self.alone.active.cpu_us

    @property
    def grown(self) -> Memory:
        return self.beside.memory - self.alone.memory


@dataclass(frozen=True, slots=True)
class Run:
    machine: Machine
    cores: cores.Cores
    versions: dict[str, str]
    clients: int
    files: str
    rounds: Sequence[Round]
    seconds: int

    def of(self, who: str) -> list[Round]:
        return [each for each in self.rounds if each.who == who]


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 1 when nothing could be measured."""
    options = _parser().parse_args(words)
    try:
        run = measure(options)
    except (Unfit, OSError) as failure:
        print(f"bench.idle: {failure}", file=sys.stderr)
        return 1
    print("\n" + text(run))
    page = markdown(run)
    print("saved:", *results.save(results.RESULTS, f"idle-{run.machine.stem}", asdict(run), page))
    return 0


def measure(options: argparse.Namespace) -> Run:
    load.require()
    chosen = [each for each in arguments.chosen(options)[0] if each.tree is not None]
    clients, files = crowd.allow_files(options.clients)
    place, described, rounds = cores.choose(os.sched_getaffinity(0)), machine.describe(), []
    with (
        tempfile.TemporaryDirectory(prefix="maitre-idle-") as directory,
        Arena(chosen, place, Path(directory)) as arena,
        cores.pinned(place.load),
    ):
        arena.warm_up()
        turns = [(number, each.name) for number in range(options.rounds) for each in chosen]
        for turn, (number, name) in enumerate(turns):
            rounds.append(_round(arena, name, number + 1, turn, clients, options.seconds))
            print(_spelled(rounds[-1]), flush=True)
    versions = {each.name: each.version for each in chosen}
    return Run(described, place, versions, clients, files, rounds, options.seconds)


def _round(arena: Arena, name: str, number: int, turn: int, size: int, seconds: int) -> Round:
    def moment() -> Moment:
        held, quiet = memory(arena.pid(name)), _quiet(arena.pid(name))
        return Moment(held, quiet, arena.sample(name, STEADY, seconds, number))

    alone = moment()
    with crowd.gathered(arena.port(name), size, turn) as clients:
        beside = moment()
        if gone := crowd.left_out(clients):
            raise Unfit(f"{name} closed {gone} of {size} idle connections meanwhile")
    return Round(name, number, alone, beside)


def _quiet(pid: int) -> float:
    """Cores that a process uses now, without anybody asking for anything."""
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(QUIET_S)
    return (cpu_seconds(pid) - before) / (time.monotonic() - began)


def _spelled(of: Round) -> str:
    alone, beside = of.alone, of.beside
    costs = f"{alone.active.cpu_us:.1f} → {beside.active.cpu_us:.1f} µs/request"
    return f"round {of.number}  {of.who:12} {costs}  rss {_mib(alone.memory.rss)} → {_mib(beside.memory.rss)} MiB"


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f}"


# -- what is said -----------------------------------------------------------------------------------------------------


def table(run: Run) -> Table:
    """A column per working tree."""
    many = f"{run.clients:,} idle clients"
    lines: list[tuple[str, Callable[[list[Round]], str]]] = [
        ("µs/request of active clients, alone", lambda of: _fixed(spread(each.alone.active.cpu_us for each in of), 1)),
        (f"µs/request beside {many}", lambda of: _fixed(spread(each.beside.active.cpu_us for each in of), 1)),
        ("ratio of the two", lambda of: _fixed(spread(each.ratio for each in of), 3)),
        ("% of a core while nobody asks, alone", lambda of: _fixed(spread(100 * each.alone.quiet for each in of), 2)),
        (f"% of a core beside {many}", lambda of: _fixed(spread(100 * each.beside.quiet for each in of), 2)),
        ("MiB before the first of them, RSS", lambda of: _mib(of[0].alone.memory.rss)),
        ("MiB with the first of them, RSS", lambda of: _mib(of[0].beside.memory.rss)),
        ("bytes per connection, RSS", lambda of: _each(of[0].grown.rss, run)),
        ("bytes per connection, PSS", lambda of: _each(of[0].grown.pss, run)),
        ("bytes per connection, USS", lambda of: _each(of[0].grown.uss, run)),
        ("MiB after all crowds but the last, RSS", lambda of: _mib(of[-1].alone.memory.rss)),
        ("MiB with the last crowd, RSS", lambda of: _mib(of[-1].beside.memory.rss)),
    ]
    headings = ["", *run.versions]
    return [headings, *([said, *(figure(run.of(who)) for who in run.versions)] for said, figure in lines)]


def _fixed(found: Spread, digits: int) -> str:
    return f"{found.median:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def _each(grown: int, run: Run) -> str:
    return f"{grown / run.clients:,.0f}"


def conditions(run: Run) -> list[str]:
    return [
        f"active clients: {STEADY}; {run.seconds} s alone, {run.seconds} s beside the idle ones, in every round",
        "every idle client made one request; none of their connections was closed by the router meanwhile",
        "bytes per connection: growth with the first crowd, after a warm-up; the kernel's own memory comes on top",
        run.files,
        f"{run.cores}",
        str(run.machine),
        ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    ]


def text(run: Run) -> str:
    return "\n\n".join([aligned(table(run)), "\n".join(conditions(run))])


def markdown(run: Run) -> str:
    listed = "\n".join(f"- {line}" for line in conditions(run))
    return f"# Idle clients, {run.machine.at}\n\n{piped(table(run))}\n\n{listed}\n"


def _parser() -> argparse.ArgumentParser:
    parser = arguments.parser("bench.idle", __doc__, rounds=3, seconds=4)
    many = f"connections that are kept open ({CLIENTS})"
    parser.add_argument("--clients", type=arguments.positive, default=CLIENTS, help=many)
    return parser


if __name__ == "__main__":
    sys.exit(main())
