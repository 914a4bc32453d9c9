"""Quantiles of what was seen one by one. Those of histograms are `router.telemetry.histogram`'s."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil


def quantile(values: Iterable[float], q: float) -> float | None:
    """The smallest of `values` that at least the share `q` (above 0, to 1) of them does not exceed; None of nothing.

    The nearest rank: always a value that was really seen, never one between two.
    """
    if not 0 < q <= 1:
        raise ValueError(f"a quantile is above 0 and at most 1, not {q}")
    ranked = sorted(values)
    return ranked[ceil(q * len(ranked)) - 1] if ranked else None
