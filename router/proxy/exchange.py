"""One request's life, from its head to the last byte of its answer. Written to be read from `begin` downwards.

    begin ─► refuse                                        nobody may, nothing there, no room
      │
      ├─► _wait ─► granted ─┐                              the version's queue
      ▼                     ▼
    _reach ─────────► connected ─► _forward ─► response ─► response_body … ─► _finish
      ▲                    │            ├─► switched ─► a tunnel both ways … ─► _finish
      └── connect_failed ◄─┘            └─► response_failed ─► once more, or an error

Invariants:
- it ends exactly once, in `_finish`, with one outcome; whatever comes later is dropped;
- it holds at most one slot, and `_finish` gives it back, whatever happened: answer, error, time-out, client gone;
- it is tried again at most once, only while no byte of a response has come and all that came of its body is at hand;
- once the response's head is written, an error can only cut the connection, so that the client can tell.

One exchange belongs to one `Downstream`; all calls come from the event loop, none waits. Before a version is picked,
`version` is a route of no name that leads nowhere and counts for the endpoint (or, before that, for no endpoint).
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from router.core.admission import Queued
from router.core.cors import CorsPolicy, without_cors
from router.core.credentials import bearer_text
from router.core.heads import RequestHead, ResponseHead
from router.core.routes import EndpointRoute, VersionRoute
from router.core.slots import Slot
from router.errors import Outcome
from router.proxy import answers, refusals, rewriting
from router.proxy.grants import eject, perform

if TYPE_CHECKING:
    from router.proxy.collecting import Collecting
    from router.proxy.downstream import Downstream
    from router.proxy.plane import DataPlane
    from router.proxy.upstream import Upstream, UpstreamConnection


class Phase(IntEnum):
    """Where a request is on its way."""

    NEW = 0
    QUEUED = 1
    CONNECTING = 2
    FORWARDED = 3
    RESPONDING = 4
    TUNNELLED = 5
    DONE = 6


NEW, QUEUED, CONNECTING, FORWARDED, RESPONDING, TUNNELLED, DONE = Phase  # found in half the time on the hot path


WHOLE: Final = (Outcome.OK, Outcome.MODEL_ERROR)
"""The ends after which the replica's connection can be used again, if it agrees."""


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "_blocked",
        "_body",
        "_body_done",
        "_client",
        "_collecting",
        "_connection",
        "_cors",
        "_cut_by_close",
        "_forwarded_at",
        "_keep_alive",
        "_phase",
        "_plane",
        "_rechunk",
        "_resendable",
        "_rest",
        "_retried",
        "_scoring_deadline",
        "_slot",
        "_slot_at",
        "bytes_in",
        "bytes_out",
        "code",
        "head",
        "outcome",
        "queue_s",
        "replica",
        "request_id",
        "started",
        "upstream_s",
        "version",
    )

    def __init__(self, plane: DataPlane, client: Downstream, head: RequestHead) -> None:
        self._plane = plane
        self._client = client
        self._phase = NEW
        self._body = b""
        self._body_done = False
        self._blocked = False
        self._slot: Slot[Upstream] | None = None
        self._connection: UpstreamConnection | None = None
        self._cors: CorsPolicy | None = None
        self._collecting: Collecting | None = None
        self._retried = False
        self._forwarded_at = 0.0
        self._keep_alive = head.keep_alive
        self.head = head
        self.version: VersionRoute = plane.nowhere
        self.request_id = plane.ids.next()
        self.replica: str | None = None
        self.outcome = Outcome.CLIENT_GONE
        self.code = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.started = plane.now()
        self.queue_s = -1.0
        self.upstream_s = -1.0

    # -- the way of a request ---------------------------------------------------------------------------------------

    def begin(self, body: bytes, done: bool, received: bytes) -> None:
        """`body` is what has come of the body; `done` when that is all of it. `received` begins with the head as it
        came, and is not kept: it holds the credential."""
        head, plane = self.head, self._plane
        self._body = body
        self._body_done = done
        self.bytes_in = len(body)
        found = plane.routes.find(head)
        if found is None:
            return self._unrouted()
        endpoint, self._rest = found
        self.version = endpoint.unpicked
        self._cors = endpoint.cors
        if self._cors is not None and (allowed := self._cors.preflight(head)) is not None:
            return self._answer_uncounted(answers.preflight(allowed, self._promise_keep_alive()))
        if plane.draining and self.started >= plane.last_call:
            return self.refuse(Outcome.DRAINING, refusals.DRAINING)
        known = endpoint.credentials.admits(head.credential, self.started)
        if not known and not self._verifies(endpoint, received):
            return self.refuse(Outcome.UNAUTHORIZED, refusals.unauthorized(endpoint))
        if head.length > plane.limits.body_bytes:
            return self.refuse(Outcome.BODY_TOO_LARGE, refusals.body_too_large(plane.limits.body_bytes))
        version = endpoint.pick(head, plane.draw())
        if version is None:
            return self.refuse(Outcome.NOT_FOUND, refusals.no_such_version(endpoint))
        self.version = version
        if endpoint.mirrors:
            self._collecting = plane.copies.collect(endpoint, head, self._rest)
        slot = version.admission.acquire(self, self._client, self.started)
        if slot is None:
            return self._wait()
        return self._reach(slot, self.started)

    def _verifies(self, endpoint: EndpointRoute, received: bytes) -> bool:
        """Whether the credential, whose digest says nothing, is good all the same: a token that is new here."""
        credential = self.head.credential
        if credential is None:
            return False
        text, unix_now = bearer_text(received), self._plane.unix_now()
        return endpoint.credentials.verifies(credential, text, self.started, unix_now)

    def _wait(self, first: bool = False) -> None:
        """Into the version's queue, or refused because of load."""
        decision = self.version.admission.enqueue(self, self._client, self._plane.now(), first)
        self.version.load_rose()
        if isinstance(decision, Queued):
            self._phase = QUEUED
            self._client.deadline.set(decision.deadline)
        else:
            self._refuse_for_load(decision.outcome)

    def granted(self, slot: Slot[Upstream], now: float) -> None:
        """The queue gave a slot."""
        self._reach(slot, now)

    def _reach(self, slot: Slot[Upstream], now: float) -> None:
        """Holds `slot` from now on: takes a kept-alive connection to its replica, or opens one."""
        self._slot = slot
        self._slot_at = now
        self.replica = slot.replica.id
        if self.queue_s < 0:  # the first slot: what time there is for scoring runs from here, also for a second try
            self.queue_s = now - self.started
            self._scoring_deadline = now + self.version.scoring_timeout_s
            self._client.refused_by = None
        self._client.deadline.set(self._scoring_deadline)
        upstream = slot.replica.upstream
        connection = upstream.take_idle(now)
        if connection is not None:
            self._forward(connection)
        else:
            self._phase = CONNECTING
            upstream.connect(self)

    def connected(self, connection: UpstreamConnection) -> None:
        slot = self._slot
        if self._phase is not CONNECTING or slot is None:
            connection.close()
            return
        self.version.admission.connected(slot.replica)
        self._forward(connection)

    def _forward(self, connection: UpstreamConnection) -> None:
        head, client = self.head, self._client
        self._phase = FORWARDED
        self._connection = connection
        self._forwarded_at = self._plane.now()
        traceparent = head.traceparent or self._plane.ids.traceparent(self.request_id)
        path = self.version.path_for(self._rest)
        rewritten = rewriting.request_head(head, path, client.forwarded_lines(head), self.request_id, traceparent)
        self._resendable = True
        connection.send(self, rewritten + self._body)
        if self._collecting is not None:
            self._collecting.forwarded(rewritten, self._body, self._body_done)
        if not self._body_done:
            client.update_reading()

    def interim(self, head: ResponseHead) -> None:
        """A 1xx of the model; HTTP/1.0 clients do not know them."""
        if self.head.http11:
            self._client.transport.write(head.passed_on + b"\r\n\r\n")

    def response(self, head: ResponseHead, body: bytes, done: bool, until_close: bool) -> None:
        """The model's answer: its head and what has come of its body."""
        now = self._plane.now()
        http11 = self.head.http11
        self._phase = RESPONDING
        self._body = b""  # it cannot be sent again now
        self.outcome = Outcome.MODEL_ERROR if head.status == 500 else Outcome.OK
        self.code = 502 if head.status == 500 else head.status
        self.bytes_out = len(body)
        self._cut_by_close = not http11 and (until_close or head.chunked)
        self._keep_alive = self._may_keep_alive() and not self._cut_by_close
        self._rechunk = until_close and http11
        if self._rechunk:
            body = rewriting.chunk(body, False)
        chunked = http11 and (until_close or head.chunked)
        last = self._last_lines(now)
        passed_on = head.passed_on if self._cors is None else without_cors(head.passed_on)
        rewritten = rewriting.response_head(passed_on, chunked, self.version.header, self.request_id, last)
        self._client.transport.write(rewritten + body)
        if done:
            self._finish(self.outcome, self.code, now)

    def response_body(self, data: bytes, done: bool) -> None:
        """More of the model's answer, as it comes."""
        now = self._plane.now()
        self.bytes_out += len(data)
        if self._rechunk:
            data = rewriting.chunk(data, done)
        if data:
            self._client.transport.write(data)
        if done:
            self._finish(self.outcome, self.code, now)
        elif self._phase is TUNNELLED:
            self._tunnel_moved(now)

    def switched(self, head: ResponseHead, data: bytes) -> None:
        """The model agreed to another protocol: from here on the two connections are one tunnel, which keeps the slot.

        It ends with either connection, or when nothing passes in either direction for too long.
        """
        now = self._plane.now()
        self._phase = TUNNELLED
        self.outcome, self.code = Outcome.OK, head.status
        self.bytes_out = len(data)
        self._keep_alive, self._rechunk, self._cut_by_close = False, False, True
        self.version.admission.tunnels += 1
        version, client_id = self.version.header, self.head.client_id
        switching = rewriting.response_head(head.passed_on, False, version, self.request_id, client_id)
        self._client.transport.write(switching + data)
        self._tunnel_moved(now)
        self._client.tunnel()

    def _tunnel_moved(self, now: float) -> None:
        self._client.deadline.set(now + self._plane.limits.tunnel_idle_s)

    # -- the request's body -----------------------------------------------------------------------------------------

    @property
    def wants_body(self) -> bool:
        """Whether more of the request's body can be taken now."""
        if self._phase >= FORWARDED:
            return not self._blocked
        return len(self._body) < self._plane.limits.buffer_bytes

    def body(self, data: bytes, done: bool, received: int) -> None:
        """More of the request's body, or of a tunnel; `received` counts all of its payload so far."""
        connection, limits = self._connection, self._plane.limits
        self.bytes_in = received
        self._body_done = done
        if self._phase is TUNNELLED:
            self._tunnel_moved(self._plane.now())
        elif received > limits.body_bytes:
            self._fail(Outcome.BODY_TOO_LARGE, refusals.body_too_large(limits.body_bytes))
            return
        elif self._phase is not RESPONDING:
            self._keep_body(data, limits.buffer_bytes)
        if connection is not None and data:
            connection.transport.write(data)
        if self._collecting is not None:
            self._collecting.passed(data, done)

    def _keep_body(self, data: bytes, room: int) -> None:
        """Until an answer begins, what came of the body is kept: it waits to be sent, or may have to be sent again."""
        if self._connection is None or (self._resendable and len(self._body) + len(data) <= room):
            self._body += data
        else:
            self._resendable = False
            self._body = b""

    def body_malformed(self, reason: str) -> None:
        """The body's framing is broken: nothing after this on the connection can be trusted."""
        self._fail(Outcome.BAD_REQUEST, reason)

    # -- what can go wrong ------------------------------------------------------------------------------------------

    def connect_failed(self, error: Exception) -> None:
        slot = self._slot
        if self._phase is not CONNECTING or slot is None:
            return
        eject(self._plane, self.version.admission, slot.replica)
        self._try_again(slot, f"the replica could not be reached: {str(error) or type(error).__name__}")

    def response_failed(self, reason: str) -> None:
        """The replica's connection broke, or what it sent is no HTTP."""
        connection, self._connection = self._connection, None
        slot = self._slot
        kept_alive = connection is not None and connection.used and connection.untouched
        if self._phase is FORWARDED and kept_alive and self._resendable and slot is not None:
            self._try_again(slot, reason)
        else:
            self._fail(Outcome.UPSTREAM_ERROR, f"the model gave no whole answer: {reason}")

    def deadline_passed(self, now: float) -> None:
        """The connection's deadline, while this exchange owns it."""
        if self._phase is QUEUED:
            self.lapsed(now)
        elif self._phase is TUNNELLED:
            self._finish(self.outcome, self.code, now)
        elif self._phase is RESPONDING and self._client.write_blocked:  # nor is the model late for who does not take
            self._fail(Outcome.CLIENT_GONE, "")
        elif self._body_done or self._blocked:  # a replica that takes no more is late, not its client
            self._fail(Outcome.UPSTREAM_TIMEOUT, refusals.scoring_timeout(self.version))
        else:
            self._fail(Outcome.REQUEST_TIMEOUT, refusals.SLOW_BODY)

    def lapsed(self, now: float) -> None:
        """It waited for a slot as long as it may."""
        self._refuse_for_load(self.version.admission.lapse(self, self._client, now))

    def client_gone(self) -> None:
        """Nobody is left to answer: queue place, slot and connection are free at once. A tunnel may end so."""
        self._keep_alive = False
        outcome = self.outcome if self._phase is TUNNELLED else Outcome.CLIENT_GONE
        self._finish(outcome, self.code, self._plane.now())

    def body_too_slow(self) -> None:
        """Less of the request's body came than the limits ask for."""
        self._fail(Outcome.REQUEST_TIMEOUT, refusals.SLOW_BODY)

    def client_blocked(self, blocked: bool) -> None:
        """The client reads slowly: the model has to wait, not the router's memory."""
        if self._connection is not None:
            self._connection.pause(blocked)

    def upstream_blocked(self, blocked: bool) -> None:
        """The replica reads slowly: the client has to wait."""
        self._blocked = blocked
        self._client.update_reading()

    def _try_again(self, slot: Slot[Upstream], reason: str) -> None:
        """Once, on another replica; where no other has a free slot, on a fresh connection to one that can be reached.

        Only called where the first try did not reach the model, or the contract counts it as not having reached it.
        """
        if self._retried:
            self._fail(Outcome.UPSTREAM_ERROR, reason)
            return
        self._retried = True
        self._blocked = False
        admission, reachable = self.version.admission, self._phase is FORWARDED
        other = admission.acquire_elsewhere(self, slot.replica)
        if other is None and reachable:
            self._phase = CONNECTING
            slot.replica.upstream.connect(self)
            return
        if other is None and slot.replica.available:  # the last one there is: nothing to wait for
            self._fail(Outcome.UPSTREAM_ERROR, reason)
            return
        now = self._plane.now()
        self._slot = None
        perform(admission.release(slot, self, now), now)
        if other is not None:
            self._reach(other, now)
        else:
            self._wait(first=True)

    # -- refusals ---------------------------------------------------------------------------------------------------

    def _unrouted(self) -> None:
        head = self.head
        if head.method in (b"GET", b"HEAD") and head.target.partition(b"?")[0] == b"/healthz":
            keep_alive = self._promise_keep_alive()
            self._answer_uncounted(answers.health(self._plane.draining, keep_alive, head.method == b"HEAD"))
        elif self._plane.draining:
            self.refuse(Outcome.DRAINING, refusals.DRAINING)
        else:
            self.refuse(Outcome.NOT_FOUND, refusals.NO_ENDPOINT)

    def _answer_uncounted(self, answer: bytes) -> None:
        """The router's own answer to what is not a request for any model."""
        self._client.transport.write(answer)
        self._phase = DONE
        self._client.exchange_ended(self._keep_alive)

    def _refuse_for_load(self, outcome: Outcome) -> None:
        self._client.refused_by = self.version.admission.load
        self.refuse(outcome, refusals.for_load(self.version, outcome))

    def refuse(self, outcome: Outcome, message: str) -> None:
        """The router's own answer, and the end."""
        status = answers.status_of(outcome)
        self._keep_alive = self._may_keep_alive() and outcome is not Outcome.DRAINING
        self._client.transport.write(
            answers.error(
                outcome,
                message,
                self.request_id,
                lines=self._lines_for_caller() + self.version.header_line,
                keep_alive=self._keep_alive,
                head_only=self.head.method == b"HEAD",
            )
        )
        self._finish(outcome, status, self._plane.now())

    def _fail(self, outcome: Outcome, message: str) -> None:
        """An error after the request was accepted: answered while that is possible, else the answer is cut."""
        if self._phase < RESPONDING:
            self.refuse(outcome, message)
            return
        self._keep_alive = False
        if self._cut_by_close:
            self._client.cut()
        self._finish(outcome, self.code, self._plane.now())

    # -- the end ----------------------------------------------------------------------------------------------------

    def _finish(self, outcome: Outcome, code: int, ended_at: float) -> None:
        """The one end: frees what is held, counts, and gives the connection back to the client."""
        phase, slot, connection = self._phase, self._slot, self._connection
        if phase is DONE:
            return
        self._phase = DONE
        self.outcome = outcome
        self.code = code
        admission, now = self.version.admission, self._plane.now()
        if connection is not None:
            self._connection = None
            if phase is RESPONDING and self._body_done and outcome in WHOLE:
                connection.let_go(now)
            elif phase is TUNNELLED and outcome in WHOLE:
                connection.finish()
            else:
                connection.abort()
        if phase is TUNNELLED:
            self.version.admission.tunnels -= 1
        if slot is not None:
            self._slot = None
            admission.load.served(now - self._slot_at)
            grants = admission.release(slot, self, now)
            if grants:
                perform(grants, now)
        elif phase is QUEUED:
            admission.withdraw(self)
        if self._collecting is not None:
            self._collecting.ended()
        self._record(now, ended_at)
        self._client.exchange_ended(self._keep_alive)

    def _record(self, now: float, ended_at: float) -> None:
        total_s = now - self.started
        overhead_s = total_s
        if self._forwarded_at:
            self.upstream_s = ended_at - self._forwarded_at
            overhead_s = total_s - self.upstream_s - self.queue_s
        self.version.recorder.finished(self.outcome, self.code, total_s, self.upstream_s, self.queue_s, overhead_s)
        if self._plane.access_log is not None:
            self._plane.access_log(self, now)

    def _may_keep_alive(self) -> bool:
        return self._keep_alive and not self._client.body_pending and not self._plane.draining

    def _promise_keep_alive(self) -> bool:
        """Settles, when an answer begins, whether the connection goes on after it."""
        self._keep_alive = self._may_keep_alive()
        return self._keep_alive

    def _lines_for_caller(self) -> bytes:
        """The caller's id, and what its browser may do with the answer."""
        client_id = self.head.client_id
        return client_id if self._cors is None else client_id + self._cors.lines(self.head)

    def _last_lines(self, now: float) -> bytes:
        """For the caller, server-timing where the endpoint asks for it, and what the connection does next if it must be
        said."""
        lines = self._lines_for_caller()
        if self.version.server_timing:
            lines += self._server_timing(now)
        if not self._keep_alive:
            return lines + rewriting.CLOSE
        return lines if self.head.http11 else lines + rewriting.KEEP_ALIVE_10

    def _server_timing(self, now: float) -> bytes:
        upstream_s = now - self._forwarded_at
        return rewriting.server_timing(self.queue_s, upstream_s, now - self.started - self.queue_s - upstream_s)

    @property
    def peer(self) -> str:
        return self._client.peer

    def __repr__(self) -> str:
        return f"<Exchange {self._phase.name.lower()} {self.head!r} version={self.version.name!r}>"
