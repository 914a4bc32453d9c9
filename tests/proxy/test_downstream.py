"""The client's side: requests in any segmentation, one after the other, within limits, and answers that get there."""

import asyncio
import json
from dataclasses import replace

import pytest

from router.core.limits import ClientLimits
from tests.fakes.changes import BOUND_S, settled
from tests.fakes.client import Answer, Client
from tests.fakes.replica import Call, Replica, answering, echo
from tests.fakes.wire import LAST_CHUNK, SCORE, chunk, chunked, reply, request, streaming
from tests.proxy.conftest import OpenHouse
from tests.proxy.house import House

MIB = 1 << 20
SMALL = ClientLimits(head_s=0.05, idle_s=0.05, linger_s=0.05)


def error_of(answer: Answer, status: int, code: str) -> str:
    """The message of the router's own answer, whose other parts are asserted."""
    assert answer.status == status
    assert answer["content-type"] == "application/json"
    error = json.loads(answer.body)["error"]
    assert set(error) == {"code", "message", "requestId"}
    assert error["code"] == code
    assert error["requestId"] == answer["x-request-id"] == answer["x-ms-request-id"]
    message: str = error["message"]
    return message


async def echoing(house: House) -> tuple[Replica, Client]:
    replica = await house.replica(echo)
    house.serve(replica)
    return replica, await house.client()


# -- segmentation and order --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [request(body=b"abc"), streaming() + chunked(b"a", b"bc")])
async def test_a_request_may_come_byte_by_byte(house: House, message: bytes):
    replica, client = await echoing(house)
    for _ in range(2):
        for byte in message:
            await client.send(bytes([byte]))
            await asyncio.sleep(0)  # a segment of its own
        assert (await client.answer()).body == b"abc"
    assert [call.received for call in replica.calls] == [b"abc"] * 2
    assert replica.connections == 1
    assert await house.counted(2) == [("blue", "ok", 200)] * 2


@pytest.mark.parametrize("cut", range(1, len(request(body=b"abc"))))
async def test_a_request_may_be_cut_anywhere(house: House, cut: int):
    _, client = await echoing(house)
    message = request(body=b"abc")
    await client.send(message[:cut])
    await house.caught_up()
    await client.send(message[cut:])
    assert (await client.answer()).body == b"abc"
    assert await house.counted() == [("blue", "ok", 200)]


async def test_pipelined_requests_are_answered_in_order(house: House):
    replica, client = await echoing(house)
    bodies = [b"%d" % number for number in range(50)]
    sent = [request(body=body) if int(body) % 2 else streaming() + chunked(body) for body in bodies]
    await client.send(b"".join(sent))
    assert [(await client.answer()).body for _ in bodies] == bodies
    assert [call.received for call in replica.calls] == bodies
    assert (replica.connections, replica.most_running) == (1, 1)
    assert await house.counted(50) == [("blue", "ok", 200)] * 50


async def test_pipelined_requests_wait_for_their_turn_with_refused_ones_among_them(house: House):
    replica, client = await echoing(house)
    nowhere = request("GET", "/nowhere")
    await client.send(request(body=b"1") + nowhere + nowhere + request(body=b"2") + nowhere)
    answers = [await client.answer() for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 404, 404, 200, 404]
    assert [call.received for call in replica.calls] == [b"1", b"2"]
    assert [outcome for _, outcome, _ in await house.counted(5)] == ["ok", "not_found", "not_found", "ok", "not_found"]


async def test_no_more_answers_are_made_than_a_client_reads(house: House):
    client = await house.client(socket_buffer=4096)
    client.stop_reading()
    count = 20_000
    client.write(request("GET", "/nowhere") * count)
    assert 0 < await settled(lambda: len(house.ended)) < count
    (connection,) = house.plane.connections
    assert connection.transport.get_write_buffer_size() < 80_000  # where writing is to pause, and an answer more
    client.resume_reading()
    assert {(await client.answer()).status for _ in range(count)} == {404}
    assert len(await house.counted(count)) == count


