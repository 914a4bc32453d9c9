"""What all connections share: the routes in force, the counting, and the end: drain, then abort."""

import asyncio
import json

import pytest

from router.core.limits import ClientLimits
from tests.fakes.changes import BOUND_S
from tests.fakes.replica import Call, answering, hang
from tests.fakes.wire import LAST_CHUNK, SCORE, chunk, reply, request
from tests.proxy.conftest import OpenHouse
from tests.proxy.house import House
from tests.proxy.test_downstream import error_of

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Stream:
    """A script that answers in chunks: the first at once, the last when it is told to."""

    def __init__(self) -> None:
        self.end = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        await call.send(CHUNKED + chunk(b"first"))
        async with asyncio.timeout(BOUND_S):
            await self.end.wait()
        await call.send(LAST_CHUNK)


async def emptied(house: House) -> None:
    """Returns when no connection is open, which must not take one of the limits."""
    await asyncio.wait_for(house.plane.emptied(), BOUND_S)


# -- routes ------------------------------------------------------------------------------------------------------------


async def test_a_running_request_keeps_its_version_and_the_next_gets_the_new_one(house: House):
    release = asyncio.Event()

    async def script(call: Call) -> None:
        await release.wait()
        await call.send(reply(b"old"))

    old, new = await house.replica(script), await house.replica(answering(reply(b"new")))
    house.serve(old)
    first, second = await house.client(), await house.client()
    await first.send(request("GET"))
    await old.called()
    house.publish(house.endpoint(house.version("green", new)))
    assert (await second.ask(request("GET"))).body == b"new"
    release.set()
    answer = await first.answer()
    assert (answer.body, answer["azureml-model-deployment"]) == (b"old", "blue")
    assert (await first.ask(request("GET"))).body == b"new"
    assert await house.counted(3) == [("green", "ok", 200), ("blue", "ok", 200), ("green", "ok", 200)]


async def test_an_endpoint_that_is_gone_is_not_found(house: House):
    house.serve(await house.replica())
    client = await house.client()
    assert (await client.ask(request("GET"))).status == 200
    house.publish()
    error_of(await client.ask(request("GET")), 404, "not_found")
    assert await house.counted(2) == [("blue", "ok", 200), ("", "not_found", 404)]


# -- counting ----------------------------------------------------------------------------------------------------------


async def test_times_and_bytes_of_a_request(house: House):
    house.serve(await house.replica(answering(reply(b"four"))))
    client = await house.client()
    answer = await client.ask(request(body=b"12345"))
    (ended,) = house.ended
    assert ended.queue_s == 0
    assert 0 < ended.upstream_s < ended.total_s < BOUND_S
    assert ended.overhead_s == pytest.approx(ended.total_s - ended.upstream_s)
    (exchange,) = house.logged
    assert (exchange.outcome, exchange.code, exchange.replica) == ("ok", 200, "replica-1")
    assert (exchange.bytes_in, exchange.bytes_out) == (5, 4)
    assert (exchange.request_id.decode(), exchange.peer) == (answer["x-request-id"], "127.0.0.1")
    assert "POST" in repr(exchange)
    assert "blue" in repr(exchange)


async def test_a_refused_request_took_no_time_of_a_model(house: House):
    await (await house.client()).ask(request("GET", "/"))
    (ended,) = house.ended
    assert ended.total_s >= 0
    (exchange,) = house.logged
    assert (exchange.upstream_s, exchange.queue_s, exchange.replica) == (-1, -1, None)


# -- drain -------------------------------------------------------------------------------------------------------------


async def test_draining_closes_idle_connections_and_the_others_after_their_request(house: House):
    gate = asyncio.Event()

    async def script(call: Call) -> None:
        await gate.wait()
        await call.send(reply(b"42"))

    replica = await house.replica(script)
    house.serve(replica)
    idle, busy, waiting = [await house.client() for _ in range(3)]
    assert (await idle.ask(request("GET", "/healthz"))).status == 200
    await busy.send(request("GET"))
    await replica.called()
    await waiting.send(request("GET"))
    await house.queued(1)
    await house.listener.stop()
    house.plane.drain()
    await idle.closed()
    gate.set()
    for client in (busy, waiting):
        answer = await client.answer()
        assert (answer.body, answer["connection"]) == (b"42", "close")
        await client.closed()
    await emptied(house)
    assert not house.plane.connections
    assert await house.counted(2) == [("blue", "ok", 200)] * 2


