"""Events and lines over real sockets: as they happen, for as long as somebody reads."""

import asyncio
import dataclasses
import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from router.admin.api import api_routes
from router.admin.app import build_app
from router.admin.event_stream import EventStream, Wanted
from router.admin.line_stream import LineStream
from router.admin.server import AdminServer
from router.serving.events import EventRing
from tests.admin.parts import TOKEN, MemoryWriter, parts

EVENTS = "/api/v1/events"
ALL = Wanted(frozenset({"decision"}))


@pytest.fixture
def ring() -> EventRing:
    return EventRing()


@pytest.fixture
async def api(serve, health, ring) -> AsyncIterator[httpx.AsyncClient]:
    async def no_metrics(_accept: str) -> tuple[bytes, str]:
        return b"", "text/plain"

    asked = dataclasses.replace(parts(MemoryWriter()), events=ring)
    client = await serve(build_app(health, no_metrics, api_routes(asked, "default")))
    client.headers["authorization"] = f"Bearer {TOKEN}"
    yield client
    ring.close()


async def subscribed(ring: EventRing, readers: int = 1) -> None:
    async with asyncio.timeout(5):
        while f"readers={readers}>" not in repr(ring):
            await asyncio.sleep(0.001)


async def messages(answer: httpx.Response) -> list[dict[str, str]]:
    """All until the end, without comments."""
    blocks = (await answer.aread()).decode().split("\n\n")
    fields = [[line.split(": ", 1) for line in block.split("\n") if not line.startswith(":")] for block in blocks]
    return [dict(each) for each in fields if each and each != [[""]]]


async def test_events_come_with_number_type_and_data(api, ring):
    async with api.stream("GET", EVENTS) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        ring.happened("decision", ("default", "digits"), version="blue", desired=3)
        ring.close()
        (message,) = await messages(answer)
    assert message["event"] == "decision"
    assert json.loads(message["data"])["desired"] == 3
    again = ring.subscribe(int(message["id"]) - 1)
    assert (await again.next()).number == int(message["id"])


@pytest.mark.parametrize(
    ("query", "types"),
    [({}, "dcxo"), ({"types": "decision,ejection"}, "dxo"), ({"endpoint": "digits"}, "dx"),
     ({"namespace": "other"}, "o"), ({"endpoint": "digits", "types": "ejection"}, "x")],
)  # fmt: skip
async def test_a_reader_gets_what_it_asks_for(api, ring, query, types):
    async with api.stream("GET", EVENTS, params=query) as answer:
        ring.happened("decision", ("default", "digits"), word="d")
        ring.happened("configuration", None, word="c")
        ring.happened("ejection", ("default", "digits"), word="x")
        ring.happened("decision", ("other", "digits"), word="o")
        ring.close()
        said = [json.loads(each["data"])["word"] for each in await messages(answer)]
    assert "".join(said) == types


async def test_who_comes_back_is_told_what_was_missed(api, ring):
    for word in "abc":
        ring.happened("decision", ("default", "digits"), word=word)
    first = (await ring.subscribe(0).next()).number
    async with api.stream("GET", EVENTS, headers={"last-event-id": str(first)}) as answer:
        ring.close()
        assert [int(each["id"]) - first for each in await messages(answer)] == [1, 2]


@pytest.mark.parametrize("number", ["x", "-1", "", "9" * 40, "\u00b2".encode()])
async def test_a_number_that_is_none_of_ours_is_as_if_it_were_not_there(api, ring, number):
    ring.happened("decision", ("default", "digits"))
    async with api.stream("GET", EVENTS, headers={"last-event-id": number}) as answer:
        ring.close()
        assert await messages(answer) == []


async def test_types_are_of_the_list(api):
    answer = await api.get(EVENTS, params={"types": "decision,weather"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_who_goes_is_forgotten(api, ring):
    async with api.stream("GET", EVENTS):
        await subscribed(ring, 1)
    await subscribed(ring, 0)


async def test_silence_is_broken_by_comments(serve):
    ring = EventRing()

    async def app(scope, receive, send) -> None:
        await EventStream(ring.subscribe(None), ALL, comment_s=0.01)(scope, receive, send)

    client = await serve(app)
    async with client.stream("GET", "/") as answer:
        lines = answer.aiter_lines()
        assert [await anext(lines) for _ in range(6)] == [": maitre", "", ":", "", ":", ""]


async def test_who_does_not_read_is_dropped_and_holds_nobody_up(ring):
    ring = EventRing(room=10)
    done = asyncio.Event()

    async def app(scope, receive, send) -> None:
        await EventStream(ring.subscribe(None), ALL)(scope, receive, send)
        done.set()

    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    server = AdminServer(app, [sock], grace_s=1)
    await server.start()
    _, writer = await asyncio.open_connection(*server.addresses[0], limit=1024)
    writer.transport.pause_reading()
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    await subscribed(ring)
    async with asyncio.timeout(20):
        while "readers=1" in repr(ring):
            ring.happened("decision", ("default", "digits"), words="x" * 100_000)
            await asyncio.sleep(0)
        await done.wait()
    writer.close()
    await server.stop()


async def test_lines_end_when_who_reads_them_goes(serve):
    stopped = asyncio.Event()

    async def lines() -> AsyncIterator[str]:
        try:
            yield "1 first"
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def app(scope, receive, send) -> None:
        await LineStream(lines())(scope, receive, send)

    client = await serve(app)
    async with client.stream("GET", "/") as answer:
        assert await anext(answer.aiter_lines()) == "1 first"
    await asyncio.wait_for(stopped.wait(), 5)