async def test_a_client_that_does_not_read_is_not_served_and_holds_up_nobody(house: House):
    replica = await house.replica(answering(reply(bytes(100_000))))
    house.serve(replica)
    client, other = await house.client(socket_buffer=4096), await house.client()
    client.stop_reading()
    await house.caught_up()
    connection, served = house.connection_of(client), 0
    while connection.transport.get_write_buffer_size() < 70_000:
        await client.send(request("GET"))
        served += 1
        await house.counted(served)
    await client.send(request("GET"))
    assert await settled(lambda: len(replica.calls)) == served
    assert (await other.ask(request("GET"))).status == 200
    assert replica.connections == 1  # the one that carried what the slow client has not read
    client.resume_reading()
    for _ in range(served + 1):
        assert len((await client.answer()).body) == 100_000
    assert await house.counted(served + 2) == [("blue", "ok", 200)] * (served + 2)


async def test_empty_lines_before_a_request_are_skipped(house: House):
    _, client = await echoing(house)
    for prefix in (b"\r\n", b"\r\n" * 3):
        assert (await client.ask(prefix + request(body=b"1"))).body == b"1"
    assert await house.counted(2) == [("blue", "ok", 200)] * 2


# -- how long a connection lasts ---------------------------------------------------------------------------------------


async def test_connection_close_is_honoured(house: House):
    replica, client = await echoing(house)
    answer = await client.ask(request("POST", SCORE, "Connection: close", body=b"1") + request(body=b"2"))
    assert (answer.body, answer["connection"]) == (b"1", "close")
    await client.closed()
    assert len(replica.calls) == 1
    assert await house.counted() == [("blue", "ok", 200)]


async def test_http_1_0_closes_unless_it_asks_to_stay(house: House):
    replica, client = await echoing(house)
    for _ in range(2):
        answer = await client.ask(request("POST", SCORE, "Connection: keep-alive", body=b"1", minor=0))
        assert (answer.body, answer["connection"]) == (b"1", "keep-alive")
    answer = await client.ask(request("POST", SCORE, body=b"2", minor=0))
    assert (answer.body, answer["connection"]) == (b"2", "close")
    await client.closed()
    assert replica.connections == 1
    assert [call.head.start for call in replica.calls] == [b"POST /score HTTP/1.1"] * 3
    assert await house.counted(3) == [("blue", "ok", 200)] * 3


async def test_a_client_that_ends_its_side_is_gone(house: House):
    replica = await house.replica(lambda call: call.gone())
    house.serve(replica)
    client = await house.client()
    await client.send(request())
    await replica.called()
    client.end()
    await client.closed()
    await replica.left()
    assert await house.counted() == [("blue", "client_gone", 0)]


async def test_an_idle_connection_is_closed_in_time(open_house: OpenHouse):
    house = await open_house(replace(SMALL, head_s=10.0, idle_s=0.2))
    client = await house.client()
    await client.closed()
    _, client = await echoing(house)
    message = request(body=b"1")
    await client.send(message[:20])  # an unfinished head, which is another state with a deadline of its own
    await house.caught_up()
    await client.send(message[20:])
    assert (await client.answer()).status == 200
    await client.closed()
    assert await house.counted() == [("blue", "ok", 200)]


async def test_an_unread_answer_does_not_hold_a_connection_for_ever(open_house: OpenHouse):
    house = await open_house(SMALL)
    client = await house.client(socket_buffer=4096)
    client.stop_reading()
    client.write(request("GET", "/nowhere") * 50_000)
    await house.counted(100)
    await asyncio.wait_for(house.plane.emptied(), BOUND_S)
    assert len(house.ended) < 50_000  # no answer was made that had no place to go


# -- refusals ----------------------------------------------------------------------------------------------------------


