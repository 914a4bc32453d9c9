"""Bodies, both ways: intact in every framing, as they come, and never more of them in memory than somebody takes."""

import asyncio
import hashlib
import random

import pytest

from router.core.limits import ClientLimits
from tests.fakes.changes import BOUND_S, settled
from tests.fakes.replica import Call, answering, closing_after, echo
from tests.fakes.wire import LAST_CHUNK, SCORE, chunk, chunked, reply, request, streaming
from tests.proxy.conftest import OpenHouse
from tests.proxy.house import House

MIB = 1 << 20
BLOCK = random.Random(1).randbytes(MIB)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"


# -- both ways ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize(
    "answer",
    [
        reply(b"hello world"),
        CHUNKED + chunked(b"hello", b" world"),
        CHUNKED + b"5;ext=1\r\nhello\r\n006\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n",
        reply(b""),
        CHUNKED + LAST_CHUNK,
    ],
    ids=["length", "chunked", "chunked with extras", "empty", "no chunk"],
)
async def test_an_answer_in_every_framing_and_segmentation(house: House, answer: bytes, minor: int):
    async def dripping(call: Call) -> None:
        await call.body()
        for byte in answer:
            await call.send(bytes([byte]))
            await asyncio.sleep(0)

    whole, bytewise = await house.replica(answering(answer)), await house.replica(dripping)
    expected = b"hello world" if b"hello" in answer else b""
    for replica in (whole, bytewise):
        house.serve(replica)
        client = await house.client()
        for _ in range(2):
            got = await client.ask(request("GET", SCORE, "Connection: keep-alive", minor=minor))
            assert (got.status, got.body) == (200, expected)
            if got.closes:  # HTTP/1.0 knows no chunks
                assert (minor, b"chunked" in answer) == (0, True)
                await client.closed()
                client = await house.client()
        assert replica.connections == 1
    assert await house.counted(4) == [("blue", "ok", 200)] * 4


async def test_chunks_of_the_answer_keep_their_coding(house: House):
    coded = b"005\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"
    house.serve(await house.replica(answering(CHUNKED + coded)))
    client = await house.client()
    await client.send(request("GET", SCORE, "Connection: close"))
    answer = await client.head()
    assert answer["transfer-encoding"] == "chunked"
    assert await client.rest() == coded
    assert await house.counted() == [("blue", "ok", 200)]


async def test_an_answer_until_close_becomes_chunked_and_the_client_stays(house: House):
    replica = await house.replica(closing_after(UNTIL_CLOSE + b"hello"))
    house.serve(replica)
    client = await house.client()
    for _ in range(2):
        answer = await client.ask(request("GET"))
        assert (answer.body, answer["transfer-encoding"]) == (b"hello", "chunked")
    assert replica.connections == 2
    assert await house.counted(2) == [("blue", "ok", 200)] * 2


async def test_an_answer_until_close_ends_with_the_connection_for_http_1_0(house: House):
    house.serve(await house.replica(closing_after(UNTIL_CLOSE + b"hello")))
    client = await house.client()
    answer = await client.ask(request("GET", SCORE, "Connection: keep-alive", minor=0))
    assert (answer.body, answer["connection"]) == (b"hello", "close")
    assert "transfer-encoding" not in answer
    assert await house.counted() == [("blue", "ok", 200)]


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("HEAD", CHUNKED),
        ("HEAD", UNTIL_CLOSE),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: x\r\n\r\n"),
    ],
)
async def test_answers_that_have_no_body(house: House, method: str, answer: bytes):
    replica = await house.replica(answering(answer))
    house.serve(replica)
    client = await house.client()
    for _ in range(3):
        got = await client.ask(request(method))
        assert got.body == b""
        assert got.head.all("content-length") == ([b"1000"] if b"1000" in answer else [])
    assert replica.connections == 1
    assert await house.counted(3) == [("blue", "ok", got.status)] * 3


