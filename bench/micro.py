"""`python -m bench.micro`: nanoseconds per call of the pieces on a request's way, sockets aside.

The best of several repeats: what the code costs when nobody disturbs it. For comparing two versions of one piece on one
machine within minutes; the sum of the pieces is not the cost of a request. The last lines are whole requests through
the data plane's own classes, with transports that drop what is written: all that is ours to shrink.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
import timeit
from collections.abc import Callable, Iterator
from itertools import count, cycle, repeat
from typing import Any

from bench.work import ANSWER, BLUE_PERCENTILE, ENDPOINT, KEY, MOST_CONNECTIONS, PATH, SCORING_PATH
from router.core.admission import Admission, Limits
from router.core.credentials import KeyRing
from router.core.heads import parse_request, parse_response
from router.core.limits import ClientLimits
from router.core.own_tokens import OwnTokens
from router.core.routes import Credentials, EndpointRoute, RouteTable, VersionRoute
from router.core.token_ring import TokenRing
from router.core.traffic import Split
from router.errors import Outcome
from router.proxy import rewriting
from router.proxy.deadlines import Deadline, DeadlineWheel
from router.proxy.downstream import Downstream
from router.proxy.exchange import Exchange
from router.proxy.identifiers import RequestIds
from router.proxy.plane import DataPlane
from router.proxy.upstream import Upstream, UpstreamConnection
from router.telemetry.counters import EndpointMetrics, VersionMetrics
from router.telemetry.histogram import DURATION_BOUNDS, Histogram

REPEATS = 7
REPEAT_S = 0.1
HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench-client/1.0 (run; x)\r\n"
    f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n"
).encode()
REQUEST = HEAD[:-2] + b"X-Turn: %012d\r\n\r\n" + b"x" * 60
RESPONSE_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Length: 60\r\nConnection: keep-alive\r\n\r\n"
)


class Nowhere(asyncio.Transport):
    """A transport that drops what is written."""

    def write(self, data: Any) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 50000) if name == "peername" else default


def admission() -> Admission[Any, Any]:
    """Two replicas, as in the whole benchmark."""
    made: Admission[Any, Any] = Admission(Limits(slots=MOST_CONNECTIONS))
    for replica in ("127.0.0.1:1", "127.0.0.1:2"):
        made.add_replica(replica, None, 0.0)
    return made


def plane(loop: asyncio.AbstractEventLoop, credentials: Credentials) -> tuple[DataPlane, list[UpstreamConnection]]:
    """A data plane with the benchmark's endpoint, and an open connection to each of its four replicas."""
    connections = []
    versions = {}
    for name in ("blue", "green"):
        seats: Admission[Exchange, Upstream] = Admission(Limits(slots=MOST_CONNECTIONS))
        for port in (1, 2):
            upstream = Upstream(loop, "127.0.0.1", port)
            connection = UpstreamConnection(upstream)
            connection.connection_made(Nowhere())
            upstream.park(connection, time.monotonic() + 1e6)
            connections.append(connection)
            seats.add_replica(f"{name}-{port}", upstream, 0.0)
        versions[name] = VersionRoute(
            endpoint=ENDPOINT,
            name=name,
            admission=seats,
            recorder=VersionMetrics(),
            scoring_path=SCORING_PATH,
            scoring_timeout_s=60.0,
        )
    route = EndpointRoute(
        name=ENDPOINT,
        credentials=credentials,
        versions=versions,
        split=Split(versions, {"blue": BLUE_PERCENTILE, "green": 100 - BLUE_PERCENTILE}, "blue"),
        recorder=EndpointMetrics(),
    )
    made = DataPlane(
        loop,
        ClientLimits(),
        now=time.monotonic,
        unix_now=lambda: 0.0,  # nothing here is verified
        draw=random.random,
        ids=RequestIds(random.getrandbits),
        unrouted=EndpointMetrics(),
    )
    made.publish(RouteTable({ENDPOINT: route}))
    return made, connections


