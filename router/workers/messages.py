"""The few messages that this package itself understands; all others are the owner's on either side.

Any message is a sign of life. A worker sends at least one a second, a `Heartbeat` when it has nothing else to say.
"""

from __future__ import annotations

from typing import NamedTuple


class Heartbeat(NamedTuple):
    """From a worker: it lives. Goes no further than the channel's end."""


class Ready(NamedTuple):
    """From a worker, once: it accepts connections from now on."""


class Drain(NamedTuple):
    """To a worker: accept what waits, then nothing more; let running requests finish, report, exit.

    May come again: of several the earliest end counts.
    """

    seconds: float
    """How long running requests may take; then they are cut."""


class Handover(NamedTuple):
    """To a worker, through its door: if you are an orphan, you are mine from now on."""

    claimant: int
    """Process id of the control process that asks, for the log."""


class HandedOver(NamedTuple):
    """The answer of an orphan: what follows on this channel comes from the worker, and it drains."""


class NotOrphaned(NamedTuple):
    """The answer of a worker whose control process lives, or that was claimed before."""
