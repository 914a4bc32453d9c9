"""Was it all seen to work? Named checks over what was seen, each with the numbers it rests on. Pure.

A check that has nothing to judge has failed: the demo exits 0 only for what was really seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final, NamedTuple

from examples.demo.plan import Plan
from examples.demo.seen import Answer, Scaling, Seen
from router.model.rules import default_version, shares
from router.model.spec import EndpointSpec, Version

DECISION_LIMIT_S: Final = 1.0
"""From the load to the decision: the contract's limit. Its goal is the next one."""
DECISION_GOAL_S: Final = 0.25
SPLIT_SIGMAS: Final = 4.0
"""How far chance may take the split: one honest run in 16,000 is further off."""
LEAST_SERVED: Final = 0.99
"""Share of the requests that must be answered 200; the rest must be refused with a reason."""
ACCURACY_MARGIN: Final = 0.03
"""A run asks each version only some of the held-out images; chance moves its accuracy by half a percent or so."""


class Check(NamedTuple):
    """One thing that was to be seen."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What the run was made with."""

    plan: Plan
    spec: EndpointSpec
    accuracy: Mapping[str, float]
    """Of each version, measured without the router."""

    @property
    def stepped(self) -> Version:
        """The version whose scaling is judged: the default, which gets the largest share."""
        return default_version(self.spec.versions)


def judge(seen: Seen, expected: Expected) -> list[Check]:
    """All checks, in the order in which they are shown."""
    return [
        _answered(seen),
        _split(seen, expected),
        *_accuracies(seen, expected),
        _decided(seen, expected),
        _served_by_new(seen, expected),
        _waited_out(seen, expected),
        _at_minimum(seen, expected),
        _nothing_left(seen),
        _router_ended(seen),
    ]


def split_of(seen: Seen) -> dict[str, float]:
    """The share of each version in percent, of the answers that say which one they are from."""
    versions = [answer.version for answer in seen.answers if answer.version]
    return {version: 100 * versions.count(version) / len(versions) for version in sorted(set(versions))}


def accuracy_of(answers: list[Answer], version: str) -> float | None:
    """The share of images that a version recognized; None if it was asked for none."""
    own = [answer for answer in answers if answer.version == version and answer.status == 200]
    images = sum(answer.images for answer in own)
    return sum(answer.right for answer in own) / images if images else None


def decision_after_step(seen: Seen, expected: Expected) -> Scaling | None:
    """The first scale-up of the stepped version after the step."""
    step = seen.began(expected.plan.hold.name)
    ups = (each for each in seen.scalings if each.up and each.version == expected.stepped.name)
    return None if step is None else next((each for each in ups if each.at >= step), None)


def answer_of_new_replica(seen: Seen, expected: Expected) -> Answer | None:
    """The first answer of the stepped version from a replica whose process began after the step."""
    step, version = seen.began(expected.plan.hold.name), expected.stepped.name
    if step is None:
        return None
    new = {start.replica for start in seen.starts if start.version == version and start.at >= step}
    theirs = (each for each in seen.answers if each.version == version and each.replica in new)
    return min(theirs, key=lambda each: each.done, default=None)


def back_at_minimum(seen: Seen, version: Version) -> Scaling | None:
    """The decision that took a version down to its minimum for good; None if it did not end there."""
    last = next((each for each in reversed(seen.scalings) if each.version == version.name), None)
    return last if last is not None and last.after == version.autoscale.min_replicas and not last.up else None


def _answered(seen: Seen) -> Check:
    name = "every request answered, with 200 or with a reason"
    served = sum(answer.status == 200 for answer in seen.answers)
    unexplained = sum(answer.status != 200 and not answer.reason for answer in seen.answers)
    missing = seen.sent - len(seen.answers)
    ok = seen.sent > 0 and not missing and not unexplained and served >= LEAST_SERVED * seen.sent
    rest = f"{len(seen.answers) - served - unexplained} refused, {unexplained} without a reason, {missing} missing"
    return Check(name, ok, f"{served} of {seen.sent} are 200; {rest}")


