"""Which core does what: the contender has one for itself, load generator and model share the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    load: int
    proxy: int

    @property
    def shared(self) -> bool:
        """On a machine with one core: then requests/s mean nothing, CPU per request still does."""
        return self.load == self.proxy


def choose(allowed: set[int]) -> Cores:
    """The outermost two of the allowed cores: where there are more, these are rarely siblings of one physical core."""
    return Cores(load=min(allowed), proxy=max(allowed))


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Processes started inside stay on this core: they inherit it, so they are never elsewhere."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
