"""Every case of `request_cases` through the data plane on real sockets, with a request behind it that must not leak."""

import re

import pytest

from tests.fakes.client import Client
from tests.fakes.wire import request
from tests.http.expectations import Answered, Forwarded, Refused, without_own_lines
from tests.http.model import Model
from tests.http.request_cases import CASES
from tests.proxy.house import House

BEHIND = request("GET", "/api/v1/service/digits/behind")
"""Sent right behind a case that ends the connection: nobody may ever see it."""
NEXT = request("GET", "/api/v1/service/digits/next")
"""Sent after a case that does not: to be served like any."""
SERVED_NEXT = b"GET /next HTTP/1.1\r\nhost: example.com\r\n\r\n"


@pytest.mark.parametrize("name", CASES)
async def test_request(house: House, name: str):
    sent, expected = CASES[name]
    model = Model()
    await house.take_in(model)
    house.serve(model)
    client = await house.client()
    match expected:
        case Refused(status, outcome):
            assert await ended(client, sent) == [status]
            assert [(each.outcome, each.code) for each in house.ended] == [(outcome, status)]
            seen = []
        case Answered(status):
            assert (await answer_to(client, sent)).status == status
            seen = [SERVED_NEXT]
        case Forwarded(requests, closed=True):
            assert await ended(client, sent) == [200] * len(requests)
            seen = list(requests)
        case Forwarded(requests):
            await client.send(sent)
            for each in requests:
                assert (await client.answer(each.startswith(b"HEAD "))).status == 200
            seen = [*requests, SERVED_NEXT]
    if SERVED_NEXT in seen:
        assert (await client.ask(NEXT)).status == 200
    await house.close()
    assert [without_own_lines(each) for each in model.requests] == seen
    assert model.faults == []
    assert not any(b"/behind" in each for each in model.unfinished)


async def answer_to(client: Client, sent: bytes):
    await client.send(sent)
    return await client.answer(sent.startswith(b"HEAD "))


async def ended(client: Client, sent: bytes) -> list[int]:
    """The statuses of what comes until the router closes."""
    await client.send(sent + BEHIND)
    return [int(status) for status in re.findall(rb"(?:\A|[\r\n}0-9])HTTP/1\.1 ([0-9]{3}) ", await client.rest())]


def test_the_table_is_as_large_as_promised():
    assert len(CASES) >= 150
