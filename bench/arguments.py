"""What the commands of the benchmark have in common on the command line: who is measured, how often, how long."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench import contenders
from bench.contenders import Contender
from bench.proof import Unfit


def parser(command: str, description: str | None, *, rounds: int, seconds: int) -> argparse.ArgumentParser:
    """`rounds`, `seconds`: the defaults."""
    made = argparse.ArgumentParser(prog=f"python -m {command}", description=description)
    made.add_argument("--rounds", type=positive, default=rounds, help=f"how often each takes its turn ({rounds})")
    made.add_argument("--seconds", type=positive, default=seconds, help=f"of load per turn ({seconds})")
    made.add_argument("--only", type=_names, metavar="NAME,…", help="these alone: maitre, nginx, haproxy, envoy")
    trees = "another working tree of maitre, measured beside this one"
    made.add_argument("--base", type=Path, metavar="DIR", help=trees)
    made.add_argument("--also", type=Path, metavar="DIR", help="one more of them, shown under its directory's name")
    return made


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return number


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(","))


def chosen(options: argparse.Namespace) -> tuple[Sequence[Contender], Sequence[str]]:
    """Who is to be measured, and who is not installed. Raises Unfit when nobody is left."""
    found, missing = contenders.installed(options.base, options.also)
    taking_part = [each for each in found if options.only is None or each.kind.lower() in options.only]
    if not taking_part:
        raise Unfit(f"nobody to measure; there are {', '.join(each.kind.lower() for each in found)}")
    return taking_part, missing