async def test_a_refused_client_may_go_on(house: House):
    _, client = await echoing(house)
    message = error_of(await client.ask(request("GET", "/")), 404, "not_found")
    assert "/api/v1/service/<endpoint>/score" in message
    assert error_of(await client.ask(request("POST", "/", body=b"read in full")), 404, "not_found")
    answer = await client.ask(request("HEAD", "/"))
    assert (answer.status, answer.body) == (404, b"")
    assert (await client.ask(request(body=b"1"))).body == b"1"
    outcomes = [outcome for _, outcome, _ in await house.counted(4)]
    assert outcomes == ["not_found"] * 3 + ["ok"]


async def test_who_has_no_key_learns_which_header_to_send(house: House):
    replica = await house.replica()
    house.publish(house.endpoint(house.version("blue", replica), keys=("first-key", "second-key")))
    client = await house.client()
    for line in ("X-None: 1", "Authorization: Bearer wrong", "Authorization: Basic first-key", "Authorization: Bearer"):
        answer = await client.ask(request("POST", SCORE, line, "x-ms-client-request-id: c1", body=b"1"))
        assert "Authorization: Bearer <key>" in error_of(answer, 401, "unauthorized")
        assert answer["www-authenticate"] == "Bearer"
        assert answer["x-ms-client-request-id"] == "c1"
        assert b"first" not in answer.body
    for key in ("first-key", "second-key"):
        assert (await client.ask(request("POST", SCORE, f"Authorization: bearer {key}", body=b"1"))).status == 200
    assert len(replica.calls) == 2
    assert await house.counted(6) == [("digits", "unauthorized", 401)] * 4 + [("blue", "ok", 200)] * 2


async def test_a_version_that_does_not_exist_is_named_with_those_that_do(house: House):
    house.serve(await house.replica())
    client = await house.client()
    for version in ("red", "", "Blue"):
        answer = await client.ask(request("GET", SCORE, f"azureml-model-deployment: {version}"))
        assert error_of(answer, 404, "not_found").endswith("it has blue")
    assert await house.counted(3) == [("digits", "not_found", 404)] * 3


async def test_dot_segments_are_refused(house: House):
    replica = await house.replica()
    house.serve(replica)
    for rest in ("../other/score", "a/./b", "%2e%2E/score", "a/..%2f"):
        client = await house.client()
        answer = await client.ask(request("GET", f"/api/v1/service/digits/{rest}"))
        assert "dot segments" in error_of(answer, 400, "bad_request")
        await client.closed()
    assert replica.calls == []
    assert await house.counted(4) == [("", "bad_request", 400)] * 4


