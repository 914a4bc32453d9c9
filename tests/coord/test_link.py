"""Links over real connections, on the event loop that the router runs on."""

import asyncio
import os

import uvloop

from router.coord.frames import Heartbeat
from router.coord.handshake import Handshake, Key
from router.coord.link import NetworkLink
from tests.fakes.changes import BOUND_S


class Owner:
    def __init__(self):
        self.link = asyncio.get_running_loop().create_future()
        self.message = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()

    def opened(self, link):
        self.link.set_result(link)

    def received(self, link, message):
        self.message.set_result(message)

    def closed(self, link, reason):
        self.ended.set()


async def converse():
    loop = asyncio.get_running_loop()
    key = Key(os.urandom(32))
    member, coordinator = Owner(), Owner()

    def end(owner, role, name):
        return NetworkLink(owner, Handshake(role, name, key, os.urandom(32)), loop)

    server = await loop.create_server(lambda: end(coordinator, "coordinator", "maitre-0"), "127.0.0.1", 0)
    async with server, asyncio.timeout(BOUND_S):
        port = server.sockets[0].getsockname()[1]
        await loop.create_connection(lambda: end(member, "member", "maitre-1"), "127.0.0.1", port)
        link = await member.link
        link.send(Heartbeat(1, 0))
        assert (await coordinator.link).peer == "maitre-1"
        assert await coordinator.message == Heartbeat(1, 0)
        link.close("the end")
        await coordinator.ended.wait()
        await member.ended.wait()


def test_a_link_opens_speaks_and_ends_on_the_loop_of_the_router():
    """Its transports are no instances of asyncio's."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(converse())
