"""Every case of `response_cases` through the data plane on real sockets, with another request behind it.

What a model says beyond its answer must not become the answer to that one.
"""

from contextlib import suppress

import pytest

from tests.fakes.client import Client
from tests.fakes.replica import Call
from tests.fakes.wire import reply, request
from tests.http.expectations import Cut, Delivered, Refused, without_version_and_ids
from tests.http.response_cases import CASES, Reply
from tests.proxy.house import House

NEXT = request("GET", "/api/v1/service/digits/next")
NEXT_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext"


@pytest.mark.parametrize("name", CASES)
async def test_response(house: House, name: str):
    said, expected = CASES[name]
    house.serve(await house.replica(first_saying(said)))
    client = await house.client()
    await client.send(said.asked)
    match expected:
        case Delivered(answer, closed=True):
            assert without_version_and_ids(await client.rest()) == answer
        case Delivered(answer):
            await client.send(NEXT)
            assert await received(client, answer + NEXT_ANSWER) == answer + NEXT_ANSWER
        case Cut(beginning):
            assert await received(client, beginning) == beginning
            with suppress(ConnectionResetError):
                await client.closed()
        case Refused(status, outcome):
            answer = await client.answer()
            assert (answer.status, answer.closes) == (status, False)
            assert b'"code":"%b"' % outcome.encode() in answer.body
            assert without_version_and_ids(NEXT_ANSWER) == await after(client)
    ends = {Delivered: ("ok", "model_error"), Cut: ("upstream_error",), Refused: ("upstream_error",)}
    assert house.ended[0].outcome in ends[type(expected)]


def first_saying(said: Reply):
    """A script: the case's bytes for the first request, the next answer for those after it, on whatever connection."""
    first = True

    async def script(call: Call) -> None:
        nonlocal first
        await call.body()
        if not first:
            await call.send(reply(b"next"))
            return
        first = False
        await call.send(said.said)
        if said.closes:
            call.close()

    return script


async def received(client: Client, expected: bytes) -> bytes:
    """What comes, until it is as long as what is expected or the router says no more."""
    got = b""
    while len(without_version_and_ids(got)) < len(expected) and (piece := await client.read(1 << 16)):
        got += piece
    return without_version_and_ids(got)


async def after(client: Client) -> bytes:
    await client.send(NEXT)
    return await received(client, NEXT_ANSWER)
