"""The data port: bound before it is served, and closed without touching the connections that stand."""

import asyncio
import socket

import pytest

from router.proxy.listener import bind
from tests.fakes.changes import BOUND_S, settled
from tests.fakes.client import Client
from tests.fakes.replica import answering
from tests.fakes.wire import reply, request
from tests.proxy.house import House


def test_port_0_picks_a_free_one():
    with bind("127.0.0.1", 0) as one, bind("127.0.0.1", 0) as other:
        assert 0 < one.getsockname()[1] != other.getsockname()[1]


def test_a_port_that_is_taken_is_refused_by_name():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: "):
            bind("127.0.0.1", port)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 on this machine")
def test_an_ipv6_host_is_bound_as_such():
    with bind("::1", 0) as bound:
        assert bound.family == socket.AF_INET6


async def test_after_stop_nobody_new_gets_in_and_who_is_in_stays(house: House):
    replica = await house.replica()
    house.serve(replica)
    client = await house.client()
    assert (await client.ask(request(body=b"1"))).body == b"42"
    await house.listener.stop()
    with pytest.raises(ConnectionRefusedError):
        await Client.connect(house.port)
    assert (await client.ask(request(body=b"2"))).body == b"42"
    assert await house.counted(2) == [("blue", "ok", 200)] * 2


async def test_whom_the_kernel_has_connected_is_served_after_stop(house: House):
    """The loop has not had a turn to accept it; a reset would lose a request that nobody may send again."""
    house.serve(await house.replica())
    connected = socket.create_connection(("127.0.0.1", house.port))
    connected.sendall(request(body=b"1"))
    await house.listener.stop()
    client = Client(*await asyncio.open_connection(sock=connected))
    assert (await client.answer()).body == b"42"
    await client.close()
    assert await house.counted() == [("blue", "ok", 200)]


async def test_the_kernel_does_not_take_a_whole_answer_that_nobody_reads(house: House):
    """It would hold it out of sight: the request would count as served, and its slow reader be bounded by nothing."""
    house.serve(await house.replica(answering(reply(bytes(1 << 20)))))
    client = await house.client(socket_buffer=4096)
    await client.send(request("GET"))
    await client.head()
    client.stop_reading()
    downstream = house.connection_of(client)
    assert await settled(downstream.transport.get_write_buffer_size) > 0
    assert house.ended == []
    client.reset()
    assert await house.counted() == [("blue", "client_gone", 200)]


async def test_stop_before_start_and_twice_does_nothing(house: House):
    await house.listener.stop()
    await house.listener.stop()


async def test_many_connections_at_once_are_all_accepted(house: House):
    replica = await house.replica()
    house.serve(replica)
    async with asyncio.timeout(BOUND_S):
        clients = await asyncio.gather(*(house.client() for _ in range(300)))
        answers = await asyncio.gather(*(client.ask(request("GET", "/healthz")) for client in clients))
    assert {answer.body for answer in answers} == {b'{"status":"ok"}'}
    assert house.ended == []
    assert replica.connections == 0
