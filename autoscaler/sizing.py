"""How many replicas a load needs: arithmetic only, exact, no state. Called by the policy and by `maitre replicas`.

One rule, seen from two sides: a replica with s slots is sized to hold s × utilization requests at a time, so that the
rest of its slots is headroom for a spike. Floats are read as the decimals that they print as (0.7 is seven tenths),
because 14 / 0.7 in binary floating point is 20.000000000000004 and would round up to a replica that nobody needs.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, isfinite

from autoscaler.errors import OutOfRange


def replicas_for(demand: float, slots: int, target_utilization_percent: int) -> int:
    """Replicas that hold `demand` concurrent requests at the target share of their slots; 0 for no demand.

    `demand` ≥ 0 and finite, `slots` ≥ 1 per replica, target 1 to 100 percent; raises OutOfRange otherwise.
    """
    if not (isfinite(demand) and demand >= 0):
        raise OutOfRange("demand", demand, "a finite number of requests, 0 or more")
    require_whole("slots", slots, 1, None)
    require_whole("target utilization", target_utilization_percent, 1, 100)
    # In whole numbers, because the policy asks for every version every second, and arithmetic on fractions is slow.
    numerator, denominator = _exact(demand).as_integer_ratio()
    return -(-numerator * 100 // (denominator * slots * target_utilization_percent))


def replicas_needed(rps: float, seconds: float, concurrency: int, utilization: int) -> int:
    """Replicas for `rps` requests a second of `seconds` each, `concurrency` at a time on each, `utilization` % busy.

    The formula that Azure ML gives against 503 answers (Azure ML documentation, troubleshooting of deployments,
    status 503): concurrent = rps × seconds / utilization, replicas = concurrent / concurrency, rounded up. 20 × 10 /
    0.7 / 1 gives 286. Raises OutOfRange for what is not a load or not a replica.
    """
    if not (isfinite(rps) and rps >= 0):
        raise OutOfRange("rps", rps, "a finite number of requests per second, 0 or more")
    if not (isfinite(seconds) and seconds > 0):
        raise OutOfRange("seconds", seconds, "a finite number of seconds above 0")
    require_whole("concurrency", concurrency, 1, None)
    require_whole("utilization", utilization, 1, 100)
    return ceil(_exact(rps) * _exact(seconds) * 100 / (concurrency * utilization))


def require_whole(name: str, value: int, low: int, high: int | None) -> None:
    """Raise OutOfRange unless `value` is an int of `low` to `high` (None: no upper end); a bool is no number here."""
    if type(value) is not int or value < low or (high is not None and value > high):
        allowed = f"a whole number, {low} or more" if high is None else f"a whole number from {low} to {high}"
        raise OutOfRange(name, value, allowed)


def _exact(number: float) -> Fraction:
    """The shortest decimal that reads as `number`: what was typed or measured, without the binary tail."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))
