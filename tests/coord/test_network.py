"""Coordinator and members over real sockets on loopback, with a proxy between them that drops; ten times as fast."""

import asyncio
import logging
import os
import random
from contextlib import AsyncExitStack

import pytest

from router.coord.coordinator import Coordinator
from router.coord.frames import framed
from router.coord.handshake import Handshake, Key
from router.coord.member import Member
from router.coord.seeking import Seeking
from router.coord.server import CoordinationServer
from router.core.standing import Standing
from tests.coord.dropping_proxy import proxy_to
from tests.coord.simulation import Pod

GROUP = ("digits", "blue")
FASTER = 10
LONGEST_S = 2.0
KEY = Key(b"k" * 32)
SOON_S = 20.0


class HurriedLoop:
    """Seconds pass ten times as fast for who asks it."""

    def __init__(self):
        self._loop = asyncio.get_running_loop()

    def now(self):
        return self._loop.time() * FASTER

    def call_later(self, delay, call, *args):
        return self._loop.call_later(delay / FASTER, call, *args)

    def call_soon(self, call, *args):
        return self._loop.call_soon(call, *args)


class Lease:
    """The Lease, as all routers see it at once."""

    def __init__(self):
        self.leader = ""
        self.addresses = {}
        self.routers = ()


class Office:
    def __init__(self, lease, name):
        self.lease, self.name = lease, name

    @property
    def leading(self):
        return self.lease.leader == self.name

    @property
    def address(self):
        return self.lease.addresses.get(self.lease.leader, "")

    @property
    def recorded(self):
        return self.lease.routers

    def announce(self, routers):
        self.lease.routers = tuple(routers)


class Cluster:
    """All routers, and what is in use; the `Cluster` that a simulated pod knows."""

    def __init__(self):
        self.loop = HurriedLoop()
        self.lease = Lease()
        self.slots = {(GROUP, "r1"): 6, (GROUP, "r2"): 3}
        self.routers = {}
        self.excess = 0

    def service_s(self):
        return random.uniform(0.1, LONGEST_S)

    def check(self, place):
        used = sum(router.pod.running.get(place, 0) for router in self.routers.values())
        self.excess = max(self.excess, used - self.slots[place])

    def lead(self, name):
        before, self.lease.leader = self.lease.leader, ""
        if before:
            self.routers[before].coordinator.end()
        self.lease.leader = name
        if name:
            self.lease.routers = tuple({*self.lease.routers, name})
            self.routers[name].coordinator.begin()

    def standing(self, name):
        return self.routers[name].member.standing

    def limit(self, replica):
        return sum(router.member.limit(GROUP, replica) for router in self.routers.values())

    async def until(self, condition):
        async with asyncio.timeout(SOON_S):
            while not condition():
                assert self.excess == 0
                await asyncio.sleep(0.005)


class Router:
    """One router: all parts of the package, as the composition root has them."""

    def __init__(self, cluster, name, key=KEY):
        self.cluster, self.name, self.alive, self.key = cluster, name, True, key
        loop, office = cluster.loop, Office(cluster.lease, name)
        real = asyncio.get_running_loop()
        self.loads = {}
        self.pod = Pod(self)
        self.coordinator = Coordinator(
            name, office, longest_s=lambda group: LONGEST_S, loaded=self.loads.__setitem__, now=loop.now, loop=loop
        )
        self.member = Member(name, self.pod, alone=True, longest_s=lambda: LONGEST_S, now=loop.now, loop=loop)
        self.server = CoordinationServer(self.coordinator, key, random_bytes=os.urandom, loop=real)
        self.seeking = Seeking(
            self.member,
            self.coordinator,
            office,
            key,
            random_bytes=os.urandom,
            draw=random.random,
            loop=real,
        )
        for (group, replica), slots in cluster.slots.items():
            self.coordinator.resize(group, replica, slots)

    async def start(self, stack):
        port = await self.server.start("127.0.0.1", 0)
        self.proxy = await stack.enter_async_context(proxy_to(port))
        self.cluster.lease.addresses[self.name] = f"127.0.0.1:{self.proxy.port}"
        self.cluster.routers[self.name] = self
        self.member.start()
        self.task = asyncio.get_running_loop().create_task(self.seeking.run())
        stack.push_async_callback(self.stop)

    async def stop(self):
        self.task.cancel()
        await asyncio.wait({self.task})
        self.member.stop()
        self.coordinator.end()
        await self.server.close()