async def test_an_upload_in_chunks_arrives_as_it_comes(house: House):
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(call: Call) -> None:
        while piece := await call.piece():
            pieces.put_nowait(piece)
        await call.send(reply(b"done"))

    house.serve(await house.replica(script))
    client = await house.client()
    await client.send(streaming())
    for piece in (b"one", b"two", b"three"):
        await client.send(chunk(piece))
        assert await asyncio.wait_for(pieces.get(), BOUND_S) == piece  # while the next is not sent yet
    assert (await client.ask(LAST_CHUNK)).body == b"done"
    assert await house.counted() == [("blue", "ok", 200)]


@pytest.mark.parametrize("framing", [CHUNKED, UNTIL_CLOSE], ids=["chunked", "until close"])
async def test_server_sent_events_arrive_one_by_one(house: House, framing: bytes):
    seen: asyncio.Queue[bytes] = asyncio.Queue()
    events = [b"data: %d\n\n" % number for number in range(3)]

    async def script(call: Call) -> None:
        await call.send(framing)
        for event in events:
            await call.send(chunk(event) if framing is CHUNKED else event)
            assert await seen.get() == event  # the client has it before the next is sent
        if framing is CHUNKED:
            await call.send(LAST_CHUNK)
        else:
            call.close()

    house.serve(await house.replica(script))
    client = await house.client()
    await client.send(request("GET"))
    assert (await client.head()).status == 200
    for event in events:
        assert await client.piece() == event
        seen.put_nowait(event)
    assert await client.piece() == b""
    assert (await client.ask(request("GET", "/healthz"))).status == 200
    assert await house.counted() == [("blue", "ok", 200)]


async def test_an_answer_before_the_body_was_read_reaches_the_client(house: House):
    async def script(call: Call) -> None:
        await call.read(1)
        await call.send(reply(b"enough", 413))
        await call.gone()

    replica = await house.replica(script)
    house.serve(replica)
    client = await house.client()
    await client.send(request("POST", SCORE, f"Content-Length: {50 * MIB}"))
    sending = asyncio.gather(client.send(bytes(50 * MIB)))
    answer = await client.answer()
    assert (answer.status, answer.body, answer["connection"]) == (413, b"enough", "close")
    await sending
    await client.closed()
    await replica.left()
    assert await house.counted() == [("blue", "ok", 413)]


# -- large -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["length", "chunked"])
async def test_ten_megabytes_go_both_ways_intact(house: House, coding: str):
    body = BLOCK * 10

    async def script(call: Call) -> None:
        received = await call.body()
        await call.send(reply(received) if coding == "length" else CHUNKED + chunked(received[:MIB], received[MIB:]))

    house.serve(await house.replica(script))
    client = await house.client()
    pieces = [body[at : at + 100_000] for at in range(0, len(body), 100_000)]
    message = request(body=body) if coding == "length" else streaming() + chunked(*pieces)
    answer = await client.ask(message)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()
    assert (await client.ask(request(body=b"1"))).body[:1] == b"1"
    assert await house.counted(2) == [("blue", "ok", 200)] * 2
    assert (house.logged[0].bytes_in, house.logged[0].bytes_out >= len(body)) == (len(body), True)


# -- backpressure ------------------------------------------------------------------------------------------------------

TOTAL = 200
"""MiB that one side sends before the other reads."""
HELD = 20 * MIB
"""What kernel and router may hold of it: the kernel's buffers of two connections are most of that."""
SMALL_BUFFER = 1 << 16


async def send_blocks(send, sent: list[int]) -> None:
    for _ in range(TOTAL):
        for at in range(0, MIB, 1 << 16):
            await send(BLOCK[at : at + (1 << 16)])
            sent[0] += 1 << 16


async def digest_of(read) -> str:
    digest, left = hashlib.sha256(), TOTAL * MIB
    while left:
        data = await read(min(left, 1 << 20))
        assert data
        digest.update(data)
        left -= len(data)
    return digest.hexdigest()


