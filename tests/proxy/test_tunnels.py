"""Upgrades: once the model agrees, both connections are one tunnel, and the request's slot is held while it is open."""

from __future__ import annotations

import pytest

from router.core.limits import ClientLimits
from tests.fakes.client import Client
from tests.fakes.replica import Call, Replica, answering
from tests.fakes.wire import SCORE, reply, request
from tests.proxy.conftest import OpenHouse
from tests.proxy.house import House
from tests.proxy.test_downstream import error_of

UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: a2V5")
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
)


async def parrot(call: Call) -> None:
    """Switches, and sends everything back."""
    await call.send(SWITCHING)
    while data := await call.read(65536):
        await call.send(data)
    call.close()


async def opened(house: House, *more: str) -> Client:
    client = await house.client()
    await client.send(request("GET", SCORE, *UPGRADE, *more))
    answer = await client.head_of_any()
    assert answer.status == 101
    return client


async def test_bytes_pass_both_ways_until_the_client_leaves(house: House):
    replica = await house.replica(parrot)
    admission = house.serve(replica)
    client = await opened(house)
    for message in (b"\x81\x02hi", b"\x00" * 70_000):
        await client.send(message)
        assert await client.read_exactly(len(message)) == message
    assert (admission.in_flight, admission.tunnels) == (1, 1)
    await client.close()
    await replica.left()
    assert await house.counted() == [("blue", "ok", 101)]
    assert (admission.in_flight, admission.tunnels) == (0, 0)


async def test_both_sides_see_the_upgrade_and_the_routers_own_fields(house: House):
    replica = await house.replica(parrot)
    house.serve(replica)
    client = await house.client()
    await client.send(request("GET", SCORE, *UPGRADE, "x-ms-client-request-id: mine"))
    answer = await client.head_of_any()
    assert (answer["connection"], answer["upgrade"], answer["sec-websocket-accept"]) == ("upgrade", "websocket", "x")
    assert (answer["azureml-model-deployment"], answer["x-ms-client-request-id"]) == ("blue", "mine")
    head = replica.calls[0].head
    assert (head["connection"], head["upgrade"], head["sec-websocket-key"]) == (b"upgrade", b"websocket", b"a2V5")


async def test_what_follows_the_switch_at_once_is_not_lost(house: House):
    async def eager(call: Call) -> None:
        await call.send(SWITCHING + b"hello")
        assert await call.read(5) == b"early"
        call.close()

    house.serve(await house.replica(eager))
    client = await house.client()
    await client.send(request("GET", SCORE, *UPGRADE) + b"early")
    assert (await client.head_of_any()).status == 101
    assert await client.rest() == b"hello"
    assert await house.counted() == [("blue", "ok", 101)]


async def test_the_model_ends_a_tunnel_and_the_client_gets_all_of_it(house: House):
    async def farewell(call: Call) -> None:
        await call.send(SWITCHING + b"x" * 200_000)
        call.close()

    house.serve(await house.replica(farewell))
    client = await opened(house)
    assert len(await client.rest()) == 200_000
    assert await house.counted() == [("blue", "ok", 101)]


async def test_a_tunnel_that_the_model_resets_is_reset_for_the_client(house: House):
    async def breaking(call: Call) -> None:
        await call.send(SWITCHING)
        await call.read(1)
        call.reset()

    house.serve(await house.replica(breaking))
    client = await opened(house)
    await client.send(b"x")
    with pytest.raises(ConnectionError):
        await client.rest()
    assert await house.counted() == [("blue", "upstream_error", 101)]


async def test_a_tunnel_holds_its_slot_and_the_next_request_waits_for_it(house: House):
    house.serve(await house.replica(parrot))
    first = await opened(house)
    second = await house.client()
    await second.send(request("GET", SCORE, *UPGRADE))
    await house.queued(1)
    await first.close()
    assert (await second.head_of_any()).status == 101


async def test_a_tunnel_in_which_nothing_passes_is_closed(open_house: OpenHouse):
    house = await open_house(ClientLimits(tunnel_idle_s=0.05, idle_s=0.05))
    replica = await house.replica(parrot)
    house.serve(replica)
    client = await opened(house)
    await client.closed()
    await replica.left()
    assert await house.counted() == [("blue", "ok", 101)]


async def test_a_refused_upgrade_is_an_ordinary_answer(house: House):
    house.serve(await house.replica(answering(reply(b"no", 403, reason="Forbidden"))))
    client = await house.client()
    for _ in range(2):
        answer = await client.ask(request("GET", SCORE, *UPGRADE))
        assert (answer.status, answer.body, answer.closes) == (403, b"no", False)
    assert await house.counted(2) == [("blue", "ok", 403)] * 2


REFUSED_SWITCHES = {
    "unasked": (request("GET"), SWITCHING),
    "another protocol": (request("GET", SCORE, *UPGRADE), SWITCHING.replace(b"websocket", b"tls/1.0")),
    "no protocol": (request("GET", SCORE, *UPGRADE), SWITCHING.replace(b"Upgrade: websocket\r\n", b"")),
}


@pytest.mark.parametrize(("message", "answer"), REFUSED_SWITCHES.values(), ids=REFUSED_SWITCHES)
async def test_a_switch_that_nobody_asked_for_is_no_answer(house: House, message: bytes, answer: bytes):
    house.serve(await house.replica(answering(answer)))
    error_of(await (await house.client()).ask(message), 502, "upstream_error")


NOT_PASSED_ON = {
    "not named by Connection": request("GET", SCORE, "Upgrade: websocket"),
    "HTTP/1.0": request("GET", SCORE, *UPGRADE, minor=0),
    "with a body": request("POST", SCORE, *UPGRADE, body=b"1"),
    "h2c": request("GET", SCORE, "Connection: upgrade, http2-settings", "Upgrade: h2c", "HTTP2-Settings: AAA"),
}


@pytest.mark.parametrize("message", NOT_PASSED_ON.values(), ids=NOT_PASSED_ON)
async def test_the_model_is_not_asked_to_switch(house: House, message: bytes):
    replica = await house.replica()
    house.serve(replica)
    assert (await (await house.client()).ask(message)).body == b"42"
    head = replica.calls[0].head
    assert "upgrade" not in head
    assert "connection" not in head
    assert "http2-settings" not in head


async def test_draining_waits_for_a_tunnel(house: House):
    house.serve(await house.replica(parrot))
    client = await opened(house)
    house.plane.drain()
    await client.send(b"still here")
    assert await client.read_exactly(10) == b"still here"


async def test_a_slow_client_of_a_tunnel_slows_the_model(open_house: OpenHouse):
    house = await open_house(ClientLimits())

    async def flood(call: Call) -> None:
        await call.send(SWITCHING)
        while not call.replica.calls[0].received:
            await call.send(bytes(1 << 16))

    replica: Replica = await house.replica(flood, socket_buffer=1 << 14)
    house.serve(replica)
    client = await opened(house)
    client.stop_reading()
    connection = house.connection_of(client)
    await replica.changes.until(lambda: connection.write_blocked)
    assert connection.transport.get_write_buffer_size() < 1 << 18
