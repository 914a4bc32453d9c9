"""More requests than slots: who waits, who is refused, who leaves, and that no slot is held twice or lost."""

import asyncio
import random
from contextlib import suppress

import pytest

from router.core.admission import Limits
from router.proxy.grants import perform
from tests.fakes.changes import BOUND_S
from tests.fakes.client import Client
from tests.fakes.replica import Call, Replica, Script, hang
from tests.fakes.wire import SCORE, chunk, reply, request, streaming
from tests.proxy.house import House
from tests.proxy.test_downstream import error_of

GONE = ("blue", "client_gone", 0)
OK = ("blue", "ok", 200)


class Gate:
    """A script that answers a call when it is told to."""

    def __init__(self) -> None:
        self._permits = asyncio.Semaphore(0)

    async def __call__(self, call: Call) -> None:
        await call.body()
        async with asyncio.timeout(BOUND_S):
            await self._permits.acquire()
        await call.send(reply(call.received))

    def open(self, times: int = 1) -> None:
        for _ in range(times):
            self._permits.release()


async def line_up(house: House, replica: Replica, count: int) -> list[Client]:
    """The first client is being served, the others wait in their order."""
    clients = [await house.client() for _ in range(count)]
    await clients[0].send(request(body=b"0"))
    await replica.called()
    for place, client in enumerate(clients[1:], 1):
        await client.send(request(body=b"%d" % place))
        await house.queued(place)
    return clients


# -- waiting -----------------------------------------------------------------------------------------------------------


async def test_who_waits_is_served_in_order(house: House):
    gate = Gate()
    replica = await house.replica(gate)
    admission = house.serve(replica)
    clients = await line_up(house, replica, 10)
    assert (admission.in_flight, admission.queued, admission.busy, admission.total) == (1, 9, 1, 1)
    gate.open(10)
    assert [(await client.answer()).body for client in clients] == [b"%d" % place for place in range(10)]
    assert [call.received for call in replica.calls] == [b"%d" % place for place in range(10)]
    assert (replica.most_running, replica.connections) == (1, 1)
    assert await house.counted(10) == [OK] * 10
    first, *others = (ended.queue_s for ended in house.ended)
    assert first == 0
    assert min(others) > 0


async def test_a_new_replica_serves_who_waits(house: House):
    gate = Gate()
    replica, another = await house.replica(gate), await house.replica(gate)
    version = house.version("blue", replica)
    house.publish(house.endpoint(version))
    clients = await line_up(house, replica, 3)
    house.add(version, another)
    await another.called()
    assert (version.admission.in_flight, version.admission.queued) == (2, 1)
    gate.open(3)
    assert [(await client.answer()).body for client in clients] == [b"0", b"1", b"2"]
    assert another.calls[0].received == b"1"
    assert await house.counted(3) == [OK] * 3


async def test_more_slots_serve_who_waits(house: House):
    gate = Gate()
    replica = await house.replica(gate)
    admission = house.serve(replica)
    clients = await line_up(house, replica, 3)
    now = house.now()
    perform(admission.apply(Limits(slots=3, queue_wait_s=5), now), now)
    await replica.called(3)
    gate.open(3)
    assert [(await client.answer()).body for client in clients] == [b"0", b"1", b"2"]
    assert replica.most_running == 3
    assert await house.counted(3) == [OK] * 3


async def test_a_request_waits_for_the_first_replica_where_one_is_on_its_way(house: House):
    replica = await house.replica()
    version = house.version("blue", limits=Limits(queue_wait_s=0.01, cold_start_s=5))
    version.admission.expecting = True
    house.publish(house.endpoint(version))
    client = await house.client()
    await client.send(request(body=b"1"))
    await house.queued(1)
    house.add(version, replica)
    assert (await client.answer()).status == 200
    assert await house.counted() == [OK]


# -- refused -----------------------------------------------------------------------------------------------------------


async def test_who_waited_too_long_learns_the_numbers_and_the_knob(house: House):
    replica = await house.replica(hang)
    admission = house.serve(replica, limits=Limits(queue_wait_s=0.05))
    clients = await line_up(house, replica, 3)
    for client in clients[1:]:
        answer = await client.answer()
        message = error_of(answer, 503, "queue_timeout")
        assert "version blue of endpoint digits" in message
        assert "maxQueueWaitMs (50)" in message
        assert "busy 1, total 1, queued " in message
        assert (answer["retry-after"], answer.closes) == ("1", False)
        assert answer["azureml-model-deployment"] == "blue"
    assert (await clients[1].ask(request("GET", "/healthz"))).status == 200
    assert (admission.in_flight, admission.queued) == (1, 0)
    clients[0].reset()
    assert await house.counted(3) == [*[("blue", "queue_timeout", 503)] * 2, GONE]
    assert len(replica.calls) == 1


