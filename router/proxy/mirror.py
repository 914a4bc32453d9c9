"""One copy of a live request, on its way to a mirror version and back; nobody reads the answer.

    begin ─► _wait ─► granted ─┐                           the mirror's own queue, under its own limits
      ▼                        ▼
    _reach ──────► connected ─► _send ─► response ─► response_body … ─► _finish
                       └─────────── connect_failed, response_failed, deadline ──┘

To the mirror's admission a copy is a request like any other, so that slots, scaling and cold start work for it; to the
live request it is nothing: neither knows how the other one ends.

Invariants:
- it ends exactly once, in `_finish`, with one outcome; whatever comes later is dropped;
- it holds at most one slot, and `_finish` gives it back;
- it is sent once: what fails is counted, never tried again.

Made by `router.proxy.copies`; waits for a slot (`Waiter`) and for a response (`ResponseSink`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.core.admission import Queued
from router.core.heads import RequestHead, ResponseHead
from router.core.routes import MirrorRoute
from router.core.slots import Slot
from router.errors import Outcome
from router.proxy.exchange import WHOLE
from router.proxy.grants import eject, perform
from router.proxy.upstream import Upstream, UpstreamConnection

if TYPE_CHECKING:
    from router.proxy.copies import Copies


class Copy:
    """A copy for one mirror version."""

    __slots__ = (
        "_body",
        "_connection",
        "_copies",
        "_deadline",
        "_ended",
        "_held",
        "_message_head",
        "_outcome",
        "_plane",
        "_recorder",
        "_slot",
        "_slot_at",
        "_started",
        "_version",
        "head",
    )

    def __init__(
        self, copies: Copies, mirror: MirrorRoute, head: RequestHead, message_head: bytes, body: bytearray, held: int
    ) -> None:
        """`head` is what the client sent, `message_head` what the mirror gets; `body` is shared and never changed."""
        self._copies = copies
        self._plane = copies.plane
        self._version = mirror.version
        self._recorder = mirror.recorder
        self._message_head = message_head
        self._body: bytes | bytearray = body
        self._held = held
        self._deadline = copies.deadline(self._deadline_passed)
        self._slot: Slot[Upstream] | None = None
        self._connection: UpstreamConnection | None = None
        self._outcome = Outcome.OK
        self._ended = False
        self._started = self._plane.now()
        self.head = head

    @property
    def holds_slot(self) -> bool:
        return self._slot is not None

    # -- waiting for a slot -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        if self._ended:
            return
        slot = self._version.admission.acquire(self, self, self._started)
        if slot is None:
            self._wait()
        else:
            self._reach(slot, self._started)

    def _wait(self) -> None:
        decision = self._version.admission.enqueue(self, self, self._started)
        self._version.load_rose()
        if isinstance(decision, Queued):
            self._deadline.set(decision.deadline)
        else:
            self._finish(decision.outcome)

    def granted(self, slot: Slot[Upstream], now: float) -> None:
        self._reach(slot, now)

    def lapsed(self, now: float) -> None:
        self._finish(self._version.admission.lapse(self, self, now))

    def _deadline_passed(self, now: float) -> None:
        if self._slot is None:
            self.lapsed(now)
        else:
            self._finish(Outcome.UPSTREAM_TIMEOUT)

    # -- to the replica and back ------------------------------------------------------------------------------------

    def _reach(self, slot: Slot[Upstream], now: float) -> None:
        self._slot = slot
        self._slot_at = now
        self._deadline.set(now + self._version.scoring_timeout_s)
        upstream = slot.replica.upstream
        connection = upstream.take_idle(now)
        if connection is not None:
            self._send(connection)
        else:
            upstream.connect(self)

    def connected(self, connection: UpstreamConnection) -> None:
        if self._ended or self._slot is None:
            connection.close()
            return
        self._version.admission.connected(self._slot.replica)
        self._send(connection)

    def connect_failed(self, error: Exception) -> None:
        if self._slot is not None:
            eject(self._plane, self._version.admission, self._slot.replica)
            self._finish(Outcome.UPSTREAM_ERROR)

    def _send(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        connection.send(self, self._message_head + self._body)
        self._body = b""  # the transport has it now

    def interim(self, head: ResponseHead) -> None:
        pass

    def switched(self, head: ResponseHead, data: bytes) -> None:
        """Not to a copy: it asks for no upgrade."""

    def response(self, head: ResponseHead, body: bytes, done: bool, until_close: bool) -> None:
        if head.status == 500:
            self._outcome = Outcome.MODEL_ERROR
        self.response_body(body, done)

    def response_body(self, data: bytes, done: bool) -> None:
        if done:
            self._finish(self._outcome)

    def response_failed(self, reason: str) -> None:
        self._connection = None
        self._finish(Outcome.UPSTREAM_ERROR)

    def upstream_blocked(self, blocked: bool) -> None:
        """The mirror reads slowly: nobody has to wait for it, and what waits in memory was counted before."""

    # -- the end ----------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """The router goes."""
        self._finish(Outcome.DRAINING)

    def _finish(self, outcome: Outcome) -> None:
        """The one end: frees what is held, and counts."""
        if self._ended:
            return
        self._ended = True
        now = self._plane.now()
        self._let_go_of_connection(outcome, now)
        self._leave(now)
        self._body = b""  # also where a connection attempt still knows this copy
        self._recorder.finished(outcome, now - self._started)
        self._copies.ended(self, self._held, self._deadline)

    def _let_go_of_connection(self, outcome: Outcome, now: float) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if outcome in WHOLE and not connection.transport.get_write_buffer_size():  # or it answered before it had read
            connection.let_go(now)
        else:
            connection.abort()

    def _leave(self, now: float) -> None:
        """Gives back its slot, or its place in the queue."""
        admission, slot = self._version.admission, self._slot
        if slot is None:
            admission.withdraw(self)
            admission.load.gone(self)  # refused or not, it does not come again as a client would
            return
        self._slot = None
        admission.load.served(now - self._slot_at)
        perform(admission.release(slot, self, now), now)

    def __repr__(self) -> str:
        state = "ended" if self._ended else "sent" if self._connection else "waiting"
        return f"<Copy {state} {self.head!r} version={self._version.name!r}>"
