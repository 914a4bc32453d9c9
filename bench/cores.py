"""Which core does what: the contender has one for itself, load generator and model share another or have one each.

Where contenders are to use more than one core, nothing is pinned.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cores:
    """None: whichever the kernel picks, from moment to moment."""

    load: int | None
    model: int | None
    proxy: int | None

    @property
    def shared(self) -> bool:
        """On a machine with one core: then requests/s mean nothing, CPU per request still does."""
        return self.proxy is not None and self.load == self.proxy

    def __str__(self) -> str:
        if self == ANYWHERE:
            return "proxy, load generator and model on all cores alike"
        if self.load == self.model:
            return f"proxy on core {self.proxy}, load generator and model on core {self.load}"
        return f"proxy on core {self.proxy}, load generator on {self.load}, model on {self.model}"


ANYWHERE: Final = Cores(load=None, model=None, proxy=None)


def choose(allowed: set[int]) -> Cores:
    """Proxy and load have the outermost cores: of more than two, these are rarely halves of one physical core."""
    first, *others = sorted(allowed)
    return Cores(load=first, model=others[0] if len(others) > 1 else first, proxy=max(allowed))


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Processes started inside stay on this core: they inherit it, so they are never elsewhere. None: they do not."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
