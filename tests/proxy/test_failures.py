"""Replicas that fail: what the client is told, when a request is tried again, and that nothing stays held."""

import asyncio
import socket

import pytest

from router.core.admission import Limits
from router.core.ejection import BASE_S
from router.core.limits import ClientLimits
from tests.fakes.changes import BOUND_S
from tests.fakes.replica import RESET, Call, Replica, Script, answering, closing_after, echo, hang, reset
from tests.fakes.wire import SCORE, chunk, chunked, reply, request, streaming
from tests.proxy.conftest import OpenHouse
from tests.proxy.house import House
from tests.proxy.test_downstream import error_of

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"


def by_turns(*scripts: Script) -> Script:
    """Another script for each call; the last one for all that follow."""
    left = list(scripts)

    async def script(call: Call) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(call)

    return script


async def refusing(house: House) -> Replica:
    """A replica where nothing listens."""
    replica = await house.replica()
    await replica.stop()
    return replica


# -- an answer before its time -----------------------------------------------------------------------------------------


async def test_an_answer_before_the_body_was_read_is_not_lost_in_the_reset_behind_it(house: House):
    """A model that refuses and closes at once resets the connection, and writing may meet that before reading does."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        model = Replica(hang)
        model.port = listening.getsockname()[1]
        house.serve(model)
        client = await house.client()
        await client.send(request(body=bytes(200_000))[:-100_000])
        accepted, _ = await loop.sock_accept(listening)
        await loop.sock_recv(accepted, 1000)

        # without a turn of the loop between: answer and reset are there, and more of the body is written before a read
        with accepted:
            accepted.send(reply(b"not you", 403))
        house.connection_of(client).data_received(bytes(50_000))
        answer = await client.answer()
    assert (answer.status, answer.body) == (403, b"not you")
    assert await house.counted() == [("blue", "ok", 403)]


# -- no answer ---------------------------------------------------------------------------------------------------------


async def test_a_model_that_hangs_is_cut_at_its_timeout(house: House):
    replica = await house.replica(by_turns(hang, answering(reply(b"next"))))
    admission = house.serve(replica, scoring_timeout_s=0.05)
    client = await house.client()
    answer = await client.ask(request(body=b"1"))
    assert "scoringTimeoutMs (50)" in error_of(answer, 504, "upstream_timeout")
    assert admission.in_flight == 0
    assert (await client.ask(request(body=b"2"))).body == b"next"
    assert replica.connections == 2
    assert await house.counted(2) == [("blue", "upstream_timeout", 504), ("blue", "ok", 200)]


async def test_a_late_answer_is_dropped_and_its_connection_not_used_again(house: House):
    timed_out = asyncio.Event()

    async def late(call: Call) -> None:
        await call.body()
        await timed_out.wait()
        await call.send(reply(b"late"))

    replica = await house.replica(by_turns(late, answering(reply(b"in time"))))
    house.serve(replica, scoring_timeout_s=0.05)
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).status == 504
    timed_out.set()
    assert (await client.ask(request(body=b"2"))).body == b"in time"
    assert replica.connections == 2
    assert await house.counted(2) == [("blue", "upstream_timeout", 504), ("blue", "ok", 200)]


async def test_an_answer_that_stalls_is_cut_at_the_timeout(house: House):
    async def script(call: Call) -> None:
        await call.body()
        await call.send(CHUNKED + chunk(b"half"))
        await call.gone()

    replica = await house.replica(script)
    house.serve(replica, scoring_timeout_s=0.05)
    client = await house.client()
    await client.send(request(body=b"1"))
    assert (await client.head()).status == 200
    assert await client.piece() == b"half"
    await client.closed()  # with no last chunk
    await replica.left()
    assert await house.counted() == [("blue", "upstream_timeout", 200)]


async def test_a_model_that_does_not_take_the_body_is_the_one_that_is_late(open_house: OpenHouse):
    """The client has sent what it could: it is not told that it was slow."""
    house = await open_house(ClientLimits(linger_s=0.05))
    over = asyncio.Event()

    async def script(call: Call) -> None:
        await over.wait()
        await call.gone()

    replica = await house.replica(script, socket_buffer=4096)
    house.serve(replica, scoring_timeout_s=0.3)
    client = await house.client()
    client.write(request("POST", SCORE, f"Content-Length: {50 << 20}") + bytes(50 << 20))
    error_of(await client.answer(), 504, "upstream_timeout")
    assert await house.counted() == [("blue", "upstream_timeout", 504)]
    over.set()


# -- a broken answer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        CHUNKED + chunk(b"half"),
        CHUNKED + b"10\r\nhalf",
    ],
)
@pytest.mark.parametrize("minor", [0, 1])
async def test_an_answer_that_breaks_off_cannot_be_mistaken_for_a_whole_one(house: House, answer: bytes, minor: int):
    replica = await house.replica(closing_after(answer))
    house.serve(replica)
    client = await house.client()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await client.ask(request("GET", minor=minor))
    await replica.left()
    assert len(replica.calls) == 1
    assert await house.counted() == [("blue", "upstream_error", 200)]


async def test_an_answer_whose_framing_breaks_is_cut(house: House):
    read = asyncio.Event()

    async def script(call: Call) -> None:
        await call.send(CHUNKED + chunk(b"good"))
        await read.wait()
        await call.send(b"nonsense\r\n")
        await call.gone()

    replica = await house.replica(script)
    house.serve(replica)
    client = await house.client()
    await client.send(request("GET"))
    await client.head()
    assert await client.piece() == b"good"
    read.set()
    await client.closed()
    await replica.left()
    assert await house.counted() == [("blue", "upstream_error", 200)]


async def test_a_cut_for_http_1_0_shows_while_its_body_is_still_on_the_way(house: House):
    """The end of the router's side must not come before the reset: it would look like the end of the answer."""
    replica = await house.replica(closing_after(b""))

    async def script(call: Call) -> None:
        await call.send(CHUNKED + chunk(b"half"))
        call.close()

    replica.script = script
    house.serve(replica)
    client = await house.client()
    await client.send(request("POST", SCORE, "Content-Length: 100", minor=0))
    with pytest.raises(ConnectionResetError):
        await client.rest()
    assert await house.counted() == [("blue", "upstream_error", 200)]