async def test_a_full_queue_lets_nobody_in(house: House):
    gate = Gate()
    replica = await house.replica(gate)
    house.serve(replica, limits=Limits(queue_wait_s=5, queue_length=2))
    clients = await line_up(house, replica, 3)
    late = await house.client()
    answer = await late.ask(request(body=b"late"))
    message = error_of(answer, 503, "queue_full")
    assert "maxQueueLength (2)" in message
    assert "busy 1, total 1, queued 2" in message
    assert answer["retry-after"] == "1"
    gate.open(4)
    assert [(await client.answer()).status for client in clients] == [200] * 3
    assert (await late.ask(request(body=b"again"))).body == b"again"
    assert await house.counted(5) == [("blue", "queue_full", 503), *[OK] * 4]


async def test_without_a_replica_nobody_waits(house: House):
    house.serve()
    answer = await (await house.client()).ask(request(body=b"1"))
    assert "no ready replica and none is on its way" in error_of(answer, 503, "no_replicas")
    assert await house.counted() == [("blue", "no_replicas", 503)]


async def test_a_cold_start_that_takes_too_long(house: House):
    admission = house.serve(limits=Limits(cold_start_s=0.05))
    admission.expecting = True
    answer = await (await house.client()).ask(request(body=b"1"))
    assert "coldStartTimeoutMs (50)" in error_of(answer, 503, "no_replicas")
    assert await house.counted() == [("blue", "no_replicas", 503)]


async def test_a_version_without_replicas_does_not_spill_to_another(house: House):
    replica = await house.replica()
    blue, green = house.version("blue", replica), house.version("green")
    house.publish(house.endpoint(blue, green, percentiles={"blue": 50.0, "green": 50.0}))
    house.u = 0.7
    answer = await (await house.client()).ask(request(body=b"1"))
    error_of(answer, 503, "no_replicas")
    assert answer["azureml-model-deployment"] == "green"
    assert replica.calls == []
    assert await house.counted() == [("green", "no_replicas", 503)]


async def test_a_client_that_is_refused_again_and_again_counts_once(house: House):
    replica = await house.replica(hang)
    admission = house.serve(replica, limits=Limits(queue_length=0))
    clients = await line_up(house, replica, 1)
    retrying = await house.client()
    for _ in range(5):
        error_of(await retrying.ask(request(body=b"1")), 503, "queue_full")
    assert (admission.load.arrivals, admission.load.repeats) == (2, 4)
    assert admission.load.retrying(house.now()) == 1
    await retrying.close()
    clients[0].reset()
    assert await house.counted(6) == [*[("blue", "queue_full", 503)] * 5, GONE]
    await house.plane.emptied()
    assert admission.load.retrying(house.now()) == 0


# -- clients that leave ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leaves", ["closes", "resets"])
async def test_who_leaves_the_queue_makes_room_for_the_next(house: House, leaves: str):
    gate = Gate()
    replica = await house.replica(gate)
    admission = house.serve(replica)
    clients = await line_up(house, replica, 4)
    if leaves == "closes":
        await clients[1].close()
    else:
        clients[1].reset()
    assert await house.counted() == [GONE]
    assert (admission.in_flight, admission.queued) == (1, 2)
    gate.open(3)
    for place in (0, 2, 3):
        assert (await clients[place].answer()).body == b"%d" % place
    assert [call.received for call in replica.calls] == [b"0", b"2", b"3"]
    assert await house.counted(4) == [GONE, *[OK] * 3]


@pytest.mark.parametrize(
    "message",
    [request(body=b"1"), request(body=b"22")[:-1], streaming() + chunk(b"1")],
    ids=["whole", "half a body", "in chunks"],
)
async def test_who_leaves_in_flight_frees_the_slot_for_the_next_at_once(house: House, message: bytes):
    async def script(call: Call) -> None:
        if call.connection == 1:
            await call.gone()
        else:
            await call.send(reply(await call.body()))

    replica = await house.replica(script)
    house.serve(replica)
    leaving, waiting = await house.client(), await house.client()
    await leaving.send(message)
    await replica.called()
    await waiting.send(request(body=b"next"))
    await house.queued(1)
    leaving.reset()
    assert (await waiting.answer()).body == b"next"
    assert replica.connections == 2  # the first one was cut, not used again
    assert await house.counted(2) == [GONE, OK]


