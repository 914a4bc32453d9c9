"""Ready pods that get no new request for a while, because they are about to be told to go. Pure.

Whoever shrinks a workload parks the pods that it wants to lose, and marks them in the API server; every other router
sees the mark and parks them, too. What is parked has PARK_S to begin terminating. Then, or as soon as the mark is taken
back, it takes requests again: the controller chose otherwise, or nobody shrank.

A mark is news once, when it is first seen on a pod: one that was forgotten there does not park it again. One that this
router made is no news at all: it may have been taken back by the time it is seen. `now` is monotonic seconds. Pods go
by their uids. Owned by `pod_replicas`.
"""

from __future__ import annotations

from typing import Final

PARK_S: Final = 10.0
"""Between a mark and the pod's end lie a call to the API server and a round of the controller: well below a second."""


class Parking:
    def __init__(self, own: str) -> None:
        """`own` is the name in this router's marks (see `marks.Marker`)."""
        self._own = f" {own}"
        self._parked: dict[str, tuple[str, float]] = {}  # by uid: under which mark, and until when

    def park(self, uid: str, mark: str, now: float) -> None:
        self._parked[uid] = (mark, now + PARK_S)

    def seen(self, uid: str, before: str | None, mark: str | None, now: float) -> None:
        """The pod bears this mark (None: none), and bore that one when it was last seen."""
        if mark == before:
            return
        if mark is not None and not mark.endswith(self._own):
            self.park(uid, mark, now)
        elif mark is None and uid in self and self._parked[uid][0] == before:
            self.release(uid)

    def release(self, uid: str) -> None:
        self._parked.pop(uid, None)

    def release_all(self) -> list[str]:
        """Says which they were."""
        released = list(self._parked)
        self._parked.clear()
        return released

    def lapse(self, now: float) -> list[str]:
        """Releases those whose time is over, and says which."""
        over = [uid for uid, (_, until) in self._parked.items() if until <= now]
        for uid in over:
            self.release(uid)
        return over

    @property
    def next_lapse(self) -> float | None:
        return min((until for _, until in self._parked.values()), default=None)

    def __contains__(self, uid: str) -> bool:
        return uid in self._parked

    def __len__(self) -> int:
        return len(self._parked)

    def __repr__(self) -> str:
        return f"<Parking {self._parked}>"