@pytest.mark.parametrize(
    "message",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        request("POST", SCORE, "Content-Length: 3", "Transfer-Encoding: chunked") + b"abc",
        request("POST", SCORE, "Content-Length: 3", "Content-Length: 4") + b"abc",
        request("POST", SCORE, "Transfer-Encoding: gzip, chunked") + LAST_CHUNK,
        request("POST", SCORE, "X-Folded: a\r\n b"),
        request("POST", SCORE, "X-Null: \0"),
        request("POST", SCORE, "Space : 1"),
        request("CONNECT", "example.com:443"),
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_ends(house: House, message: bytes):
    replica, client = await echoing(house)
    await client.send(message + request(body=b"smuggled?"))
    answer = await client.answer()
    error_of(answer, 400, "bad_request")
    assert answer["connection"] == "close"
    await client.closed()
    assert replica.calls == []
    assert await house.counted() == [("", "bad_request", 400)]


async def test_a_body_whose_framing_breaks_is_refused_and_the_replica_sees_it_cut(house: House):
    replica, client = await echoing(house)
    await client.send(streaming() + chunk(b"good"))
    await replica.called()
    await client.send(b"xyz\r\n")
    answer = await client.answer()
    assert "chunk" in error_of(answer, 400, "bad_request")
    assert answer["connection"] == "close"
    await client.closed()
    await replica.left()
    assert [call.received for call in replica.calls] == [b""]
    assert await house.counted() == [("blue", "bad_request", 400)]


async def test_a_client_in_the_middle_of_50_megabytes_sees_the_refusal(house: House):
    replica = await house.replica()
    house.publish(house.endpoint(house.version("blue", replica), keys=("k" * 32, "l" * 32)))
    client = await house.client()
    await client.send(request("POST", SCORE, f"Content-Length: {50 * MIB}"))
    sending = asyncio.gather(client.send(bytes(50 * MIB)))
    answer = await client.answer()
    error_of(answer, 401, "unauthorized")
    assert answer["connection"] == "close"
    await sending  # all of it was taken, none of it kept
    await client.closed()
    assert replica.connections == 0
    assert await house.counted() == [("digits", "unauthorized", 401)]


async def test_who_sends_on_for_ever_after_a_refusal_is_cut(open_house: OpenHouse):
    house = await open_house(replace(SMALL, idle_s=10.0))
    client = await house.client()
    await client.send(request("POST", "/nowhere", f"Content-Length: {1 << 40}"))
    assert (await client.answer()).status == 404
    with pytest.raises(ConnectionError):
        await client.send_for_ever()
    assert await house.counted() == [("", "not_found", 404)]


# -- limits ------------------------------------------------------------------------------------------------------------


async def test_a_body_that_says_it_is_too_large_is_refused_unread(house: House):
    replica, client = await echoing(house)
    answer = await client.ask(request("POST", SCORE, f"Content-Length: {100 * MIB + 1}"))
    assert f"larger than {100 * MIB} bytes" in error_of(answer, 413, "body_too_large")
    assert answer["connection"] == "close"
    await client.closed()
    assert replica.connections == 0
    assert await house.counted() == [("digits", "body_too_large", 413)]


async def test_a_body_in_chunks_is_cut_where_it_gets_too_large(open_house: OpenHouse):
    house = await open_house(ClientLimits(body_bytes=1000))
    replica, client = await echoing(house)
    assert (await client.ask(streaming() + chunked(bytes(999), b"1"))).status == 200
    await client.send(streaming() + chunk(bytes(1000)) + chunk(b"1"))  # and no end
    answer = await client.answer()
    error_of(answer, 413, "body_too_large")
    assert answer["connection"] == "close"
    await client.closed()
    await replica.left()
    assert replica.calls[1].received == b""
    assert await house.counted(2) == [("blue", "ok", 200), ("blue", "body_too_large", 413)]


@pytest.mark.parametrize(
    "line", ["X-Large: " + "x" * 65536, "\r\n".join(["a: b"] * 101)], ids=["64 KiB", "more than 100 lines"]
)
async def test_a_head_that_is_too_large(house: House, line: str):
    replica, client = await echoing(house)
    answer = await client.ask(request("GET", SCORE, line))
    error_of(answer, 431, "head_too_large")
    assert answer["connection"] == "close"
    await client.closed()
    assert replica.connections == 0
    assert await house.counted() == [("", "head_too_large", 431)]


async def test_a_head_without_end_is_refused_when_it_is_too_large(house: House):
    client = await house.client()
    await client.send(b"GET /" + b"a" * 65536)
    error_of(await client.answer(), 431, "head_too_large")
    assert await house.counted() == [("", "head_too_large", 431)]


async def test_a_head_just_within_the_limits(house: House):
    _, client = await echoing(house)
    lines = [f"x-{number}: b" for number in range(98)]  # with Host and Content-Length, 100
    room = 65536 - len(request("POST", SCORE, *lines, body=b"1")) + 1
    lines[0] += "b" * room
    assert (await client.ask(request("POST", SCORE, *lines, body=b"1"))).body == b"1"
    assert await house.counted() == [("blue", "ok", 200)]


async def test_a_head_that_does_not_come_in_time(open_house: OpenHouse):
    house = await open_house(replace(SMALL, idle_s=10.0))
    replica, client = await echoing(house)
    assert (await client.ask(request(body=b"1"))).status == 200
    await client.send(b"POST /score HTTP/1.1\r\nHost:")
    answer = await client.answer()
    assert "within 0.05 s" in error_of(answer, 408, "request_timeout")
    assert answer["connection"] == "close"
    await client.closed()
    assert len(replica.calls) == 1
    assert await house.counted(2) == [("blue", "ok", 200), ("", "request_timeout", 408)]


async def test_a_head_that_drips_does_not_move_its_deadline(open_house: OpenHouse):
    house = await open_house(ClientLimits(head_s=0.2))
    client = await house.client()
    answered = asyncio.gather(client.answer())
    for byte in b"GET / HTTP/1.1\r\nX: " + b"x" * 1000:
        if answered.done():
            break
        client.write(bytes([byte]))
        await asyncio.wait([answered], timeout=0.01)
    error_of((await answered)[0], 408, "request_timeout")
    assert await house.counted() == [("", "request_timeout", 408)]


async def test_a_head_that_drips_past_the_limit_costs_no_time(house: House):
    client = await house.client()
    await client.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 60_000)
    await house.caught_up()
    connection, started = house.connection_of(client), house.now()
    for _ in range(6000):
        connection.data_received(b"x")  # a segment each, which the kernel would join
    assert house.now() - started < 0.5  # looking at all of it each time takes many times that
    error_of(await client.answer(), 431, "head_too_large")
    assert await house.counted() == [("", "head_too_large", 431)]


