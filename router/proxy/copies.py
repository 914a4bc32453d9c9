"""The copies of live requests that a worker has under way, and the memory that they may take.

Mirroring is fire and forget: it must cost no live request its answer or its time. So what is copied was already sent to
the live replica, each copy goes its way in turns of the event loop that are its own, and all of them share a budget of
memory: where it is used up there is no copy, but no client waits.

    EndpointRoute.mirrors_for ─► Collecting: the request, as it passes ─► Copy: sent to one mirror, its answer dropped

Invariant: `held_bytes` is what is collected and under way, each mirror's copy counted; never above its limit, 0 when
nothing is under way. Whoever takes gives back, once.

One per worker, owned by `router.proxy.plane`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.core.heads import RequestHead
from router.core.routes import EndpointRoute, MirrorRoute
from router.proxy.collecting import Collecting
from router.proxy.deadlines import Deadline
from router.proxy.mirror import Copy

if TYPE_CHECKING:
    from router.proxy.plane import DataPlane


@dataclass(frozen=True, slots=True)
class CopyLimits:
    """What copies may hold, heads included. Bytes."""

    request_bytes: int = 1024 * 1024
    """Of one request, for one mirror; what is larger is not copied."""
    held_bytes: int = 32 * 1024 * 1024
    """Of all together."""


class Copies:
    def __init__(self, plane: DataPlane, limits: CopyLimits) -> None:
        self.plane = plane
        self.limits = limits
        self.held_bytes = 0
        self._under_way: set[Copy] = set()
        self._closed = False
        self._spare_deadlines: list[Deadline] = []

    def collect(self, endpoint: EndpointRoute, head: RequestHead, rest: bytes) -> Collecting | None:
        """For a live request of an endpoint that has mirrors; None when none of them is to get a copy of this one."""
        mirrors = endpoint.mirrors_for(head, [self.plane.draw() for _ in endpoint.mirrors])
        return Collecting(self, mirrors, head, rest) if mirrors else None

    def begin(self, mirror: MirrorRoute, head: RequestHead, message_head: bytes, body: bytearray, held: int) -> None:
        """Sends a copy once the live request has had its turn. The copy gives `held` bytes back at its end."""
        copy = Copy(self, mirror, head, message_head, body, held)
        self._under_way.add(copy)
        self.plane.loop.call_soon(copy.cut if self._closed else copy.begin)

    def ended(self, copy: Copy, held: int, deadline: Deadline) -> None:
        self._under_way.discard(copy)
        self.give_back(held)
        deadline.close()
        self._spare_deadlines.append(deadline)

    def cut(self) -> None:
        """Ends all of them, for good: the router goes, and it waits for live requests only."""
        self._closed = True
        for copy in sorted(self._under_way, key=lambda copy: copy.holds_slot):  # who waits first: else it got the slot
            copy.cut()

    def deadline(self, on_due: Callable[[float], None]) -> Deadline:
        """A deadline for a new copy, used before if possible: the wheel remembers each for as long as it was set for,
        which is a minute of copies by default."""
        if not self._spare_deadlines:
            return Deadline(self.plane.wheel, on_due)
        deadline = self._spare_deadlines.pop()
        deadline.on_due = on_due
        return deadline

    def take(self, size: int) -> bool:
        """Whether `size` bytes more may be held; they count from now on."""
        fits = self.held_bytes + size <= self.limits.held_bytes
        if fits:
            self.held_bytes += size
        return fits

    def give_back(self, size: int) -> None:
        self.held_bytes -= size

    def __repr__(self) -> str:
        return f"<Copies under_way={len(self._under_way)} held_bytes={self.held_bytes}>"
