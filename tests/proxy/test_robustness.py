"""Any bytes at all, from clients and from replicas: always an answer or an end, never a fault, a hang or a lost slot.

The house asserts the rest when it closes: that every slot came home and that the loop saw no exception.
"""

import asyncio
import itertools
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.limits import ClientLimits
from tests.fakes.changes import BOUND_S
from tests.fakes.replica import Call, echo
from tests.fakes.wire import SCORE, chunked, reply, request, streaming
from tests.proxy.conftest import OpenHouse
from tests.proxy.house import House
from tests.proxy.test_downstream import error_of

ANSWER_OR_END = (asyncio.IncompleteReadError, ConnectionError)
BOUNDED = settings(max_examples=250)
MEAN = ClientLimits(head_s=0.02, idle_s=0.02, linger_s=0.02)
"""What is not understood as a request is not waited for long."""

VALID = [
    request(body=b"abc"),
    request("GET", SCORE, "X-A: b"),
    request("HEAD", SCORE, "Connection: close"),
    request("POST", SCORE, body=b"abc", minor=0),
    streaming() + chunked(b"abc", b"de"),
    request("GET", "/healthz"),
]
ANSWERS = [
    reply(b"42"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"4", b"2"),
    b"HTTP/1.1 100 Continue\r\n\r\n" + reply(b"42", 500),
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\n42",
]
TELLING = [b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b",", b";", b"0", b"-1", b"\xff", b"Content-Length: 3\r\n"]


@st.composite
def mutated(draw, messages: list[bytes]) -> bytes:
    """A run of valid messages with a few bytes taken out, put in, doubled or replaced."""
    data = bytearray(b"".join(draw(st.lists(st.sampled_from(messages), min_size=1, max_size=3))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 4))
        piece = draw(st.one_of(st.sampled_from(TELLING), st.binary(max_size=4), st.just(bytes(data[at : at + length]))))
        data[at : at + length] = piece
    return bytes(data)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@BOUNDED
@given(
    st.one_of(mutated(VALID), st.binary(max_size=200)),
    st.lists(st.integers(0, 1000), max_size=3),
    st.sampled_from(["waits", "resets", "closes"]),
)
async def test_any_bytes_from_a_client(data: bytes, places: list[int], then: str):
    house = await House.open(MEAN)
    replica = await house.replica(echo)
    house.serve(replica, scoring_timeout_s=0.02)
    client = await house.client()
    with suppress(*ANSWER_OR_END):
        for piece in cut(data, places):
            await client.send(piece)
            await asyncio.sleep(0)
        if then == "waits":
            await client.rest()  # ends by one of the limits
    if then == "resets":
        client.reset()
    await house.close()
    for call in replica.calls:  # what got through is a request that the replica could read to its end
        assert "host" in call.head


@BOUNDED
@given(
    st.one_of(mutated(ANSWERS), st.binary(max_size=200)),
    st.lists(st.integers(0, 1000), max_size=3),
    st.sampled_from(["waits", "resets", "closes"]),
    st.sampled_from([0, 1]),
    st.booleans(),
)
async def test_any_bytes_from_a_replica(data: bytes, places: list[int], then: str, minor: int, twice: bool):
    async def script(call: Call) -> None:
        await call.body()
        for piece in cut(data, places):
            await call.send(piece)
            await asyncio.sleep(0)
        if then == "waits":
            await call.gone()
        elif then == "resets":
            call.reset()
        else:
            call.close()

    house = await House.open(MEAN)
    house.serve(await house.replica(script), scoring_timeout_s=0.02)
    client = await house.client()
    with suppress(*ANSWER_OR_END):
        await client.send(request(body=b"abc", minor=minor) * (1 + twice))
        await client.rest()
    await house.close()
    assert all(ended.outcome in {"ok", "model_error", "upstream_error", "upstream_timeout"} for ended in house.ended)
    assert len(house.ended) >= 1


async def test_an_empty_line_that_comes_in_two_is_no_head_that_came_too_late(open_house: OpenHouse):
    house = await open_house(ClientLimits(head_s=0.1, idle_s=BOUND_S))
    client = await house.client()
    await client.send(b"\r")
    await house.caught_up()
    await client.send(b"\n")
    await client.closed()
    assert house.ended == []


async def test_a_model_that_does_not_begin_as_http_does_is_not_waited_for(house: House):
    async def garbage(call: Call) -> None:
        await call.body()
        await call.send(b"220 smtp.example.com ESMTP")
        await call.gone()

    house.serve(await house.replica(garbage))
    error_of(await (await house.client()).ask(request(body=b"1")), 502, "upstream_error")
