"""Clients that leave, wherever they are: place, slot and upstream connection are free at once.

"At once" is judged by what frees: the next in line is served while the one who left would have had a minute.
"""

from collections.abc import AsyncIterator

import pytest

from tests.e2e.conftest import Maitre, endpoint, fixed_version
from tests.e2e.scripted import Scripted
from tests.fakes.client import Client
from tests.fakes.replica import Call
from tests.fakes.wire import reply, request

LARGE = 32 << 20


async def first_hangs(call: Call) -> None:
    """The first request until its client has left; the others are answered."""
    await call.body()
    if call.received == b"1":
        await call.gone()
    else:
        await call.send(reply(b"42"))


async def first_is_large(call: Call) -> None:
    await call.body()
    await call.send(reply(bytes(LARGE) if call.received == b"1" else b"42"))


@pytest.fixture
async def replica(request: pytest.FixtureRequest) -> AsyncIterator[Scripted]:
    replica = Scripted(getattr(request, "param", first_hangs))
    await replica.start()
    yield replica
    await replica.stop()


@pytest.fixture
async def maitre(serve, replica: Scripted) -> Maitre:
    """One replica with one slot, and a minute for everything."""
    settings = {"maxQueueWaitMs": 60000, "scoringTimeoutMs": 60000}
    maitre = await serve(endpoint(fixed_version([replica], **settings), auth="mode: none"))
    await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
    return maitre


async def in_flight(maitre: Maitre, replica: Scripted) -> Client:
    """A client whose request the replica has, and hangs on."""
    client = await Client.connect(maitre.port)
    await client.send(request(body=b"1"))
    await replica.scoring()
    return client


async def assert_free(maitre: Maitre, gone: int = 1) -> None:
    """Nobody holds or waits for anything, and the next request is served."""
    await maitre.until_metric(lambda value: value == gone, "maitre_requests_total", outcome="client_gone")
    assert await maitre.metric("maitre_requests_in_flight") == 0
    assert await maitre.metric("maitre_requests_queued") == 0
    client = await Client.connect(maitre.port)
    assert (await client.ask(request(body=b"next"))).body == b"42"
    await client.close()


def half_close(client: Client) -> None:
    """Sends no more, but would read: taken for gone, as nginx does (docs/behaviour.md)."""
    client.end()


WAYS = pytest.mark.parametrize("leave", [Client.close, Client.reset, half_close])
CLOSING = pytest.mark.parametrize("leave", [Client.close, Client.reset])


async def left(client: Client, leave) -> None:
    leaving = leave(client)
    if leaving is not None:
        await leaving


@WAYS
async def test_in_flight(maitre: Maitre, replica: Scripted, leave):
    client = await in_flight(maitre, replica)
    await left(client, leave)
    await replica.changes.until(lambda: replica.running == 0)  # its connection was closed
    await assert_free(maitre)
    await client.close()


@WAYS
async def test_in_the_queue(maitre: Maitre, replica: Scripted, leave):
    holder, waiting = await in_flight(maitre, replica), await Client.connect(maitre.port)
    await waiting.send(request(body=b"2"))
    await maitre.until_metric(lambda value: value == 1, "maitre_requests_queued")
    await left(waiting, leave)
    await maitre.until_metric(lambda value: value == 0, "maitre_requests_queued")
    assert await maitre.metric("maitre_requests_in_flight") == 1
    holder.reset()
    await assert_free(maitre, gone=2)
    assert b"2" not in [call.received for call in replica.scored], "nobody runs what nobody waits for"
    await waiting.close()


@CLOSING
async def test_in_the_queue_while_the_router_has_stopped_reading_its_body(maitre: Maitre, replica: Scripted, leave):
    """It does not see the end of what it does not read, and has to ask."""
    holder, waiting = await in_flight(maitre, replica), await Client.connect(maitre.port)
    waiting.write(request("POST", "/api/v1/service/digits/score", "Content-Length: 10000000") + bytes(150 << 10))
    await maitre.until_metric(lambda value: value == 1, "maitre_requests_queued")
    await left(waiting, leave)
    await maitre.until_metric(lambda value: value == 0, "maitre_requests_queued")
    holder.reset()
    await assert_free(maitre, gone=2)


@WAYS
@pytest.mark.parametrize("replica", [first_is_large], indirect=True)
async def test_with_an_answer_that_it_has_not_read(maitre: Maitre, replica: Scripted, leave):
    """The replica waits for the client; when that leaves, it is let go."""
    client = await Client.connect(maitre.port, socket_buffer=4096)
    await client.send(request(body=b"1"))
    assert (await client.head()).status == 200
    client.stop_reading()
    await replica.scoring()
    await left(client, leave)
    await replica.changes.until(lambda: replica.running == 0)
    assert replica.sent < LARGE, "it was cut, not read to its end"
    await assert_free(maitre)
    await client.close()
