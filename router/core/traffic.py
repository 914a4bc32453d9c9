"""Which version serves a request: by percentile for a drawn number, or by rendezvous for a sticky value.

Both choices are total: every input gives a version. Shares come from `router.model.rules.shares`, where the default has
already taken the remainder on top of its own percentile, so here they sum to 100. Should they sum to less, the rest
goes to the default as well: the fallback is the rule itself. A version with share 0 is never chosen, not even by
rounding.

Pure; called once per request by `router.core.routes`.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from math import isclose, log
from typing import Generic, TypeVar

V = TypeVar("V")


class Split(Generic[V]):
    """The versions of one endpoint with their shares in percent, compiled for choosing."""

    __slots__ = ("_bounds", "_default", "_names", "_shares", "_versions")

    def __init__(self, versions: Mapping[str, V], shares: Mapping[str, float], default: str) -> None:
        self._names = [name for name in versions if shares.get(name, 0) > 0]
        self._versions = [versions[name] for name in self._names]
        self._shares = [shares[name] for name in self._names]
        self._bounds = [bound / 100 for bound in accumulate(self._shares)]
        if self._bounds and isclose(self._bounds[-1], 1.0):
            self._bounds[-1] = 1.0  # sums of floats may end just below, and the gap would be the default's
        self._default = versions[default]

    def pick(self, u: float) -> V:
        """The version for `u`, uniform in [0, 1)."""
        index = bisect_right(self._bounds, u)
        return self._versions[index] if index < len(self._versions) else self._default

    def pick_sticky(self, value: bytes) -> V:
        """The version for `value`: always the same while the shares stand.

        Weighted rendezvous hashing (Thaler and Ravishankar 1998; the logarithmic weights are Schindelhauer and
        Schomaker's, 2005): raising one version's share moves only users towards it, and only that many.
        """
        best, chosen = float("-inf"), self._default
        for name, version, share in zip(self._names, self._versions, self._shares, strict=True):
            digest = hashlib.blake2b(value, key=name.encode(), digest_size=8).digest()
            score = share / -log(_uniform(digest))
            if score > best:
                best, chosen = score, version
        return chosen

    def __repr__(self) -> str:
        return f"<Split {' '.join(f'{n}={s:g}%' for n, s in zip(self._names, self._shares, strict=True))}>"


def _uniform(digest: bytes) -> float:
    """A number in (0, 1), both ends excluded, out of 8 bytes: 52 bits and a half are what a float holds exactly."""
    return ((int.from_bytes(digest) >> 12) + 0.5) / 2**52
