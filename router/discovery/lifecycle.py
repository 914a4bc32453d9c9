"""Which replicas to start and which to end, decided from how they stand and how many are wished. Pure.

    WAITING ──► STARTING ──► READY
       ▲            │          │        the process ended: it waits, then is started anew
       └────────────┴──────────┘
    any of them ──► LEAVING             told to end; there is no way back, a new wish starts a new replica

Called by `processes.LocalProcesses` on each wish.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from router.discovery.loss import loss


class Phase(Enum):
    """Where a replica stands."""

    WAITING = "waiting"  # its process ended or could not be started; it gets another one after a pause
    STARTING = "starting"  # its process runs and is not ready yet
    READY = "ready"
    LEAVING = "leaving"

    @property
    def coming(self) -> bool:
        """On its way to being ready. One that keeps crashing still is: the next start may be the good one."""
        return self in (Phase.WAITING, Phase.STARTING)


@dataclass(frozen=True, slots=True)
class Standing:
    """One replica as the plan sees it. `seat` grows with each one that was wished for: a higher one is newer."""

    seat: int
    phase: Phase
    held: int  # requests that it runs


@dataclass(frozen=True, slots=True)
class Plan:
    """What brings the replicas to the wished number."""

    start: int
    end: tuple[int, ...]  # seats, in the order in which they are to be told


def plan(standings: Iterable[Standing], wished: int) -> Plan:
    """The fewest starts and ends that leave `wished` replicas that are not leaving."""
    staying = [standing for standing in standings if standing.phase is not Phase.LEAVING]
    surplus = len(staying) - wished
    if surplus <= 0:
        return Plan(start=-surplus, end=())
    staying.sort(key=_loss)
    return Plan(start=0, end=tuple(standing.seat for standing in staying[:surplus]))


def _loss(standing: Standing) -> tuple[bool, int, float]:
    return loss(standing.phase is Phase.READY, standing.held, born=standing.seat)
