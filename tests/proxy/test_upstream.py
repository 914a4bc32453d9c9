"""The replica's side: which connections are used again, which are not, and that nobody gets another one's answer."""

import asyncio

from router.core.admission import Limits
from router.proxy.upstream import IDLE_S
from tests.fakes.replica import Call, answering, closing_after
from tests.fakes.wire import SCORE, reply, request
from tests.proxy.house import House

OK = ("blue", "ok", 200)


async def test_one_connection_serves_requests_of_many_clients(house: House):
    replica = await house.replica()
    house.serve(replica)
    for _ in range(5):
        client = await house.client()
        for _ in range(5):
            assert (await client.ask(request(body=b"1"))).status == 200
        await client.close()
    assert (replica.connections, len(replica.calls)) == (1, 25)
    assert await house.counted(25) == [OK] * 25


async def test_no_more_connections_than_slots(house: House):
    both = asyncio.Barrier(3)

    async def script(call: Call) -> None:
        await both.wait()
        await call.send(reply(b"42"))

    replica = await house.replica(script)
    house.serve(replica, limits=Limits(slots=3, queue_wait_s=5))
    clients = [await house.client() for _ in range(3)]
    for _ in range(4):
        await asyncio.gather(*(client.ask(request("GET")) for client in clients))
    assert (replica.connections, replica.most_running) == (3, 3)
    assert await house.counted(12) == [OK] * 12


async def test_a_replica_that_says_close_gets_a_fresh_connection(house: House):
    replica = await house.replica(answering(reply(b"42", 200, "Connection: close")))
    house.serve(replica)
    client = await house.client()
    for _ in range(3):
        answer = await client.ask(request("GET"))
        assert answer.body == b"42"
        assert not answer.closes  # that was between the router and the model
    assert replica.connections == 3
    assert await house.counted(3) == [OK] * 3


async def test_an_http_1_0_replica_gets_a_fresh_connection(house: House):
    replica = await house.replica(answering(reply(b"42").replace(b"HTTP/1.1", b"HTTP/1.0")))
    house.serve(replica)
    client = await house.client()
    for _ in range(2):
        answer = await client.ask(request("GET"))
        assert answer.head.start == b"HTTP/1.1 200 OK"
    assert replica.connections == 2
    assert await house.counted(2) == [OK] * 2


async def test_a_connection_that_was_idle_for_long_is_not_used_again(house: House):
    replica = await house.replica()
    house.serve(replica)
    client = await house.client()
    assert (await client.ask(request("GET"))).status == 200
    house.passed_s += IDLE_S - 1
    assert (await client.ask(request("GET"))).status == 200
    assert replica.connections == 1
    house.passed_s += IDLE_S
    assert (await client.ask(request("GET"))).status == 200
    assert (replica.connections, replica.open) == (2, 1)
    assert await house.counted(3) == [OK] * 3


async def test_a_connection_that_the_replica_closed_while_idle_is_forgotten(house: House):
    replica = await house.replica(closing_after(reply(b"42")))
    house.serve(replica)
    client = await house.client()
    for requests in range(1, 4):
        assert (await client.ask(request("GET"))).body == b"42"
        await replica.left()
        assert replica.connections == requests
    assert await house.counted(3) == [OK] * 3


async def test_bytes_that_nobody_asked_for_answer_nobody(house: House):
    """What follows a whole answer could only be taken for the next client's."""
    replica = await house.replica(answering(reply(b"first") + reply(b"poison"), reply(b"second")))
    house.serve(replica)
    for body in (b"first", b"second"):
        assert (await (await house.client()).ask(request("GET"))).body == body
    assert replica.connections == 2
    assert await house.counted(2) == [OK] * 2


async def test_bytes_that_come_while_idle_close_the_connection(house: House):
    answered = asyncio.Event()

    async def script(call: Call) -> None:
        await call.send(reply(b"42"))
        if call.connection == 1:
            await answered.wait()
            await call.send(reply(b"poison"))
            await call.gone()

    replica = await house.replica(script)
    house.serve(replica)
    client = await house.client()
    assert (await client.ask(request("GET"))).body == b"42"
    answered.set()
    await replica.left()
    assert (await client.ask(request("GET"))).body == b"42"
    assert replica.connections == 2
    assert await house.counted(2) == [OK] * 2


async def test_an_answer_that_says_more_than_its_length_does_not_leak(house: House):
    replica = await house.replica(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n42 and more", reply(b"next")))
    house.serve(replica)
    client = await house.client()
    assert (await client.ask(request("GET"))).body == b"42"
    assert (await client.ask(request("GET"))).body == b"next"
    assert await house.counted(2) == [OK] * 2


async def test_the_answer_to_head_has_no_body_even_where_the_model_sends_one(house: House):
    replica = await house.replica(answering(reply(b"HTTP/1.1 200 OK\r\n\r\n"), reply(b"next")))
    house.serve(replica)
    client = await house.client()
    assert (await client.ask(request("HEAD"))).body == b""
    assert (await client.ask(request("GET"))).body == b"next"
    assert replica.connections == 2
    assert await house.counted(2) == [OK] * 2


async def test_a_closed_upstream_lets_its_request_finish_and_keeps_nothing(house: House):
    release = asyncio.Event()

    async def script(call: Call) -> None:
        if call.target == "/slow":
            await release.wait()
        await call.send(reply(b"42"))

    replica = await house.replica(script)
    version = house.version("blue")
    house.publish(house.endpoint(version))
    name = house.add(version, replica)
    client = await house.client()
    await client.send(request("GET", "/api/v1/service/digits/slow"))
    await replica.called()
    emptied = asyncio.Event()
    upstream = house.upstreams[0]
    version.admission.retire_replica(name, emptied.set)
    upstream.close()
    assert not emptied.is_set()
    release.set()
    assert (await client.answer()).body == b"42"
    await asyncio.wait_for(emptied.wait(), 1)
    await replica.left()
    assert upstream.idle == []
    answer = await client.ask(request("GET", SCORE))
    assert (answer.status, replica.connections) == (503, 1)
    assert await house.counted(2) == [OK, ("blue", "no_replicas", 503)]


async def test_it_says_what_it_is(house: House):
    replica = await house.replica()
    house.serve(replica)
    await (await house.client()).ask(request("GET"))
    assert repr(house.upstreams[0]) == f"<Upstream 127.0.0.1:{replica.port} idle=1>"
    assert await house.counted() == [OK]
