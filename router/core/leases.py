"""Leases on slots: what a lessor (`router.core.lease_table`) and its holders say to each other.

A lease is leave to use up to `limit` slots of one replica without asking. The same on both levels: a control process
leases to its workers, the coordinator of a cluster to the control processes of all pods. A holder may lower its limit
by itself at any time; it never raises it without a `Lease`. So a `Bound`, once true, stays true until a later `Lease`
is seen, and it does not matter how late, how often or in which order it arrives.

Pure. `router.serving` and `router.coord` carry the messages.
"""

from __future__ import annotations

from typing import NamedTuple

Group = tuple[str, str]
"""The version that a replica belongs to: endpoint label and version name."""


class Lease(NamedTuple):
    """To a holder: it may use up to `limit` slots of this replica, from now on and instead of what was said before."""

    group: Group
    replica: str
    number: int
    """Grows with each lease of this replica to this holder; a lease that is not newer than the last seen is dropped."""
    limit: int


class Recall(NamedTuple):
    """To a holder: others want slots of this version. Stands until the next one of this version."""

    group: Group
    number: int
    """Grows with each recall of this version from this holder; one that is not newer than the last seen is dropped."""
    hungry: int
    """So many slots others lack: hand back what falls idle, up to that many. 0: nobody lacks any."""
    yields: int
    """Hand back so many although requests wait here."""


class Bound(NamedTuple):
    """From a holder: having seen lease `number`, it uses no more than `bound` slots of this replica."""

    group: Group
    replica: str
    number: int
    bound: int
    """The limit, or the slots held where those are more."""


class Demand(NamedTuple):
    """From a holder: how many of its requests of this version wait for a slot, and how many hold one."""

    group: Group
    queued: int
    in_flight: int
