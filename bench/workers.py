"""`python -m bench.workers`: what several workers cost and bring, beside one process that does it all.

Both serve the same work, four replicas of 32 slots, and take turns under the same load, on all cores. Workers share the
slots by leases, so this says too how much they have to say to each other for that.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

from bench import arguments, contenders, cores, load, machine, ourselves, results
from bench.contenders import TREE, Contender
from bench.machine import Machine
from bench.proof import Unfit
from bench.ratios import Sample, Spread, cpu_ratio, figure, spread
from bench.rounds import Arena, free_ports, rotated
from bench.shapes import MATRIX, Shape
from bench.tables import Table, aligned, piped

WORKERS: Final = 2
SLOTS: Final = 32
"""Of each of the four replicas."""
ONE: Final = "1 process"
SHAPES: Final = tuple(shape for shape in MATRIX if shape.name in ("32x60B", "256x60B"))
"""Fewer requests than slots, and more: only then a worker may lack slots that another one has."""
COST: Final = 1.1
"""CPU per request, at most, as a multiple of one process's."""
TALK: Final = 0.01
"""Messages about slots per request, below."""
_MESSAGES: Final = re.compile(r"^maitre_coordination_messages_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Turn:
    sample: Sample
    messages: float
    """Between the workers and their control process, both ways, about slots."""

    @property
    def talk(self) -> float:
        """Messages per request."""
        return self.messages / self.sample.requests


@dataclass(frozen=True, slots=True)
class Run:
    machine: Machine
    revision: str
    workers: int
    rounds: int
    seconds: int
    turns: Sequence[Turn]

    @property
    def many(self) -> str:
        """The name of the other contender."""
        return several(self.workers)

    def samples(self, shape: str) -> list[Sample]:
        return [turn.sample for turn in self.turns if turn.sample.shape == shape]

    def talk(self, shape: str) -> Spread:
        """Messages per request of the workers."""
        return spread(t.talk for t in self.turns if (t.sample.shape, t.sample.contender) == (shape, self.many))

    @property
    def shapes(self) -> list[str]:
        """Those that were measured, in their order."""
        return list(dict.fromkeys(turn.sample.shape for turn in self.turns))


def several(workers: int) -> str:
    return f"{workers} workers"


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 0; 1 when nothing could be measured, or with --check when a bound is not kept."""
    options = _parser().parse_args(words)
    try:
        run = measure(options.workers, options.rounds, options.seconds)
    except (Unfit, OSError) as failure:
        print(f"bench.workers: {failure}", file=sys.stderr)
        return 1
    print("\n" + text(run))
    page = markdown(run)
    print("saved:", *results.save(results.RESULTS, f"workers-{run.machine.stem}", asdict(run), page))
    return 1 if options.check and broken(run) else 0


def measure(workers: int, rounds: int, seconds: int, shapes: Sequence[Shape] = SHAPES) -> Run:
    """Raises Unfit when a router does not do the work, or says nothing of messages."""
    load.require()
    described = machine.describe()
    admin = dict(zip((ONE, several(workers)), free_ports(2), strict=True))
    tree = contenders.from_tree(ONE, TREE)
    both = [_contender(tree, name, count, admin[name]) for name, count in zip(admin, (1, workers), strict=True)]
    turns = []
    with (
        tempfile.TemporaryDirectory(prefix="maitre-workers-") as directory,
        Arena(both, cores.ANYWHERE, Path(directory)) as arena,
    ):
        arena.warm_up()
        for number in range(rounds):
            for shape in shapes:
                for contender in rotated(both, number):
                    turns.append(_turn(arena, contender.name, admin[contender.name], shape, seconds, number + 1))
                    print(_spelled(turns[-1]), flush=True)
    return Run(described, tree.version, workers, rounds, seconds, turns)


def _contender(tree: Contender, name: str, workers: int, admin_port: int) -> Contender:
    prepare = partial(ourselves.prepare, workers=workers, slots=SLOTS, admin_port=admin_port)
    return Contender(name, tree.version, prepare, tree.tree)


def _turn(arena: Arena, name: str, admin_port: int, shape: Shape, seconds: int, number: int) -> Turn:
    before = messages(_page(admin_port))
    sample = arena.sample(name, shape, seconds, number)
    after = messages(_page(admin_port))
    if None in (before, after) and name != ONE:
        raise Unfit(f"the metrics of {name} do not tell how many messages they exchange")
    return Turn(sample, (after or 0.0) - (before or 0.0))


def _page(admin_port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/metrics", timeout=5) as answer:
        page: bytes = answer.read()
    return page.decode()


def messages(page: str) -> float | None:
    """All that were exchanged, by a page of metrics; None when it does not tell."""
    found = [float(value) for value in _MESSAGES.findall(page)]
    return sum(found) if found else None


def _spelled(turn: Turn) -> str:
    sample = turn.sample
    who = f"round {sample.round}  {sample.shape:8}  {sample.contender:10}"
    return f"{who} {sample.cpu_us:6.1f} µs/request  {sample.rate:8,.0f}/s  {turn.talk:.5f} messages/request"


# -- what is said -----------------------------------------------------------------------------------------------------


def rate_ratio(samples: Sequence[Sample], contender: str, reference: str) -> Spread:
    """Requests per second as a multiple of the reference's in the same round."""
    of_reference = {sample.round: sample.rate for sample in samples if sample.contender == reference}
    return spread(each.rate / of_reference[each.round] for each in samples if each.contender == contender)


def table(run: Run) -> Table:
    costs = [f"µs/request, {ONE}", run.many, f"× (≤ {COST:g})"]
    headings = ["load", *costs, f"requests/s, {ONE}", run.many, "×", f"messages/request (< {TALK:g})"]
    return [headings, *(_row(run, shape) for shape in run.shapes)]


def _row(run: Run, shape: str) -> list[str]:
    samples = run.samples(shape)

    def medians(what: Callable[[Sample], float], form: str) -> list[str]:
        return [format(figure(samples, name, what).median, form) for name in (ONE, run.many)]

    costs = medians(lambda sample: sample.cpu_us, ".1f")
    rates = medians(lambda sample: sample.rate, ",.0f")
    cost, rate, talk = cpu_ratio(samples, run.many, ONE), rate_ratio(samples, run.many, ONE), run.talk(shape)
    return [shape, *costs, _ranged(cost, ".2f"), *rates, _ranged(rate, ".2f"), _ranged(talk, ".5f")]


def _ranged(found: Spread, form: str) -> str:
    return f"{found.median:{form}} ({found.low:{form}} to {found.high:{form}})"


def broken(run: Run) -> list[str]:
    """The bounds that the medians do not keep, in words."""
    found = []
    for shape in run.shapes:
        cost, talk = cpu_ratio(run.samples(shape), run.many, ONE).median, run.talk(shape).median
        if cost > COST:
            found.append(f"{shape}: {cost:.2f} × the CPU per request, above {COST:g}")
        if talk >= TALK:
            found.append(f"{shape}: {talk:.4f} messages per request, not below {TALK:g}")
    return found


def conditions(run: Run) -> list[str]:
    return [
        *(broken(run) or ["all bounds kept"]),
        "median of the rounds (lowest to highest); × is of two figures of the same round",
        f"{run.rounds} rounds of {run.seconds} s per load, in turn; four replicas of {SLOTS} slots",
        f"{cores.ANYWHERE}: requests/s of the workers are limited by what the others leave them",
        str(run.machine),
        f"maitre {run.revision}",
    ]


def text(run: Run) -> str:
    return "\n\n".join([aligned(table(run)), "\n".join(conditions(run))])


def markdown(run: Run) -> str:
    listed = "\n".join(f"- {line}" for line in conditions(run))
    return f"# Several workers, {run.machine.at}\n\n{piped(table(run))}\n\n{listed}\n"


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    made.add_argument("--workers", type=arguments.positive, default=WORKERS, help=f"compared with one ({WORKERS})")
    made.add_argument("--rounds", type=arguments.positive, default=5, help="how often each takes its turn (5)")
    made.add_argument("--seconds", type=arguments.positive, default=3, help="of load per turn (3)")
    made.add_argument("--check", action="store_true", help="exit 1 when a bound is not kept")
    return made


if __name__ == "__main__":
    sys.exit(main())
