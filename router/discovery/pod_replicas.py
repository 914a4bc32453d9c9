"""The replicas of one version as pods: those that its workload's selector names are on the roster while they are ready.

The roster is at all times what the pods and the parking say, within the same turn of the loop:

    on it      READY, not parked; at the pod's address and our port, on our terms of TLS
    also       of the choice before, as many as those of the new one are short of what was asked for, or of one
    coming     some are starting, or parked, or more were asked for than there are: waiting for a first one makes sense

Whoever takes replicas away calls `prepare_shrink` before: the pods that are missed least get no new request, and are
marked first in line to go, so that nothing is lost by their end. The other routers learn it by the marks (`parking`).
Owned by one `LiveVersion`; told by `PodBoard`; runs on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final, NamedTuple

from router.discovery.marks import Marker, Marks
from router.discovery.outgoing import Outgoing
from router.discovery.parking import Parking
from router.discovery.pod import Pod, State
from router.discovery.pods import PodBoard, Subscription
from router.discovery.race import called_off
from router.discovery.roster import ReplicaTls, Roster
from router.discovery.selectors import Selector
from router.discovery.shrinking import surplus

log = logging.getLogger("maitre.discovery")

MARK_S: Final = 2.0
"""How long a shrink waits for its marks: they are advice."""


class _Seat(NamedTuple):
    """How a replica stands on the roster."""

    replica: str
    host: str
    port: int
    tls: ReplicaTls | None


class PodReplicas:
    """`label` is endpoint/version, for the log. The loop's own clock times what is parked."""

    def __init__(
        self, label: str, *, roster: Roster, board: PodBoard, marker: Marker, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._label = label
        self._roster = roster
        self._board = board
        self._marks = Marks(marker)
        self._parking = Parking(marker.name)
        self._loop = loop
        self._followed: tuple[str, Selector | None] = ("", None)
        self._subscription: Subscription | None = None
        self._port = 0
        self._tls: ReplicaTls | None = None
        self._pods: dict[str, Pod] = {}  # by uid
        self._seats: dict[str, _Seat] = {}  # by uid, what the roster was told
        self._outgoing = Outgoing(lambda uid: self._settle((uid,)))
        self._states = dict.fromkeys(State, 0)
        self._asked_for = 0
        self._coming = False
        self._timer: asyncio.TimerHandle | None = None
        self._erasing: set[asyncio.Task[None]] = set()

    # -- what the owner says ----------------------------------------------------------------------------------------

    def follow(self, namespace: str, selector: Selector | None, port: int, tls: ReplicaTls | None = None) -> None:
        """Takes these pods from now on; None: it is not known which, so there are none.

        Nobody can find the roster without a pod that is in both the old choice and the new one, and the others of the
        old one go as those of the new one get ready: what never does takes nothing away. A selector without
        requirements is taken for None: it would name every pod of the namespace, and means that none was given.
        """
        self._port, self._tls = port, tls
        if selector is not None and not selector.requirements:
            selector = None
        if (namespace, selector) != self._followed:
            before, self._followed = self._followed, (namespace, selector)
            self._change_subscription(namespace, selector)
            self._keep(*before)
        self._settle(self._pods.keys() | self._seats.keys())

    def expecting(self, replicas: int) -> None:
        """So many were asked for: while there are fewer, some are on their way."""
        self._asked_for = replicas
        self._settle(())

    async def prepare_shrink(self, wished: int) -> None:
        """Call before so few are asked for. Returns when the pods that are to go are marked, or after MARK_S."""
        chosen = surplus(self._pods.values(), wished, self._held)
        mark = self._marks.wish(chosen)
        released = self._parking.release_all()
        for pod in chosen:
            self._parking.park(pod.uid, mark, self._loop.time())
        self._settle({*released, *(pod.uid for pod in chosen)})
        try:
            async with asyncio.timeout(MARK_S):
                await self._write_marks()
        except TimeoutError:
            log.warning("%s: pods could not be marked within %g s; shrinking all the same", self._label, MARK_S)

    def cancel_shrink(self) -> None:
        """There is to be no end of pods after all: those that wait for theirs take requests again, at once."""
        released = self._parking.release_all()
        self._marks.wish(())
        self._settle(released)
        self._erase_marks()

    async def close(self) -> None:
        """Retires all and expects none; before its first wait, so that another source may speak at once."""
        self._asked_for = 0
        self.follow("", None, 0)
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._erasing):
            await called_off(task)

    # -- what the board says ----------------------------------------------------------------------------------------

    def put(self, pod: Pod) -> None:
        self._learn(pod)
        self._settle((pod.uid,))

    def gone(self, pod: Pod) -> None:
        self._forget(pod.uid)
        self._settle((pod.uid,))

    # -- numbers ----------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> int:
        """Those that are parked among them."""
        return self._states[State.READY]

    @property
    def unready(self) -> int:
        """Neither ready nor at their end."""
        return self._states[State.STARTING] + self._states[State.UNSCHEDULABLE]

    @property
    def unschedulable(self) -> int:
        """Of the unready, those that no node has room for."""
        return self._states[State.UNSCHEDULABLE]

    # -- inside -----------------------------------------------------------------------------------------------------

    def _change_subscription(self, namespace: str, selector: Selector | None) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        there: dict[str, Pod] = {}
        if selector is not None:
            self._subscription = self._board.subscribe(namespace, selector, self)
            there = {pod.uid: pod for pod in self._subscription.pods()}
        for uid in self._pods.keys() - there:
            self._forget(uid)
        for pod in there.values():
            self._learn(pod)

    def _keep(self, namespace: str, selector: Selector | None) -> None:
        """On the roster, what is there of this choice and not in the new one."""
        if selector is not None and self._subscription is not None:
            subscription = self._board.subscribe(namespace, selector, self._outgoing)
            self._outgoing.keep(self._seats.keys() - self._pods.keys(), subscription)
        else:
            self._outgoing.shrink(0)

    def _learn(self, pod: Pod) -> None:
        before = self._pods.get(pod.uid)
        self._pods[pod.uid] = pod
        if before is not None:
            self._states[before.state] -= 1
        self._states[pod.state] += 1
        if pod.state.counts:
            self._parking.seen(pod.uid, before.mark if before else None, pod.mark, self._loop.time())
        else:
            self._parking.release(pod.uid)

    def _forget(self, uid: str) -> None:
        self._states[self._pods.pop(uid).state] -= 1
        self._parking.release(uid)

    def _settle(self, uids: Iterable[str]) -> None:
        """Tells the roster what has changed of these, never neither of a replica nor of one that is coming."""
        if self._timer is None and (due := self._parking.next_lapse) is not None:
            self._timer = self._loop.call_at(due, self._lapse)
        missing = self._asked_for > self.ready + self.unready
        coming = missing or self.unready > 0 or len(self._parking) > 0
        if coming:
            self._expect(True)
        for uid in uids:
            self._seat(uid)
        for uid in self._outgoing.shrink(max(1, self._asked_for) - self.ready):
            self._seat(uid)
        if not coming:
            self._expect(False)

    def _seat(self, uid: str) -> None:
        pod = self._pods.get(uid)
        if pod is None and uid in self._outgoing.kept:
            return
        wanted: _Seat | None = None
        if pod is not None and pod.state is State.READY and uid not in self._parking:
            wanted = _Seat(pod.replica, pod.ip, self._port, self._tls)
        if wanted == self._seats.get(uid):
            return
        if uid in self._seats:
            self._retire(uid)
        if wanted is not None:
            self._seats[uid] = wanted
            self._roster.add(*wanted)
            log.info("%s: replica %s is ready at %s", self._label, wanted.replica, wanted.host)

    def _retire(self, uid: str) -> None:
        replica = self._seats.pop(uid).replica
        self._roster.retire(replica)
        log.info("%s: replica %s gets no new request", self._label, replica)

    def _expect(self, coming: bool) -> None:
        if coming is not self._coming:
            self._coming = coming
            self._roster.expect(coming)

    def _held(self, pod: Pod) -> int:
        return self._roster.held(pod.replica)

    # -- parking and marks ------------------------------------------------------------------------------------------

    def _lapse(self) -> None:
        self._timer = None
        over = self._parking.lapse(self._loop.time())
        if over:
            log.info("%s: %d pods were to go and did not; they take requests again", self._label, len(over))
        self._settle(over)
        if not self._parking:
            self._marks.wish(())
            self._erase_marks()

    async def _write_marks(self) -> None:
        await self._marks.write(self._pods)

    def _erase_marks(self) -> None:
        if not self._marks.borne(self._pods):
            return
        task = self._loop.create_task(self._write_marks(), name=f"{self._label}: erase marks")
        self._erasing.add(task)
        task.add_done_callback(self._erasing.discard)

    def __repr__(self) -> str:
        return (
            f"<PodReplicas {self._label} seats={len(self._seats)} ready={self.ready} unready={self.unready}"
            f" unschedulable={self.unschedulable} parked={len(self._parking)}>"
        )