@pytest.mark.parametrize("minor", [0, 1])
async def test_an_answer_until_close_that_is_reset_cannot_be_mistaken_for_a_whole_one(house: House, minor: int):
    read = asyncio.Event()

    async def script(call: Call) -> None:
        await call.send(UNTIL_CLOSE + b"half")
        await read.wait()
        call.reset()

    house.serve(await house.replica(script))
    client = await house.client()
    await client.send(request("GET", minor=minor))
    await client.head()
    assert b"half" in await client.read(100)
    read.set()
    if minor:
        assert await client.rest() == b""  # without the last chunk
    else:
        with pytest.raises(ConnectionResetError):
            await client.rest()
    assert await house.counted() == [("blue", "upstream_error", 200)]


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\n42",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n42",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n42",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n42",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (300 << 10),
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"",
    ],
)
async def test_what_is_no_answer_is_502(house: House, answer: bytes):
    replica = await house.replica(closing_after(answer))
    house.serve(replica)
    client = await house.client()
    response = await client.ask(request(body=b"1"))
    assert "the model gave no whole answer: " in error_of(response, 502, "upstream_error")
    assert response["azureml-model-deployment"] == "blue"
    assert (await client.ask(request("GET", "/healthz"))).status == 200
    await replica.left()
    assert len(replica.calls) == 1
    assert await house.counted() == [("blue", "upstream_error", 502)]


async def test_any_number_of_interim_answers_is_read(house: House):
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    house.serve(await house.replica(answering(interim * 5000 + reply(b"at last"))))
    answer = await (await house.client()).ask(request("GET"))
    assert (len(answer.interim), answer.body) == (5000, b"at last")
    assert await house.counted() == [("blue", "ok", 200)]


# -- tried again, or not -----------------------------------------------------------------------------------------------


async def test_a_fresh_connection_that_is_reset_is_not_tried_again(house: House):
    broken, sound = await house.replica(reset), await house.replica()
    house.serve(broken, sound)
    client = await house.client()
    error_of(await client.ask(request(body=b"1")), 502, "upstream_error")
    assert (len(broken.calls), len(sound.calls)) == (1, 0)
    assert await house.counted() == [("blue", "upstream_error", 502)]


