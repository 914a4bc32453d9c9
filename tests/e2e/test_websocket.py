"""WebSockets through the router, with the package `websockets` on both ends: tunnels that hold a slot while open."""

import asyncio
import signal

import aiohttp
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from tests.e2e.conftest import BOUND_S, KEYS, WEBSOCKET_MODEL, Maitre, endpoint, version
from tests.e2e.memory import Memory

KEY = KEYS["primaryKey"]
FRAMES = 10_000
MB = 1_000_000
MAY_GROW = 20 * MB
UPGRADE = [
    "Host: test",
    f"Authorization: Bearer {KEY}",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]


async def start(serve, **settings: object) -> Maitre:
    blue = version(model=WEBSOCKET_MODEL, autoscale={"enabled": False, "replicas": 1}, **settings)
    maitre = await serve(endpoint(blue), "--workers", "1")
    await maitre.line("is ready on port")
    return maitre


def url(maitre: Maitre, rest: str) -> str:
    return f"ws://127.0.0.1:{maitre.port}/api/v1/service/digits/{rest}"


def dial(maitre: Maitre, rest: str = "echo", key: str | None = KEY, **options: object) -> connect:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return connect(url(maitre, rest), additional_headers=headers, proxy=None, **options)


async def hello(client: ClientConnection) -> None:
    await client.send("hello")
    assert await client.recv() == "hello"


async def until_free(maitre: Maitre) -> None:
    await maitre.until_metric(lambda value: value == 0, "maitre_requests_in_flight")


async def until_ended(maitre: Maitre, codes: list[int]) -> None:
    """Waits until the model has seen connections end with these close codes."""
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as client, asyncio.timeout(BOUND_S):
        while (await client.get(url(maitre, "ended").replace("ws:", "http:"))).json() != codes:
            await asyncio.sleep(0.02)


def frame(number: int) -> str | bytes:
    """Text and bytes in turn, of 0 to 2,000 bytes; the last one is of 1 MB."""
    size = MB if number == FRAMES - 1 else number * 7 % 2000
    return f"{number} ".ljust(size, "é")[:size] if number % 2 == 0 else number.to_bytes(4, "big") * (size // 4)


async def test_ten_thousand_frames_come_back_in_order(serve):
    maitre = await start(serve)
    async with dial(maitre) as client:

        async def send() -> None:
            for number in range(FRAMES):
                await client.send(frame(number))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            for number in range(FRAMES):
                assert await client.recv() == frame(number)
        await (await client.ping(b"still there?"))
        assert await maitre.metric("maitre_requests_in_flight") == 1
        assert await maitre.metric("maitre_requests_total") == 0
    await until_free(maitre)
    assert await maitre.metric("maitre_requests_total", outcome="ok", code="101") == 1


async def test_the_clients_close_code_reaches_the_model_and_comes_back(serve):
    maitre = await start(serve)
    async with dial(maitre) as client:
        await hello(client)
        await client.close(4000, "enough")
    assert (client.close_code, client.close_reason) == (4000, "enough")
    await until_free(maitre)
    await until_ended(maitre, [4000])


async def test_the_models_close_code_reaches_the_client(serve):
    maitre = await start(serve)
    async with dial(maitre) as client:
        await client.send("close 4001 enough")
        with pytest.raises(ConnectionClosedError) as closed:
            await client.recv()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "enough")
    await until_free(maitre)
    await until_ended(maitre, [4001])
    assert await maitre.metric("maitre_requests_total", outcome="ok", code="101") == 1


async def test_both_close_at_once(serve):
    maitre = await start(serve)
    for _ in range(20):
        async with dial(maitre) as client:
            await client.send("close 1000 enough")
            await client.close(1000, "enough")
        assert client.close_code == 1000
    await until_free(maitre)
    assert await maitre.metric("maitre_requests_total", outcome="ok", code="101") == 20


async def test_a_model_that_dies_breaks_the_tunnel_off(serve):
    maitre = await start(serve)
    async with dial(maitre) as client:
        await hello(client)
        await client.send("die")
        with pytest.raises(ConnectionClosedError) as closed:
            await client.recv()
    assert closed.value.rcvd is None, "nobody sent a close frame, and the router does not make one up"
    await until_free(maitre)
    assert await maitre.metric("maitre_requests_total", code="101") == 1
    await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
    async with dial(maitre) as client:
        await hello(client)


