"""What maitre promises of its cost per request, as multiples of its peers' in the same rounds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.contenders import ENVOY, HAPROXY
from bench.ratios import Sample, Spread, cpu_ratio
from bench.shapes import MATRIX


@dataclass(frozen=True, slots=True)
class Bound:
    """maitre's CPU per request is at most `most` times that of `peer`."""

    peer: str
    most: float


BOUNDS: Final = (Bound(HAPROXY, 2.0), Bound(ENVOY, 0.6))
BINDING: Final = tuple(shape.name for shape in MATRIX if shape.connections > 1)
"""Where they hold: full load over 32 and 256 connections, with bodies of both sizes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`kept`: the median is within the bound. `clear`: so is, or is not, every single round."""

    contender: str
    shape: str
    bound: Bound
    ratio: Spread

    @property
    def kept(self) -> bool:
        return self.ratio.median <= self.bound.most

    @property
    def clear(self) -> bool:
        return (self.ratio.low <= self.bound.most) == (self.ratio.high <= self.bound.most)


def judge(samples: Sequence[Sample], contender: str) -> list[Verdict]:
    """One verdict per binding shape and bound that was measured."""
    found = []
    for shape in BINDING:
        of_shape = [sample for sample in samples if sample.shape == shape]
        present = {sample.contender for sample in of_shape}
        found += [
            Verdict(contender, shape, bound, cpu_ratio(of_shape, contender, bound.peer))
            for bound in BOUNDS
            if {contender, bound.peer} <= present
        ]
    return found
