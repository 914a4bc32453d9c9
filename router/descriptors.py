"""File descriptors: as many as the system allows, and no more connections than they suffice for.

A connection of a client needs one, a request under way another one for its replica. What a process may open by default
(1,024 on most systems) is far below what a router needs, and reaching it ends in refusals of the worst kind: at random.

Called by `router.main`, once, before anything listens.
"""

from __future__ import annotations

import resource
from typing import Final

OWN: Final = 256
"""For everything else: listening sockets, logs, watched files, pipes of local processes, probes."""
REQUESTS_PER_CLIENT: Final = 1 / 3
"""Of many kept-alive clients at most so many have a request under way: the others wait for a slot, or rest."""


def connections_possible(wanted: int) -> int:
    """Raises this process's own limit as far as `wanted` connections need and the system allows; returns for how many
    it suffices, at least 1."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    needed = OWN + int(wanted * (1 + REQUESTS_PER_CLIENT)) + 1
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, min(wanted, int((max(allowed, soft) - OWN) / (1 + REQUESTS_PER_CLIENT))))