def _split(seen: Seen, expected: Expected) -> Check:
    configured = shares(expected.spec)
    answers = sum(1 for answer in seen.answers if answer.version)
    observed = split_of(seen)
    off = {version: _sigmas(observed.get(version, 0.0), share, answers) for version, share in configured.items()}
    worst = max(off.values())
    shown = ", ".join(f"{name} {observed.get(name, 0.0):.1f} % of {share:g} %" for name, share in configured.items())
    name = f"the split is as configured, within {SPLIT_SIGMAS:g} sigma"
    return Check(name, answers > 0 and worst <= SPLIT_SIGMAS, f"{shown}: {worst:.1f} sigma")


def _sigmas(observed: float, share: float, answers: int) -> float:
    """How many standard deviations of a binomial draw lie between two percentages."""
    deviation = sqrt(share * (100 - share) / max(answers, 1))
    difference = abs(observed - share)
    return difference / deviation if deviation else (0.0 if not difference else float("inf"))


def _accuracies(seen: Seen, expected: Expected) -> Iterator[Check]:
    for version, trained in expected.accuracy.items():
        name = f"{version} is as good through the router as without it"
        accuracy = accuracy_of(seen.answers, version)
        if accuracy is None:
            yield Check(name, ok=False, detail="it answered nothing")
        else:
            ok = accuracy >= trained - ACCURACY_MARGIN
            yield Check(name, ok, f"{accuracy:.1%} of the images right, {trained:.1%} without")


def _decided(seen: Seen, expected: Expected) -> Check:
    name = f"scaled up within {DECISION_LIMIT_S:g} s of the step (goal {DECISION_GOAL_S * 1000:.0f} ms)"
    step, decision = seen.began(expected.plan.hold.name), decision_after_step(seen, expected)
    if step is None or decision is None:
        return Check(name, ok=False, detail="no such decision")
    took = decision.at - step
    detail = f"{decision.version} from {decision.before} to {decision.after} after {took * 1000:.0f} ms"
    return Check(name, took <= DECISION_LIMIT_S, detail)


def _served_by_new(seen: Seen, expected: Expected) -> Check:
    name = "a replica that was started for it served"
    step, answer = seen.began(expected.plan.hold.name), answer_of_new_replica(seen, expected)
    if step is None or answer is None:
        return Check(name, ok=False, detail="no answer from a new replica")
    detail = f"first answer of {answer.version}/{answer.replica} after {answer.done - step:.1f} s"
    return Check(name, ok=True, detail=detail)


def _waited_out(seen: Seen, expected: Expected) -> Check:
    """The load of the hold wants more than `calm_replicas` at every look, so they are wanted for one window more."""
    version = expected.stepped
    window_s, look_s = version.autoscale.scale_down_window_seconds, version.autoscale.refresh_period_seconds
    name = f"kept its replicas for the window of {window_s:g} s after the load fell"
    step, fall = seen.began(expected.plan.hold.name), seen.began(expected.plan.fall.name)
    calm = expected.plan.calm_replicas
    downs = (each for each in seen.scalings if each.version == version.name and each.after <= calm < each.before)
    let_go = None if step is None else next((each for each in downs if each.at >= step), None)
    if fall is None or let_go is None:
        return Check(name, ok=False, detail="it never let them go")
    after = let_go.at - fall
    detail = f"{version.name} from {let_go.before} to {let_go.after} after {after:.1f} s"
    return Check(name, after >= window_s - look_s, detail)  # the last look before the fall may be one period old


def _at_minimum(seen: Seen, expected: Expected) -> Check:
    name = "back at the minimum in the end"
    last = seen.samples[-1].versions if seen.samples else {}
    minimum = {version.name: version.autoscale.min_replicas for version in expected.spec.versions}
    desired = {version: load.desired for version, load in last.items()}
    total = {version: load.total for version, load in last.items()}
    scaled = back_at_minimum(seen, expected.stepped) is not None
    detail = ", ".join(f"{name} {total.get(name, 0)} of {least}" for name, least in minimum.items())
    return Check(name, scaled and desired == minimum == total, detail)


def _nothing_left(seen: Seen) -> Check:
    name = "no replica outlived the router"
    ok = bool(seen.starts) and not seen.left_running
    left = f", still running: {' '.join(map(str, seen.left_running))}" if seen.left_running else ""
    return Check(name, ok, f"{len(seen.starts)} were started{left}")


def _router_ended(seen: Seen) -> Check:
    return Check("the router ended in good order", seen.router_exit == 0, f"exit status {seen.router_exit}")
