"""`python -m tests.http.fuzz --cases 1000000 --seed 1 --processes 2`: many mutated messages, each judged beside h11.

Prints progress and, at the end, figures; the first disagreement ends the run with what is needed to see it again
(`--seed S --first N --cases 1`), and exit status 1. A case that takes longer than BOUND_S is a hang, and one, too.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.http import mutation
from tests.http.in_memory import MemoryHouse
from tests.http.judging_answers import ASKED, of_answer
from tests.http.judging_requests import of_requests
from tests.http.verdict import LAXER, Disagreement, Verdict

BOUND_S = 5
CHUNK = 2000
ANSWERS_IN = 3
"""Every so many cases, one is a model's answer."""


@dataclass
class Figures:
    cases: int = 0
    forwarded: int = 0
    """Cases of which at least one message went through."""
    messages: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, verdict: Verdict, seconds: float) -> None:
        self.cases += 1
        self.forwarded += verdict.forwarded > 0
        self.messages += verdict.forwarded
        self.refused += bool(verdict.refused)
        self.slowest_s = max(self.slowest_s, seconds)
        if verdict.refused:
            self.reasons[verdict.refused] += 1

    def __iadd__(self, other: Figures) -> Figures:
        self.cases += other.cases
        self.forwarded += other.forwarded
        self.messages += other.messages
        self.refused += other.refused
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.reasons += other.reasons
        return self

    def __str__(self) -> str:
        return (
            f"{self.cases} cases, {self.forwarded} with {self.messages} messages forwarded, {self.refused} refused, "
            f"slowest {self.slowest_s * 1000:.0f} ms"
        )


@dataclass
class Case:
    """Bytes, how they arrive, and what else was drawn."""

    data: bytes
    pieces: list[bytes]
    asked: str
    """What the model is answering; empty: the bytes are a client's."""
    wavers: float

    def judge(self, house: MemoryHouse) -> Verdict:
        """Raises Disagreement; the house cannot be used again then."""
        if self.asked:
            return of_answer(house, self.asked, self.data, self.pieces, hangs_up=self.wavers < 0.6)
        return of_requests(house, self.data, self.pieces, patient=self.wavers < 0.3)

    @property
    def excused(self) -> bool:
        """Whether h11 may disagree."""
        return LAXER.search(self.data) is not None


def draw(random: Random, answer: bool) -> Case:
    data = mutation.answer(random) if answer else mutation.requests(random)
    asked = random.choice(list(ASKED)) if answer else ""
    return Case(data, mutation.segments(random, data), asked, random.random())


def run(seed: int, first: int, cases: int) -> tuple[Figures, str]:
    """Cases by number; returns the figures and, if there was a disagreement, the story of it."""
    figures, house = Figures(), MemoryHouse()
    signal.signal(signal.SIGALRM, _hangs)
    for number in range(first, first + cases):
        case = draw(Random(f"{seed}/{number}"), number % ANSWERS_IN == 0)
        began = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, BOUND_S)
        try:
            verdict = case.judge(house)
        except Disagreement as difference:
            if not case.excused:
                return figures, _story(seed, number, case, difference)
            verdict, house = Verdict(), MemoryHouse()
        except Exception as error:  # noqa: BLE001  whatever the data plane raises is a finding
            return figures, _story(seed, number, case, error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        figures.add(verdict, time.perf_counter() - began)
    return figures, ""


def _story(seed: int, number: int, case: Case, error: Exception) -> str:
    told = "".join(traceback.format_exception(error))
    return f"{case}\n{told}see it again: --seed {seed} --first {number} --cases 1"


def _hangs(*_signal: object) -> None:
    raise TimeoutError(f"a case takes longer than {BOUND_S} s")


def _run(job: tuple[int, int, int]) -> tuple[Figures, str]:
    return run(*job)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.http.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    end = options.first + options.cases
    jobs = [(options.seed, at, min(CHUNK, end - at)) for at in range(options.first, end, CHUNK)]
    figures = Figures()
    began = printed = time.monotonic()
    with multiprocessing.Pool(options.processes) as pool:
        for part, story in pool.imap_unordered(_run, jobs):
            figures += part
            if story:
                print(f"A difference, after {figures.cases} cases:\n{story}")
                return 1
            if time.monotonic() - printed > 10:
                printed = time.monotonic()
                print(f"{figures}, {figures.cases / (printed - began):.0f}/s", flush=True)
    seconds = time.monotonic() - began
    print(f"{figures}, 0 differences, {seconds:.0f} s, {figures.cases / seconds:.0f}/s (seed {options.seed})")
    for reason, count in figures.reasons.most_common(40):
        print(f"{count:9} {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