def expected_digest() -> str:
    digest = hashlib.sha256()
    for _ in range(TOTAL):
        digest.update(BLOCK)
    return digest.hexdigest()


async def test_a_client_that_does_not_read_stops_the_model_not_the_router(house: House):
    sent = [0]

    async def script(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (TOTAL * MIB))
        await send_blocks(call.send, sent)

    house.serve(await house.replica(script, socket_buffer=SMALL_BUFFER))
    client = await house.client(socket_buffer=SMALL_BUFFER)
    await client.send(request("GET"))
    await client.head()
    client.stop_reading()
    assert 0 < await settled(lambda: sent[0]) < HELD
    client.resume_reading()
    assert await digest_of(client.read) == expected_digest()
    assert await house.counted() == [("blue", "ok", 200)]


async def test_a_model_that_does_not_read_stops_the_client_not_the_router(open_house: OpenHouse):
    house = await open_house(ClientLimits(body_bytes=TOTAL * MIB))
    sent, go_on = [0], asyncio.Event()

    async def script(call: Call) -> None:
        await go_on.wait()
        await call.send(reply((await digest_of(call.read)).encode()))

    house.serve(await house.replica(script, socket_buffer=SMALL_BUFFER))
    client = await house.client(socket_buffer=SMALL_BUFFER)
    await client.send(request("POST", SCORE, f"Content-Length: {TOTAL * MIB}"))
    sending = asyncio.gather(send_blocks(client.send, sent))
    assert 0 < await settled(lambda: sent[0]) < HELD
    go_on.set()
    assert (await client.answer()).body.decode() == expected_digest()
    await sending
    assert await house.counted() == [("blue", "ok", 200)]


async def test_a_body_that_waits_in_the_queue_is_held_up_to_the_buffer(open_house: OpenHouse):
    house = await open_house(ClientLimits(body_bytes=TOTAL * MIB))
    release, sent = asyncio.Event(), [0]

    async def script(call: Call) -> None:
        if call.target == "/first":
            await release.wait()
            await call.send(reply(b"first"))
        else:
            await call.send(reply((await digest_of(call.read)).encode()))

    replica = await house.replica(script)
    house.serve(replica)
    first, second = await house.client(), await house.client(socket_buffer=SMALL_BUFFER)
    await first.send(request("GET", "/api/v1/service/digits/first"))
    await replica.called()
    await second.send(request("POST", SCORE, f"Content-Length: {TOTAL * MIB}"))
    await house.queued(1)
    sending = asyncio.gather(send_blocks(second.send, sent))
    assert 0 < await settled(lambda: sent[0]) < HELD
    release.set()
    assert (await first.answer()).body == b"first"
    assert (await second.answer()).body.decode() == expected_digest()
    await sending
    assert await house.counted(2) == [("blue", "ok", 200)] * 2


async def test_a_slow_reader_that_leaves_frees_the_replica(house: House):
    sent = [0]

    async def script(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (TOTAL * MIB))
        await send_blocks(call.send, sent)

    replica = await house.replica(script, socket_buffer=SMALL_BUFFER)
    house.serve(replica)
    client = await house.client(socket_buffer=SMALL_BUFFER)
    await client.send(request("GET"))
    await client.head()
    client.stop_reading()
    await settled(lambda: sent[0])
    client.reset()
    await replica.left()
    assert await house.counted() == [("blue", "client_gone", 200)]


async def test_echo_of_every_size_around_the_edges(house: House):
    house.serve(await house.replica(echo))
    client = await house.client()
    sizes = [1, 65535, 65536, 65537, 262143, 262144, 262145]
    for size in sizes:
        assert (await client.ask(request(body=BLOCK[:size]))).body == BLOCK[:size]
    assert len(await house.counted(len(sizes))) == len(sizes)