async def test_a_client_that_vanishes_frees_the_slot_and_the_model(serve):
    maitre = await start(serve)
    async with dial(maitre) as client:
        await hello(client)
        client.transport.abort()
    await until_free(maitre)
    await until_ended(maitre, [1006])
    assert await maitre.metric("maitre_requests_total", code="101") == 1


async def test_a_tunnel_holds_its_slot_and_others_wait_for_it(serve):
    maitre = await start(serve, maxQueueWaitMs=20_000)
    async with dial(maitre) as first:
        await hello(first)
        assert await maitre.metric("maitre_requests_in_flight") == 1
        assert await maitre.metric("maitre_replicas_busy") == 1

        async def second() -> None:
            async with dial(maitre) as client:
                await hello(client)

        waiting = asyncio.get_running_loop().create_task(second())
        await maitre.until_metric(lambda value: value == 1, "maitre_requests_queued")
        await hello(first)
        assert not waiting.done()
    await waiting
    await until_free(maitre)
    assert await maitre.metric("maitre_requests_total", outcome="ok", code="101") == 2


async def test_who_waits_too_long_for_a_tunnels_slot_is_told(serve):
    maitre = await start(serve, maxQueueWaitMs=100)
    async with dial(maitre) as first:
        await hello(first)
        with pytest.raises(InvalidStatus) as refused:
            await dial(maitre)
        assert refused.value.response.status_code == 503
        assert b"queue_timeout" in refused.value.response.body
        await hello(first)


@pytest.mark.parametrize("status", [403, 200, 404])
async def test_a_refused_upgrade_is_an_ordinary_answer(serve, status):
    """The client's connection goes on, whatever the model does with its own."""
    maitre = await start(serve)
    with pytest.raises(InvalidStatus) as refused:
        await dial(maitre, f"refuse?status={status}")
    assert refused.value.response.status_code == status
    assert refused.value.response.body == b"no"

    connection = maitre.connection()
    lines = [f"GET /api/v1/service/digits/refuse?status={status} HTTP/1.1", *UPGRADE, "", ""]
    for _ in range(2):
        answer = await connection.send("\r\n".join(lines).encode())
        assert (answer.status, answer.body) == (status, b"no")
        assert "connection" not in answer.headers, "to be used again"
    await until_free(maitre)
    assert await maitre.metric("maitre_requests_total", outcome="ok", code=str(status)) == 3


@pytest.mark.parametrize("key", [None, "a-wrong-key-0123456789"])
async def test_without_a_credential_nobody_gets_a_tunnel(serve, key):
    maitre = await start(serve)
    with pytest.raises(InvalidStatus) as refused:
        await dial(maitre, key=key)
    assert refused.value.response.status_code == 401
    await until_ended(maitre, [])


async def test_a_client_that_reads_slowly_slows_the_model(serve):
    """100 MB that nobody takes for a while: they wait at the model, not in the router."""
    maitre = await start(serve)
    memory = Memory(maitre.process.pid)
    async with dial(maitre, f"flood?messages=100&bytes={MB}", compression=None, max_queue=1) as client:
        for count in range(100):
            assert len(await client.recv()) == MB
            if count % 20 == 0:
                await asyncio.sleep(0.2)  # a reader's pause, not a wait for anything
        with pytest.raises(ConnectionClosedOK):
            await client.recv()
    grown = memory.grown()
    print(f"the router grew by {grown / MB:.1f} MB")
    assert grown < MAY_GROW


async def test_aiohttp_speaks_through_a_tunnel(serve):
    maitre = await start(serve)
    async with (
        aiohttp.ClientSession(headers={"authorization": f"Bearer {KEY}"}) as session,
        session.ws_connect(url(maitre, "echo")) as client,
    ):
        await client.send_str("hello")
        assert await client.receive_str() == "hello"
        await client.send_bytes(b"\x00" * 70_000)
        assert await client.receive_bytes() == b"\x00" * 70_000


async def test_the_routers_end_waits_for_a_tunnel(serve):
    maitre = await start(serve)
    async with dial(maitre) as client:
        await hello(client)
        maitre.process.send_signal(signal.SIGTERM)
        await maitre.line("draining")
        await hello(client)
    assert await maitre.process.wait() == 0


async def test_the_routers_end_does_not_wait_for_ever(serve):
    blue = version(model=WEBSOCKET_MODEL, autoscale={"enabled": False, "replicas": 1})
    maitre = await serve(endpoint(blue), "--drain-seconds", "0.5")
    await maitre.line("is ready on port")
    async with dial(maitre) as client:
        await hello(client)
        maitre.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            await client.recv()
    assert await maitre.process.wait() == 0
