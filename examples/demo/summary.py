"""The last page: what was seen, in words and numbers, then the checks. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from examples.demo.chart import chart
from examples.demo.display import decision_line, milliseconds
from examples.demo.judge import (
    Check,
    Expected,
    accuracy_of,
    answer_of_new_replica,
    decision_after_step,
    split_of,
)
from examples.demo.quantiles import quantile
from examples.demo.seen import Answer, Seen
from router.model.rules import shares


def summary(seen: Seen, expected: Expected) -> Iterator[str]:
    """Line by line, without the checks."""
    yield "What was seen"
    yield from _requests(seen, expected)
    yield from _step(seen, expected)
    yield ""
    for version in expected.spec.versions:
        yield f"Replicas of {version.name} over time (# ready, . wanted)"
        yield from chart(seen.samples, version.name)
        yield ""
    yield "Decisions"
    yield from map(decision_line, seen.scalings)


def verdicts(checks: Iterable[Check]) -> Iterator[tuple[Check, str]]:
    """Each check with its line."""
    for check in checks:
        yield check, f"{'ok' if check.ok else 'FAILED':<7} {check.name}: {check.detail}"


def _requests(seen: Seen, expected: Expected) -> Iterator[str]:
    statuses = Counter(_status(answer) for answer in seen.answers)
    yield _line("requests", f"{seen.sent} sent, {len(seen.answers)} answered")
    yield _line("statuses", ", ".join(f"{count} × {status}" for status, count in statuses.most_common()))
    observed = split_of(seen)
    yield _line(
        "split",
        ", ".join(
            f"{name} {observed.get(name, 0.0):.1f} % of {share:g} %" for name, share in shares(expected.spec).items()
        ),
    )
    accuracies = {version: accuracy_of(seen.answers, version) for version in expected.accuracy}
    shown = (f"{version} {'-' if right is None else f'{right:.1%}'}" for version, right in accuracies.items())
    yield _line("accuracy", ", ".join(shown))
    latencies = [answer.latency_s for answer in seen.answers]
    latency = _quantiles(quantile(latencies, 0.5), quantile(latencies, 0.99))
    yield _line("latency", f"{latency}, the wait for starting replicas included")
    added = seen.added()
    yield _line("added by the router", _quantiles(added.quantile(0.5), added.quantile(0.99), decimals=2))


def _step(seen: Seen, expected: Expected) -> Iterator[str]:
    step = seen.began(expected.plan.hold.name)
    decision, answer = decision_after_step(seen, expected), answer_of_new_replica(seen, expected)
    if step is not None and decision is not None:
        yield _line("step to decision", f"{(decision.at - step) * 1000:.0f} ms")
    if step is not None and answer is not None:
        yield _line("step to new replica", f"{answer.done - step:.1f} s until its first answer")
    ups = sum(each.up for each in seen.scalings)
    yield _line("scaled", f"{ups} times up, {len(seen.scalings) - ups} times down")


def _status(answer: Answer) -> str:
    if answer.status == 0:
        return "no answer"
    return f"{answer.status} {answer.reason}".rstrip()


def _quantiles(p50_s: float | None, p99_s: float | None, decimals: int = 0) -> str:
    return f"p50 {milliseconds(p50_s, decimals)}, p99 {milliseconds(p99_s, decimals)}"


def _line(name: str, value: str) -> str:
    return f"  {name:<20} {value}"