def whole_request(loop: asyncio.AbstractEventLoop, fresh: bool, tokens: bool = False) -> Callable[[], None]:
    """A request from a client's bytes to the bytes of its answer. `fresh`: its head is like none before; `tokens`: with
    a token instead of a key."""
    own = OwnTokens(KEY, KEY[::-1], ("default", ENDPOINT))
    data_plane, connections = plane(loop, TokenRing(own) if tokens else KeyRing(KEY, KEY[::-1]))
    request = REQUEST.replace(KEY.encode(), own.issue(0.0, 3600, "x").text.encode()) if tokens else REQUEST
    client = Downstream(data_plane)
    client.connection_made(Nowhere())
    answer = RESPONSE_HEAD + ANSWER
    turns = count() if fresh else repeat(0)

    def run() -> None:
        client.data_received(request % next(turns))
        for connection in connections:
            if connection.sink is not None:
                connection.data_received(answer)

    run()
    if client.exchange is not None or sum(len(connection.upstream.idle) for connection in connections) != 4:
        raise RuntimeError("the request did not go its whole way")
    return run


def pieces(loop: asyncio.AbstractEventLoop) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is timed, by name."""
    head = parse_request(HEAD, len(HEAD), 100)
    response = parse_response(RESPONSE_HEAD, len(RESPONSE_HEAD))
    ids, keys, seats, metrics, histogram = (
        RequestIds(random.getrandbits),
        KeyRing(KEY, KEY[::-1]),
        admission(),
        VersionMetrics(),
        Histogram(DURATION_BOUNDS),
    )
    request_id = ids.next()
    split = Split({"blue": 1, "green": 2}, {"blue": BLUE_PERCENTILE, "green": 100 - BLUE_PERCENTILE}, "blue")
    own = OwnTokens(KEY, KEY[::-1], ("default", ENDPOINT))
    token, tokens = own.issue(0.0, 3600, "x").text.encode(), TokenRing(own)
    if head.credential is None or not tokens.verifies(head.credential, token, 0.0, 0.0):
        raise RuntimeError("the token is not good")
    draws = cycle([random.random() for _ in range(97)])
    deadline = Deadline(DeadlineWheel(lambda _at: None), lambda _now: None)
    times = cycle([0.0004, 0.0009, 0.003])

    def take_and_release() -> None:
        slot = seats.acquire(ids, ids, 1.0)
        if slot is not None:
            seats.release(slot, ids, 2.0)

    yield "parse_request", lambda: parse_request(HEAD, len(HEAD), 100)
    yield "parse_response", lambda: parse_response(RESPONSE_HEAD, len(RESPONSE_HEAD))
    yield "key check", lambda: keys.admits(head.credential, 0.0)
    yield "token check, remembered", lambda: tokens.admits(head.credential, 0.0)
    yield "token check, new", lambda: own.verify(token, 0.0)
    yield "split", lambda: split.pick(next(draws))
    yield "request id", ids.next
    yield "traceparent", lambda: ids.traceparent(request_id)
    yield "slot: acquire and release", take_and_release
    yield "deadline set", lambda: deadline.set(1e6)
    yield (
        "request head rewritten",
        lambda: rewriting.request_head(head, b"/score", b"\r\nx-forwarded-for: 127.0.0.1", request_id, request_id),
    )
    yield (
        "response head rewritten",
        lambda: rewriting.response_head(
            response.passed_on, False, b"\r\nazureml-model-deployment: blue", request_id, b""
        ),
    )
    yield "histogram observe", lambda: histogram.observe(next(times))
    yield "metrics finished", lambda: metrics.finished(Outcome.OK, 200, 0.001, 0.0008, 0.0, 0.0002)
    yield "a whole request, fresh head", whole_request(loop, fresh=True)
    yield "a whole request, known head", whole_request(loop, fresh=False)
    yield "a whole request, known token", whole_request(loop, fresh=False, tokens=True)


def nanoseconds(function: Callable[[], object]) -> float:
    """Per call, the best of REPEATS."""
    timer = timeit.Timer(function)
    calls, once_s = timer.autorange()
    calls = max(1, int(calls * REPEAT_S / once_s))
    return min(timer.repeat(REPEATS, calls)) / calls * 1e9


def main() -> int:
    loop = asyncio.new_event_loop()
    try:
        empty = nanoseconds(lambda: None)
        for name, function in pieces(loop):
            print(f"{name:28}{nanoseconds(function) - empty:10,.0f} ns")
    finally:
        loop.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