async def test_a_request_that_was_on_its_way_when_draining_began_is_served(house: House):
    """A kept-alive client cannot know; its connection has one more request, and is told that it was the last."""
    house.serve(await house.replica())
    late, silent = await house.client(), await house.client()
    for client in (late, silent):
        assert (await client.ask(request("GET", "/healthz"))).status == 200
    await house.listener.stop()
    house.plane.drain(last_call_s=1.0)
    answer = await late.ask(request(body=b"1"))
    assert (answer.status, answer["connection"]) == (200, "close")
    await late.closed()
    house.passed_s += 1.0
    await silent.closed()
    assert await house.counted() == [("blue", "ok", 200)]


async def test_a_head_that_is_not_complete_at_the_last_call_is_refused(house: House):
    house.serve(await house.replica())
    client = await house.client()
    await client.send(b"POST / HTTP/1.1\r\n")
    await house.caught_up()
    house.plane.drain(last_call_s=0.1)
    error_of(await client.answer(), 503, "draining")
    await client.closed()


async def test_a_new_request_while_draining_is_told_to_go_elsewhere(house: House):
    replica = await house.replica()
    house.serve(replica)
    house.plane.drain()
    client = await house.client()  # it was in the backlog
    answer = await client.ask(request(body=b"1"))
    assert "shutting down" in error_of(answer, 503, "draining")
    assert answer["connection"] == "close"
    await client.closed()
    assert replica.calls == []
    await emptied(house)
    assert await house.counted() == [("digits", "draining", 503)]


async def test_health_while_draining(house: House):
    house.plane.drain()
    client = await house.client()
    answer = await client.ask(request("GET", "/healthz"))
    assert (answer.status, json.loads(answer.body)) == (503, {"status": "draining"})
    assert answer["connection"] == "close"
    await client.closed()
    assert house.ended == []


async def test_an_answer_begun_before_draining_is_the_last_on_its_connection(house: House):
    """Its head has promised to keep the connection; the client, having asked nothing more, finds it closed."""
    stream = Stream()
    house.serve(await house.replica(stream))
    client = await house.client()
    await client.send(request("GET"))
    assert not (await client.head()).closes
    assert await client.piece() == b"first"
    house.plane.drain()
    stream.end.set()
    assert await client.piece() == b""
    await client.closed()
    await emptied(house)
    assert await house.counted() == [("blue", "ok", 200)]


async def test_a_request_behind_one_that_was_begun_before_draining_gets_an_answer(house: House):
    stream = Stream()
    replica = await house.replica(stream)
    house.serve(replica)
    client = await house.client()
    await client.send(request("GET"))
    await client.head()
    assert await client.piece() == b"first"
    await client.send(request("GET"))
    house.plane.drain()
    stream.end.set()
    assert await client.piece() == b""
    answer = await client.answer()
    error_of(answer, 503, "draining")
    assert answer["connection"] == "close"
    await client.closed()
    assert len(replica.calls) == 1
    await emptied(house)
    assert await house.counted(2) == [("blue", "ok", 200), ("digits", "draining", 503)]


async def test_draining_does_not_shorten_a_refusal_that_is_being_read(house: House):
    """The client is in the middle of its body: closing at once would reset the connection and take the answer away."""
    client = await house.client()
    await client.send(request("POST", "/nowhere", f"Content-Length: {50 << 20}"))
    sending = asyncio.gather(client.send(bytes(50 << 20)))
    await house.counted()
    house.plane.drain()
    error_of(await client.answer(), 404, "not_found")
    await sending
    await client.closed()
    assert await house.counted() == [("", "not_found", 404)]


async def test_abort_cuts_what_is_left(open_house: OpenHouse):
    house = await open_house(ClientLimits())
    replica = await house.replica(hang)
    admission = house.serve(replica)
    running, waiting = await house.client(), await house.client()
    await running.send(request(body=b"1"))
    await replica.called()
    await waiting.send(request("GET", SCORE))
    await house.queued(1)
    house.plane.drain()
    house.plane.abort()
    await emptied(house)
    await replica.left()
    for client in (running, waiting):
        await client.closed()
    assert (admission.in_flight, admission.queued) == (0, 0)
    assert await house.counted(2) == [("blue", "client_gone", 0)] * 2
