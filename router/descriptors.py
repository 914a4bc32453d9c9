"""File descriptors: as many as the system allows, and no more connections than they suffice for.

A connection of a client needs one, its request another one for the replica. What a process may open by default (1,024
on most systems) is far below what a router needs, and reaching it ends in refusals of the worst kind: at random.

Called by `router.main`, once, before anything listens.
"""

from __future__ import annotations

import resource
from typing import Final

OWN: Final = 256
"""For everything else: listening sockets, logs, watched files, pipes of local processes, probes."""
PER_CONNECTION: Final = 2


def connections_possible(wanted: int) -> int:
    """Raises this process's own limit as far as `wanted` connections need and the system allows; returns for how many
    it suffices, at least 1."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted * PER_CONNECTION + OWN
    if soft == resource.RLIM_INFINITY:
        return wanted
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, min(wanted, (max(allowed, soft) - OWN) // PER_CONNECTION))