class Rejecting(asyncio.Protocol):
    """Takes a connection and resets it at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        transport.abort()  # type: ignore[attr-defined]


async def test_a_replica_that_resets_whoever_connects(house: House):
    server = await asyncio.get_running_loop().create_server(Rejecting, "127.0.0.1", 0)
    replica = Replica(hang)
    replica.port = server.sockets[0].getsockname()[1]
    house.serve(replica)
    client = await house.client()
    for _ in range(50):  # in whatever order the loop learns of the connection and of its end
        error_of(await client.ask(request(body=b"1")), 502, "upstream_error")
    server.close()
    assert await house.counted(50) == [("blue", "upstream_error", 502)] * 50


async def stale(house: House, *more: Replica) -> Replica:
    """A replica that closes its kept-alive connection when the second request arrives on it, without a byte."""

    async def closing(call: Call) -> None:
        call.close()

    replica = await house.replica(by_turns(answering(reply(b"first")), closing, answering(reply(b"again"))))
    house.serve(replica, *more)
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).body == b"first"
    await client.close()
    return replica


async def test_a_stale_connection_is_replaced_by_a_fresh_one(house: House):
    replica = await stale(house)
    client = await house.client()
    assert (await client.ask(request(body=b"2"))).body == b"again"
    assert [call.received for call in replica.calls] == [b"1", b"", b"2"]
    assert [call.connection for call in replica.calls] == [1, 1, 2]
    assert await house.counted(2) == [("blue", "ok", 200)] * 2


async def test_a_request_on_a_stale_connection_goes_to_another_replica(house: House):
    other = await house.replica(by_turns(answering(reply(b"warm")), answering(reply(b"other"))))
    replica = await stale(house, other)
    client = await house.client()
    assert (await client.ask(request(body=b"warm"))).body == b"warm"
    assert (await client.ask(request(body=b"2"))).body == b"other"
    assert [call.received for call in other.calls] == [b"warm", b"2"]
    assert len(replica.calls) == 2
    assert await house.counted(3) == [("blue", "ok", 200)] * 3


async def test_a_request_is_tried_again_only_once(house: House):
    async def closing(call: Call) -> None:
        call.close()

    first = await house.replica(by_turns(answering(reply(b"1")), closing))
    second = await house.replica(by_turns(answering(reply(b"1")), closing))
    house.serve(first, second)
    client = await house.client()
    for _ in range(2):
        assert (await client.ask(request(body=b"1"))).status == 200
    error_of(await client.ask(request(body=b"2")), 502, "upstream_error")
    assert (len(first.calls), len(second.calls)) == (2, 2)
    assert await house.counted(3) == [*[("blue", "ok", 200)] * 2, ("blue", "upstream_error", 502)]


async def closing_after_the_body(call: Call) -> None:
    await call.body()
    call.close()


IN_PARTS = {"length": (request(body=b"2233")[:-2], b"33"), "chunked": (streaming() + chunk(b"22"), chunked(b"33"))}


@pytest.mark.parametrize(("head", "rest"), IN_PARTS.values(), ids=IN_PARTS)
async def test_a_small_body_that_came_after_its_head_is_sent_again_in_full(house: House, head: bytes, rest: bytes):
    """Many clients write head and body apart; what came of it is kept until an answer begins."""
    replica = await house.replica(by_turns(answering(reply(b"first")), closing_after_the_body, echo))
    house.serve(replica)
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).body == b"first"
    await client.send(head)
    await replica.called(2)
    await client.send(rest)
    assert (await client.answer()).body == b"2233"
    assert await house.counted(2) == [("blue", "ok", 200)] * 2


@pytest.mark.parametrize(("head", "rest"), IN_PARTS.values(), ids=IN_PARTS)
async def test_a_body_that_is_not_at_hand_in_full_is_not_sent_twice(open_house: OpenHouse, head: bytes, rest: bytes):
    """Part of it is gone with the first try; sending the head alone again would hang or be another request."""
    house = await open_house(ClientLimits(buffer_bytes=3))
    replica = await house.replica(by_turns(answering(reply(b"first")), closing_after_the_body, echo))
    house.serve(replica)
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).body == b"first"
    await client.send(head)
    await replica.called(2)
    await client.send(rest)
    error_of(await client.answer(), 502, "upstream_error")
    assert len(replica.calls) == 2
    assert await house.counted(2) == [("blue", "ok", 200), ("blue", "upstream_error", 502)]


async def test_after_the_first_byte_of_an_answer_nothing_is_tried_again(house: House):
    replica = await house.replica(by_turns(answering(reply(b"first")), closing_after(b"H")))
    house.serve(replica)
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).status == 200
    error_of(await client.ask(request(body=b"2")), 502, "upstream_error")
    assert len(replica.calls) == 2
    assert await house.counted(2) == [("blue", "ok", 200), ("blue", "upstream_error", 502)]


# -- replicas that cannot be reached -----------------------------------------------------------------------------------


async def test_a_replica_that_refuses_is_left_out_and_the_request_goes_elsewhere(house: House):
    dead, sound = await refusing(house), await house.replica()
    admission = house.serve(dead, sound)
    client = await house.client()
    answer = await client.ask(request(body=b"1"))
    assert (answer.status, answer.body) == (200, b"42")
    assert (admission.total, admission.in_flight) == (1, 0)
    assert [call.received for call in sound.calls] == [b"1"]
    assert await house.counted() == [("blue", "ok", 200)]


async def test_it_waits_first_in_line_where_no_other_replica_is_free(house: House):
    """Ahead of those who came after it: it had a slot, and lost it through no fault of its own."""
    release = asyncio.Event()

    async def slow(call: Call) -> None:
        await call.body()
        await release.wait()
        await call.send(reply(b"slow"))

    sound = await house.replica(slow)
    dead = await refusing(house)
    version = house.version("blue", sound)
    house.publish(house.endpoint(version))
    clients = [await house.client() for _ in range(3)]
    await clients[0].send(request(body=b"0"))
    await sound.called()
    for place in (1, 2):
        await clients[place].send(request(body=b"%d" % place))
        await house.queued(place)
    house.add(version, dead)  # which takes the first that waits, and loses it
    await house.queued(3)
    release.set()
    assert [(await client.answer()).body for client in clients] == [b"slow"] * 3
    assert [call.received for call in sound.calls] == [b"0", b"1", b"2"]
    assert await house.counted(3) == [("blue", "ok", 200)] * 3


async def test_the_only_replica_is_tried_every_time(house: House):
    dead = await refusing(house)
    admission = house.serve(dead)
    client = await house.client()
    for _ in range(2):
        answer = await client.ask(request(body=b"1"))
        assert "could not be reached" in error_of(answer, 502, "upstream_error")
    assert admission.total == 1
    await dead.start(dead.port)
    assert (await client.ask(request(body=b"1"))).body == b"42"
    assert await house.counted(3) == [*[("blue", "upstream_error", 502)] * 2, ("blue", "ok", 200)]


async def test_a_replica_left_out_comes_back_after_a_while(house: House):
    dead, sound = await refusing(house), await house.replica(hang)
    admission = house.serve(dead, sound)
    first, second = await house.client(), await house.client()
    started = house.now()
    await first.send(request(body=b"1"))
    await sound.called()
    await dead.start(dead.port)
    answer = await second.ask(request(body=b"2"))  # waits until the other one is tried again
    assert answer.body == b"42"
    assert BASE_S <= house.now() - started < BOUND_S
    assert admission.total == 2
    first.reset()
    assert await house.counted(2) == [("blue", "ok", 200), ("blue", "client_gone", 0)]


async def test_a_replica_that_never_accepts_is_given_up(house: House):
    with socket.socket() as full:  # its backlog is taken, so that the kernel drops what comes next
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        filling = [socket.socket() for _ in range(3)]
        for each in filling:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        unreachable = Replica(hang)
        unreachable.port = full.getsockname()[1]
        admission = house.serve(unreachable, scoring_timeout_s=0.05)
        client = await house.client()
        error_of(await client.ask(request(body=b"1")), 504, "upstream_timeout")
        assert admission.in_flight == 0
        for each in filling:
            each.close()
    assert await house.counted() == [("blue", "upstream_timeout", 504)]


async def test_a_retry_keeps_the_time_that_the_first_try_had(house: House):
    async def closing(call: Call) -> None:
        call.close()

    replica = await house.replica(by_turns(answering(reply(b"first")), closing, hang))
    house.serve(replica, scoring_timeout_s=0.2, limits=Limits())
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).status == 200
    started = house.now()
    error_of(await client.ask(request(body=b"2")), 504, "upstream_timeout")
    assert 0.2 <= house.now() - started < BOUND_S
    assert len(replica.calls) == 3
    assert await house.counted(2) == [("blue", "ok", 200), ("blue", "upstream_timeout", 504)]