async def test_a_body_that_does_not_come_in_time(house: House):
    replica = await house.replica(echo)
    house.serve(replica, scoring_timeout_s=0.05)
    client = await house.client()
    await client.send(request("POST", SCORE, "Content-Length: 10") + b"half")
    answer = await client.answer()
    error_of(answer, 408, "request_timeout")
    assert answer["connection"] == "close"
    await client.closed()
    await replica.left()
    assert await house.counted() == [("blue", "request_timeout", 408)]


async def test_a_flood_of_empty_lines_costs_no_time(house: House):
    _, client = await echoing(house)
    started = house.now()
    answer = await client.ask(b"\r\n" * MIB + request(body=b"1"))
    assert answer.body == b"1"
    assert house.now() - started < 2.0  # dropped pair by pair, each with a copy of the rest, it takes many times that
    assert await house.counted() == [("blue", "ok", 200)]


# -- 1xx ---------------------------------------------------------------------------------------------------------------


async def test_expect_continue_works_end_to_end(house: House):
    async def script(call: Call) -> None:
        assert call.head["expect"] == b"100-continue"
        await call.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await call.send(reply(await call.body()))

    replica = await house.replica(script)
    house.serve(replica)
    client = await house.client()
    await client.send(request("POST", SCORE, "Expect: 100-continue", "Content-Length: 3"))
    assert (await client.read(100)) == b"HTTP/1.1 100 Continue\r\n\r\n"
    answer = await client.ask(b"abc")
    assert (answer.status, answer.body) == (200, b"abc")
    assert (await client.ask(request(path="/nowhere"))).status == 404
    assert await house.counted(2) == [("blue", "ok", 200), ("", "not_found", 404)]


async def test_early_hints_go_through_but_not_to_http_1_0(house: House):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
    house.serve(await house.replica(answering(hints * 2 + reply(b"42"))))
    client = await house.client()
    answer = await client.ask(request("GET"))
    assert [head.raw for head in answer.interim] == [hints] * 2
    assert (answer.status, answer.body) == (200, b"42")
    answer = await client.ask(request("GET", minor=0))
    assert (answer.interim, answer.body) == ([], b"42")
    assert await house.counted(2) == [("blue", "ok", 200)] * 2