@pytest.fixture
async def cluster():
    async with AsyncExitStack() as stack:
        cluster = Cluster()
        cluster.stack = stack
        for name in ("maitre-0_a", "maitre-1_b", "maitre-2_c"):
            await Router(cluster, name).start(stack)
        cluster.lead(A)
        yield cluster
        assert cluster.excess == 0
        await asyncio.sleep(0)


A, B, C = "maitre-0_a", "maitre-1_b", "maitre-2_c"


def all_leased(cluster):
    return all(router.member.standing is Standing.LEASED for router in cluster.routers.values())


async def load(cluster, *names):
    """Requests come for as long as this runs."""
    while True:
        for name in names:
            pod = cluster.routers[name].pod
            if pod.queued < 20:
                pod.request()
        await asyncio.sleep(0.01)


async def test_slots_go_to_who_needs_them_wherever_it_is(cluster):
    await cluster.until(lambda: all_leased(cluster))
    for name in (B, C, A, B):
        for _ in range(9):
            cluster.routers[name].pod.request()
        await cluster.until(lambda name=name: cluster.routers[name].pod.queued == 0)


async def test_all_get_some_while_all_want_all(cluster):
    await cluster.until(lambda: all_leased(cluster))
    work = asyncio.get_running_loop().create_task(load(cluster, A, B, C))
    for name in (A, B, C, A, B, C):
        before = cluster.routers[name].pod.served
        await cluster.until(lambda name=name, before=before: cluster.routers[name].pod.served > before + 10)
    work.cancel()


async def test_a_connection_that_breaks_under_load_changes_nothing_for_long(cluster):
    await cluster.until(lambda: all_leased(cluster))
    work = asyncio.get_running_loop().create_task(load(cluster, A, B, C))
    for _ in range(5):
        cluster.routers[A].proxy.cut()
        await cluster.until(lambda: cluster.standing(B) is Standing.HOLDING)
        await cluster.until(lambda: all_leased(cluster))
    work.cancel()
    assert cluster.routers[B].member.turns[Standing.KEEPING] == 0


async def test_cut_off_all_go_on_with_their_shares_and_rejoin(cluster):
    await cluster.until(lambda: all_leased(cluster))
    work = asyncio.get_running_loop().create_task(load(cluster, A, B, C))
    cluster.routers[A].proxy.hang()
    await cluster.until(lambda: cluster.standing(B) is Standing.SHARING)
    await cluster.until(lambda: cluster.standing(C) is Standing.SHARING)
    assert [cluster.routers[name].member.limit(GROUP, "r1") for name in (B, C)] == [2, 2]
    served = cluster.routers[B].pod.served
    await cluster.until(lambda: cluster.routers[B].pod.served > served + 5)
    cluster.routers[A].proxy.flow()
    await cluster.until(lambda: all_leased(cluster))
    work.cancel()


async def test_another_one_leads_and_all_come_to_it(cluster):
    await cluster.until(lambda: all_leased(cluster))
    work = asyncio.get_running_loop().create_task(load(cluster, A, B, C))
    for name in (B, C, A):
        cluster.lead("")
        await cluster.until(lambda: cluster.standing(B) is Standing.HOLDING)
        cluster.lead(name)
        await cluster.until(lambda: all_leased(cluster))
        for each in (A, B, C):
            before = cluster.routers[each].pod.served
            await cluster.until(lambda each=each, before=before: cluster.routers[each].pod.served > before + 5)
    work.cancel()


