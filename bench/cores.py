"""Which core does what: the contender has one for itself, load generator and model share another or have one each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    load: int
    model: int
    proxy: int

    @property
    def shared(self) -> bool:
        """On a machine with one core: then requests/s mean nothing, CPU per request still does."""
        return self.load == self.proxy

    def __str__(self) -> str:
        if self.load == self.model:
            return f"proxy on core {self.proxy}, load generator and model on core {self.load}"
        return f"proxy on core {self.proxy}, load generator on {self.load}, model on {self.model}"


def choose(allowed: set[int]) -> Cores:
    """Proxy and load have the outermost cores: of more than two, these are rarely halves of one physical core."""
    first, *others = sorted(allowed)
    return Cores(load=first, model=others[0] if len(others) > 1 else first, proxy=max(allowed))


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Processes started inside stay on this core: they inherit it, so they are never elsewhere."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
