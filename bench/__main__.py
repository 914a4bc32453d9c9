"""`python -m bench`: measures all contenders in turn, prints the table, saves it, and checks a bound if asked to."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import contenders, cores, load, machine, report
from bench.contenders import HAPROXY, MAITRE, Contender
from bench.proof import Unfit
from bench.ratios import Sample, cpu_ratio
from bench.rounds import Arena
from bench.shapes import SHAPES, STEADY, Shape, named

RESULTS: Final = Path(__file__).with_name("results")
QUICK_ROUNDS: Final = 3
QUICK_SECONDS: Final = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0; 1 when the bound is exceeded or nothing could be measured."""
    options = _parser().parse_args(arguments)
    if not load.available():
        return _refuse(load.MISSING)
    found, missing = contenders.installed(options.base, options.also)
    chosen = [each for each in found if options.only is None or each.kind.lower() in options.only]
    if not chosen:
        return _refuse(f"nobody to measure; there are {', '.join(each.kind.lower() for each in found)}")
    if options.check is not None and not (
        {MAITRE, HAPROXY} <= {each.name for each in chosen} and STEADY in options.shapes
    ):
        return _refuse(
            "--check compares maitre with HAProxy under steady load; one of the three is missing or left out"
        )
    try:
        run = _measure(chosen, missing, options)
    except Unfit as unfit:
        return _refuse(str(unfit))
    print("\n" + report.text(run))
    print("saved:", *report.save(run, RESULTS))
    return 0 if options.check is None else _check(run.samples, options.check)


def _measure(chosen: Sequence[Contender], missing: Sequence[str], options: argparse.Namespace) -> report.Run:
    place, described = cores.choose(os.sched_getaffinity(0)), machine.describe()
    with (
        tempfile.TemporaryDirectory(prefix="maitre-bench-") as directory,
        Arena(chosen, place, Path(directory), options.heads) as arena,
    ):
        rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if options.quick else (options.rounds, options.seconds)
        samples = arena.measure(options.shapes, rounds, seconds, _tell)
    return report.Run(
        machine=described,
        cores=place,
        versions={each.name: each.version for each in chosen},
        missing=missing,
        heads=options.heads,
        rounds=rounds,
        seconds=seconds,
        samples=samples,
    )


def _tell(sample: Sample) -> None:
    who = f"round {sample.round}  {sample.shape:8}  {sample.contender:12}"
    print(f"{who} {sample.cpu_us:6.1f} µs/request  {sample.rate:8,.0f}/s", flush=True)


def _check(samples: Sequence[Sample], bound: float) -> int:
    steady = [sample for sample in samples if sample.shape == STEADY.name]
    ratio = cpu_ratio(steady, MAITRE, HAPROXY).median
    kept = ratio <= bound
    verdict = "within" if kept else "above"
    print(f"CPU per request under steady load, maitre to HAProxy: {ratio:.2f}, {verdict} the bound of {bound:g}")
    return 0 if kept else 1


def _refuse(sentence: str) -> int:
    print(f"bench: {sentence}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=_positive, default=5, help="how often each takes its turn (default 5)")
    parser.add_argument("--seconds", type=_positive, default=2, help="of load per turn (default 2)")
    quick = f"{QUICK_ROUNDS} rounds of {QUICK_SECONDS} s: a look, in two minutes"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--only", type=_names, metavar="NAME,…", help="these alone: maitre, nginx, haproxy, envoy")
    shapes = f"these loads alone: {', '.join(shape.name for shape in SHAPES)}"
    parser.add_argument("--shapes", type=_shapes, metavar="NAME,…", default=SHAPES, help=shapes)
    trees = "another working tree of maitre, measured beside this one"
    parser.add_argument("--base", type=Path, metavar="DIR", help=trees)
    parser.add_argument("--also", type=Path, metavar="DIR", help="one more of them, shown under its directory's name")
    bound = "exit 1 when maitre costs more than this × HAProxy, steady"
    parser.add_argument("--check", type=float, metavar="RATIO", help=bound)
    parser.add_argument("--heads", choices=[load.FRESH, load.REPEATED], default=load.FRESH, help="default: fresh")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return number


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(","))


def _shapes(text: str) -> tuple[Shape, ...]:
    try:
        return named([name.strip() for name in text.split(",")])
    except ValueError as unknown:
        raise argparse.ArgumentTypeError(str(unknown)) from unknown


if __name__ == "__main__":
    sys.exit(main())
