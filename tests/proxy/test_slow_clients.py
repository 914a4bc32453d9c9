"""Clients that hardly move, that leave while nobody reads from them, and that are too many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from router.core.admission import Limits
from router.core.limits import ClientLimits
from router.proxy.downstream import Downstream
from tests.fakes.changes import BOUND_S
from tests.fakes.replica import Call, hang
from tests.fakes.wire import SCORE, chunk, reply, request, streaming
from tests.proxy.conftest import OpenHouse
from tests.proxy.house import House
from tests.proxy.test_downstream import error_of

MIB = 1 << 20
WINDOW_S = 60.0
"""Longer than a test takes: only the house's clock can end a window."""
SLOW = ClientLimits(rate=100, rate_window_s=WINDOW_S, body_bytes=100 * MIB)
LEAST = int(SLOW.rate * WINDOW_S)


async def window_over(house: House) -> None:
    """The router's clock moves past the window's end, and the wheel has looked."""
    house.passed_s += WINDOW_S + 1
    for due in house.plane.wheel.advance(house.now()):
        due.on_due(house.now())
    await house.caught_up()


# -- bodies that trickle -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [b"", b"x" * (LEAST - 1)], ids=["nothing", "too little"])
async def test_a_body_that_trickles_is_refused_and_its_slot_is_free(open_house: OpenHouse, piece: bytes):
    house = await open_house(SLOW)
    admission = house.serve(await house.replica(hang), scoring_timeout_s=1000 * WINDOW_S)
    client = await house.client()
    await client.send(streaming() + (chunk(piece) if piece else b""))
    await house.caught_up()
    assert admission.in_flight == 1
    await window_over(house)
    answer = await client.answer()
    error_of(answer, 408, "request_timeout")
    assert answer.closes
    assert await house.counted() == [("blue", "request_timeout", 408)]


async def test_a_body_that_moves_may_take_many_windows(open_house: OpenHouse):
    house = await open_house(SLOW)
    replica = await house.replica()
    house.serve(replica, scoring_timeout_s=1000 * WINDOW_S)
    client = await house.client()
    await client.send(streaming())
    await house.caught_up()
    for _ in range(5):
        await client.send(chunk(b"x" * LEAST))
        await house.caught_up()
        await window_over(house)
    await client.send(b"0\r\n\r\n")
    assert (await client.answer()).status == 200
    assert len(replica.calls[0].received) == 5 * LEAST


async def test_a_client_is_not_blamed_while_the_router_does_not_read(open_house: OpenHouse):
    """The model takes nothing: what the client could send stays where it is."""
    house = await open_house(SLOW)
    go_on = asyncio.Event()

    async def late(call: Call) -> None:
        await go_on.wait()
        await call.body()
        await call.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    house.serve(await house.replica(late, socket_buffer=1 << 14), scoring_timeout_s=1000 * WINDOW_S)
    client = await house.client()
    sending = asyncio.gather(client.send(request(body=bytes(20 * MIB))))
    connection = await accepted(house)
    await until(house, lambda: connection.paused)
    for _ in range(3):
        await window_over(house)
    go_on.set()
    await sending
    assert (await client.answer()).status == 204