async def test_who_leaves_while_the_answer_streams_frees_the_slot(house: House):
    async def script(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"event"))
        await call.gone()

    replica = await house.replica(script)
    admission = house.serve(replica)
    client = await house.client()
    await client.send(request("GET"))
    await client.head()
    assert await client.piece() == b"event"
    client.reset()
    await replica.left()
    assert await house.counted() == [("blue", "client_gone", 200)]
    assert admission.in_flight == 0


class SlowToConnect:
    """The loop, but that a connection stands only when `connect` is set."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.connecting, self.connect = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._loop, name)

    async def create_connection(self, *arguments: object, **options: object) -> object:
        self.connecting.set()
        await self.connect.wait()
        return await self._loop.create_connection(*arguments, **options)  # type: ignore[arg-type]


async def test_who_leaves_while_the_router_connects_frees_the_slot(house: House):
    """By the time the connection stands nobody wants it: it is closed, and never carried a byte."""
    replica = await house.replica()
    admission = house.serve(replica)
    (upstream,) = house.upstreams
    loop = upstream.loop = SlowToConnect(upstream.loop)  # type: ignore[assignment]
    client = await house.client()
    await client.send(request("GET"))
    await asyncio.wait_for(loop.connecting.wait(), BOUND_S)
    client.reset()
    assert await house.counted() == [GONE]
    assert admission.in_flight == 0
    loop.connect.set()
    await replica.changes.until(lambda: replica.connections == 1)
    await replica.left()
    assert (replica.calls, upstream.idle) == ([], [])


# -- slots -------------------------------------------------------------------------------------------------------------


def busy_for_a_random_time(seed: int) -> Script:
    times = random.Random(seed)

    async def script(call: Call) -> None:
        body = await call.body()
        with suppress(TimeoutError):
            async with asyncio.timeout(times.expovariate(1000)):
                await call.gone()
                return  # cut: who goes on asleep would be counted as running beside the next
        await call.send(reply(body))

    return script


@pytest.mark.parametrize("slots", [1, 2])
async def test_no_replica_ever_has_more_than_its_slots(house: House, slots: int):
    replicas = [await house.replica(busy_for_a_random_time(seed)) for seed in range(3)]
    admission = house.serve(*replicas, limits=Limits(slots=slots, queue_wait_s=30))

    async def client(number: int) -> None:
        connection = await house.client()
        for turn in range(20):
            body = b"%d of %d" % (turn, number)
            assert (await connection.ask(request(body=body))).body == body

    await asyncio.gather(*(client(number) for number in range(50)))
    assert [replica.most_running for replica in replicas] == [slots] * 3
    assert [replica.connections for replica in replicas] == [slots] * 3
    assert sum(len(replica.calls) for replica in replicas) == 1000
    assert min(len(replica.calls) for replica in replicas) > 200
    assert admission.queued == 0
    assert await house.counted(1000) == [OK] * 1000


async def test_slots_survive_clients_that_come_and_go(house: House):
    """Half of the clients leave at any moment of their request; the others are all answered, one at a time."""
    replicas = [await house.replica(busy_for_a_random_time(seed)) for seed in range(3)]
    house.serve(*replicas)
    chance = random.Random(3)

    async def impatient() -> None:
        for _ in range(10):
            connection = await house.client()
            await connection.send(request("POST", SCORE, body=b"x" * chance.choice([1, 100_000])))
            for _ in range(chance.randrange(8)):
                await asyncio.sleep(0)
            connection.reset()

    async def patient() -> None:
        connection = await house.client()
        for turn in range(10):
            assert (await connection.ask(request(body=b"%d" % turn))).body == b"%d" % turn

    await asyncio.gather(*(each() for _ in range(15) for each in (impatient, patient)))
    assert max(replica.most_running for replica in replicas) <= 2  # a cut call may not have seen its end yet
    ended = await house.counted(150)
    assert ended.count(OK) >= 150
    assert set(ended) <= {OK, GONE, ("blue", "client_gone", 200)}