async def test_a_leader_that_hangs_is_left_for_the_next_one(cluster):
    await cluster.until(lambda: all_leased(cluster))
    work = asyncio.get_running_loop().create_task(load(cluster, A, B, C))
    cluster.routers[A].proxy.hang()
    await cluster.until(lambda: cluster.standing(B) is Standing.HOLDING)
    cluster.lease.leader = ""
    await cluster.until(lambda: cluster.standing(A) is not Standing.LEASED)
    cluster.lead(B)
    await cluster.until(lambda: all_leased(cluster))
    cluster.routers[A].proxy.flow()
    work.cancel()


async def test_a_slow_network_is_no_lost_one(cluster):
    cluster.routers[A].proxy.delay_s = 0.05
    await cluster.until(lambda: all_leased(cluster))
    for _ in range(9):
        cluster.routers[B].pod.request()
    await cluster.until(lambda: cluster.routers[B].pod.queued == 0)


async def test_bytes_changed_on_their_way_end_the_connection(cluster, caplog):
    await cluster.until(lambda: all_leased(cluster))
    cluster.routers[A].proxy.tamper = lambda data: (
        data[:-1] + bytes([data[-1] ^ 1]) if data[4:10] != b"maitre" else data
    )
    cluster.routers[A].proxy.cut()
    await cluster.until(lambda: "seal is broken" in reasons(caplog) or "has not proven" in reasons(caplog))
    await cluster.until(lambda: cluster.standing(B) is Standing.HOLDING)
    cluster.routers[A].proxy.tamper = None
    cluster.routers[A].proxy.cut()
    await cluster.until(lambda: all_leased(cluster))


async def test_who_has_another_key_gets_nothing_and_says_why(cluster, caplog):
    await cluster.until(lambda: all_leased(cluster))
    stranger = Router(cluster, "maitre-3_d", key=Key(b"o" * 32))
    await stranger.start(cluster.stack)
    await cluster.until(lambda: "has not proven that it has the coordination key" in reasons(caplog))
    assert stranger.member.standing is Standing.UNJOINED
    assert "maitre-3_d" not in cluster.lease.routers
    assert "oooo" not in caplog.text + reasons(caplog)


async def test_one_that_does_not_lead_says_who_does(cluster):
    await cluster.until(lambda: all_leased(cluster))
    cluster.lease.addresses["nobody"] = cluster.lease.addresses[B]
    heard = []
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.routers[B].proxy.port)
    await speak_first(reader, writer, heard)
    assert heard == [["not leading", cluster.lease.addresses[A]]]


async def speak_first(reader, writer, heard):
    import orjson

    side = Handshake("member", "maitre-9_z", KEY, os.urandom(32))
    writer.write(framed(side.opening))
    writer.write(framed(side.take(await a_frame(reader))))
    sends, opens = side.seals()
    writer.write(framed(sends.seal(orjson.dumps([["hello", True]]))))
    heard += orjson.loads(opens.open(await a_frame(reader)))
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def a_frame(reader):
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))


async def test_one_that_speaks_another_version_is_shown_ours(cluster):
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.routers[A].proxy.port)
    side = Handshake("member", "maitre-9_z", KEY, os.urandom(32))
    at = len(b"maitre coordination")
    writer.write(framed(side.opening[:at] + b"\x02" + side.opening[at + 1 :]))
    answer = await a_frame(reader)
    assert answer[at] == 1
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_a_stranger_that_says_nothing_is_closed(cluster):
    cluster.routers[A].proxy.delay_s = 0.0
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.routers[A].proxy.port)
    async with asyncio.timeout(SOON_S):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


def reasons(caplog):
    return " ".join(str(record.__dict__.get("fields")) for record in caplog.records if record.levelno >= logging.INFO)