async def until(house: House, true: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not true():
            await house.caught_up()


async def accepted(house: House) -> Downstream:
    """The router's side of the first connection."""
    await house.caught_up()
    return next(iter(house.plane.connections))


async def test_a_client_that_waits_for_a_100_is_not_slow(open_house: OpenHouse):
    house = await open_house(SLOW)
    go_on = asyncio.Event()

    async def late(call: Call) -> None:
        await go_on.wait()
        await call.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await call.send(reply(await call.body()))

    house.serve(await house.replica(late), scoring_timeout_s=1000 * WINDOW_S)
    client = await house.client()
    await client.send(request("POST", SCORE, "Expect: 100-Continue", "Content-Length: 3"))
    await house.caught_up()
    for _ in range(3):
        await window_over(house)
    go_on.set()
    assert (await client.head_of_any()).status == 100
    await client.send(b"a")
    await house.caught_up()
    await client.send(b"bc")
    assert (await client.answer()).body == b"abc"


async def test_a_client_that_has_its_100_must_move(open_house: OpenHouse):
    house = await open_house(SLOW)
    house.serve(await house.replica(hang), scoring_timeout_s=1000 * WINDOW_S)
    client = await house.client()
    await client.send(request("POST", SCORE, "Expect: 100-continue", "Content-Length: 3"))
    await house.caught_up()
    await client.send(b"a")
    await house.caught_up()
    await window_over(house)
    error_of(await client.answer(), 408, "request_timeout")


# -- answers that are hardly taken -------------------------------------------------------------------------------------


async def flood(call: Call) -> None:
    """An answer that never ends."""
    await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await call.send(chunk(bytes(1 << 16)))


async def test_a_client_that_takes_nothing_is_cut_and_its_slot_is_free(open_house: OpenHouse):
    house = await open_house(SLOW)
    replica = await house.replica(flood, socket_buffer=1 << 14)
    admission = house.serve(replica, scoring_timeout_s=1000 * WINDOW_S)
    client = await house.client(socket_buffer=1 << 14)
    client.stop_reading()
    await client.send(request("GET"))
    connection = await accepted(house)
    await until(house, lambda: connection.write_blocked)
    await window_over(house)
    assert await house.counted() == [("blue", "client_gone", 200)]
    assert admission.in_flight == 0
    await replica.left()


async def test_the_model_is_not_blamed_for_a_client_that_does_not_take_its_answer(house: House):
    replica = await house.replica(flood, socket_buffer=1 << 14)
    house.serve(replica, scoring_timeout_s=0.2)
    client = await house.client(socket_buffer=1 << 14)
    client.stop_reading()
    await client.send(request("GET"))
    assert await house.counted() == [("blue", "client_gone", 200)]


# -- clients that leave unseen -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", ["close", "end", "reset"])
async def test_a_client_that_leaves_while_its_body_waits_loses_its_place_at_once(house: House, leave: str):
    """The router has stopped reading, since the body has no replica yet."""
    replica = await house.replica(hang)
    admission = house.serve(replica, limits=Limits(queue_wait_s=100 * BOUND_S))
    first, second = await house.client(), await house.client()
    await first.send(request(body=b"1"))
    await replica.called()
    await second.send(request("POST", SCORE, "Content-Length: 100000") + bytes(70_000))
    await house.queued(1)
    assert house.connection_of(second).paused
    match leave:
        case "close":
            await second.close()
        case "end":
            second.end()
        case _:
            second.reset()
    assert await house.counted() == [("blue", "client_gone", 0)]
    assert admission.queued == 0


# -- too many ----------------------------------------------------------------------------------------------------------


async def test_one_more_client_takes_the_place_of_the_one_whose_time_is_up_next(open_house: OpenHouse):
    house = await open_house(ClientLimits(connections=3))
    house.serve(await house.replica(hang))
    busy, unfinished, idle = [await house.client() for _ in range(3)]
    await busy.send(request(body=b"1"))
    await unfinished.send(b"POST / HTTP/1.1\r\n")
    assert (await idle.ask(request("GET", "/healthz"))).status == 200
    newcomer = await house.client()
    assert (await newcomer.ask(request("GET", "/healthz"))).status == 200
    await unfinished.closed()
    assert (await idle.ask(request("GET", "/healthz"))).status == 200
    assert (house.plane.connections_displaced, house.plane.connections_refused) == (1, 0)


async def test_where_all_are_at_work_the_newcomer_has_to_go(open_house: OpenHouse):
    house = await open_house(ClientLimits(connections=2))
    replica = await house.replica(hang)
    house.serve(replica, limits=Limits(slots=2))
    busy = [await house.client() for _ in range(2)]
    for client in busy:
        await client.send(request(body=b"1"))
    await replica.called(2)
    newcomer = await house.client()
    await newcomer.closed()
    assert (house.plane.connections_displaced, house.plane.connections_refused) == (0, 1)
    assert len(house.plane.connections) == 2


async def test_a_flood_of_heads_that_never_end_does_not_keep_a_client_out(open_house: OpenHouse):
    house = await open_house(ClientLimits(connections=50))
    house.serve(await house.replica())
    honest = await house.client()
    for _ in range(200):
        attacker = await house.client()
        await attacker.send(b"POST / HTTP/1.1\r\nX-a: b\r\n")
        assert (await honest.ask(request(body=b"1"))).status == 200
    assert len(house.plane.connections) <= 50
