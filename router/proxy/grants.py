"""What admission decides, done: whoever waited goes on with its slot or leaves, an ejected replica comes back in time.

`router.core.admission` returns what is to be done and performs nothing itself; whoever calls it passes the answer on to
here, in its order. Called by everything that holds a slot or changes how many there are: exchanges, copies for mirrors,
and the replicas of `router.serving`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from router.core.admission import Admission, Grant
from router.core.slots import Replica, Slot
from router.proxy.upstream import Upstream

if TYPE_CHECKING:
    from router.proxy.plane import DataPlane


class Waiter(Protocol):
    """Who waits for a slot: an exchange, or a copy of a request. It is told one of the two, once."""

    def granted(self, slot: Slot[Upstream], now: float) -> None: ...
    def lapsed(self, now: float) -> None: ...


def perform(grants: Sequence[Grant[Waiter, Upstream]], now: float) -> None:
    """Does what admission returned, in its order."""
    for waiter, slot in grants:
        if slot is None:
            waiter.lapsed(now)
        else:
            waiter.granted(slot, now)


def eject(plane: DataPlane, admission: Admission[Any, Upstream], replica: Replica[Upstream]) -> None:
    """Leaves a replica that could not be reached alone for a while, unless it is the last one."""
    until = admission.connect_failed(replica, plane.now())
    if until is None:
        return

    def readmit() -> None:
        now = plane.now()
        perform(admission.readmit(replica, max(now, until)), now)  # the loop's timers may be a little early

    plane.loop.call_later(until - plane.now(), readmit)
