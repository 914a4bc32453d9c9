"""`python -m bench`: measures all contenders in turn, prints the table, saves it, and checks a bound if asked to."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import arguments, cores, load, machine, report
from bench.contenders import HAPROXY, MAITRE, Contender
from bench.proof import Unfit
from bench.ratios import Sample, cpu_ratio
from bench.results import RESULTS
from bench.rounds import Arena
from bench.shapes import SHAPES, STEADY, Shape, named

QUICK_ROUNDS: Final = 3
QUICK_SECONDS: Final = 1


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 0; 1 when the bound is exceeded or nothing could be measured."""
    options = _parser().parse_args(words)
    if options.quick:
        options.rounds, options.seconds = QUICK_ROUNDS, QUICK_SECONDS
    try:
        run = _measure(options)
    except Unfit as unfit:
        print(f"bench: {unfit}", file=sys.stderr)
        return 1
    print("\n" + report.text(run))
    print("saved:", *report.save(run, RESULTS))
    return 0 if options.check is None else _check(run.samples, options.check)


def _measure(options: argparse.Namespace) -> report.Run:
    load.require()
    chosen, missing = arguments.chosen(options)
    if options.check is not None:
        _require_checkable(chosen, options.shapes)
    place, described = cores.choose(os.sched_getaffinity(0)), machine.describe()
    with (
        tempfile.TemporaryDirectory(prefix="maitre-bench-") as directory,
        Arena(chosen, place, Path(directory), options.heads) as arena,
    ):
        samples = arena.measure(options.shapes, options.rounds, options.seconds, _tell)
    return report.Run(
        machine=described,
        cores=place,
        versions={each.name: each.version for each in chosen},
        missing=missing,
        heads=options.heads,
        rounds=options.rounds,
        seconds=options.seconds,
        samples=samples,
    )


def _tell(sample: Sample) -> None:
    who = f"round {sample.round}  {sample.shape:8}  {sample.contender:12}"
    print(f"{who} {sample.cpu_us:6.1f} µs/request  {sample.rate:8,.0f}/s", flush=True)


def _require_checkable(chosen: Sequence[Contender], shapes: Sequence[Shape]) -> None:
    if not {MAITRE, HAPROXY} <= {each.name for each in chosen} or STEADY not in shapes:
        raise Unfit("--check compares maitre with HAProxy under steady load; one of the three is missing or left out")


def _check(samples: Sequence[Sample], bound: float) -> int:
    steady = [sample for sample in samples if sample.shape == STEADY.name]
    ratio = cpu_ratio(steady, MAITRE, HAPROXY).median
    kept = ratio <= bound
    verdict = "within" if kept else "above"
    print(f"CPU per request under steady load, maitre to HAProxy: {ratio:.2f}, {verdict} the bound of {bound:g}")
    return 0 if kept else 1


def _parser() -> argparse.ArgumentParser:
    parser = arguments.parser("bench", __doc__, rounds=5, seconds=2)
    quick = f"{QUICK_ROUNDS} rounds of {QUICK_SECONDS} s: a look, in two minutes"
    parser.add_argument("--quick", action="store_true", help=quick)
    shapes = f"these loads alone: {', '.join(shape.name for shape in SHAPES)}"
    parser.add_argument("--shapes", type=_shapes, metavar="NAME,…", default=SHAPES, help=shapes)
    bound = "exit 1 when maitre costs more than this × HAProxy, steady"
    parser.add_argument("--check", type=float, metavar="RATIO", help=bound)
    parser.add_argument("--heads", choices=[load.FRESH, load.REPEATED], default=load.FRESH, help="default: fresh")
    return parser


def _shapes(text: str) -> tuple[Shape, ...]:
    try:
        return named([name.strip() for name in text.split(",")])
    except ValueError as unknown:
        raise argparse.ArgumentTypeError(str(unknown)) from unknown


if __name__ == "__main__":
    sys.exit(main())
