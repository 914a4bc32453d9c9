"""Both ends of a channel in one loop, or one end and a bare socket."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from router.workers import channel as channel_module
from router.workers.channel import Channel, Traffic
from router.workers.frames import framed

BOUND_S = 10


class End:
    """A channel with what came through it; `None` stands for its end."""

    def __init__(self, sock: socket.socket) -> None:
        self.came: list[object] = []
        self.ended = 0
        self._told = asyncio.Event()
        self.channel = Channel(asyncio.get_running_loop(), sock, self._received, self._lost)

    def _received(self, message: object) -> None:
        assert not self.ended, "a message after the end"
        self.came.append(message)
        self._told.set()

    def _lost(self) -> None:
        self.ended += 1
        self._told.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND_S):
            while not true():
                self._told.clear()
                await self._told.wait()


@pytest.fixture
async def pair():
    here, there = map(End, socket.socketpair())
    yield here, there
    here.channel.close()
    there.channel.close()


@pytest.fixture
async def bare():
    """A channel, and the socket at its other end."""
    ours, theirs = socket.socketpair()
    end = End(ours)
    yield end, theirs
    end.channel.close()
    theirs.close()


async def test_messages_come_in_order_both_ways_and_are_counted(pair):
    here, there = pair
    for number in range(1000):
        here.channel.send(number)
        there.channel.send(-number)
    await here.until(lambda: len(here.came) == 1000)
    await there.until(lambda: len(there.came) == 1000)
    assert there.came == list(range(1000))
    assert here.came == [-number for number in range(1000)]
    assert here.channel.outgoing == there.channel.incoming
    assert here.channel.incoming == there.channel.outgoing
    assert here.channel.outgoing == Traffic(1000, sum(len(framed(number)) for number in range(1000)))


async def test_messages_of_one_turn_leave_in_one_write(bare):
    end, peer = bare
    peer.setblocking(False)
    for number in range(100):
        end.channel.send(number)
    with pytest.raises(BlockingIOError):
        peer.recv(1)  # nothing is written inside `send`
    await end.channel.flushed()
    assert peer.recv(1 << 20) == b"".join(framed(number) for number in range(100))


async def test_a_message_larger_than_what_the_kernel_takes(pair):
    here, there = pair
    large = bytes(range(256)) * 40_000
    here.channel.send(large)
    here.channel.send("after")
    await here.channel.flushed()
    assert here.channel.pending == 0
    await there.until(lambda: len(there.came) == 2)
    assert there.came == [large, "after"]
    here.channel.send("once more")  # and the loop is asked for room no longer
    await there.until(lambda: len(there.came) == 3)


async def test_the_end_comes_once_and_after_everything_else(pair):
    here, there = pair
    here.channel.send("last words")
    here.channel.close()
    assert not here.channel.open
    await there.until(lambda: there.ended > 0)
    assert there.came == ["last words"]
    assert (here.ended, there.ended) == (0, 1)
    assert there.channel.problem == ""
    there.channel.send("to nobody")
    there.channel.close()
    here.channel.close()
    assert there.channel.outgoing.messages == 0
    await there.channel.flushed()


async def test_what_a_dead_peer_had_said_is_heard_though_it_cannot_be_answered(bare):
    end, peer = bare
    peer.sendall(framed("one") + framed("two"))
    peer.close()
    end.channel.send("too late")
    await end.until(lambda: end.ended > 0)
    assert end.came == ["one", "two"]


async def test_finish_takes_what_is_there_and_waits_for_nothing(bare):
    end, peer = bare
    large = b"x" * 100_000
    peer.sendall(framed("one") + framed(large) + framed("two")[:-1])
    end.channel.finish()
    assert end.came == ["one", large]
    assert not end.channel.open
    assert end.ended == 0


@pytest.mark.parametrize(
    ("garbage", "problem"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "a frame of 1195725856 bytes was announced, 67108864 are the most"),
        (b"\0\0\0\1\xff", "a message cannot be unpickled: UnpicklingError("),
    ],
)
async def test_garbage_ends_it_after_what_came_before(bare, garbage, problem):
    end, peer = bare
    peer.sendall(framed("sense") + garbage + framed("beyond"))
    await end.until(lambda: end.ended > 0)
    assert end.came == ["sense"]
    assert end.channel.problem.startswith(problem)
    assert peer.recv(1) == b""


async def test_a_peer_that_does_not_read_is_given_up(bare, monkeypatch):
    end, _ = bare
    monkeypatch.setattr(channel_module, "MOST_UNSENT", 3_000_000)
    end.channel.send(b"x" * 2_000_000)
    await asyncio.sleep(0)
    end.channel.send(b"x" * 500_000)
    await asyncio.sleep(0)
    assert end.channel.open
    assert end.channel.pending > 2_000_000
    end.channel.send(b"x" * 1_000_000)
    assert end.ended == 0  # nothing is called back inside `send`
    await end.until(lambda: end.ended > 0)
    assert end.channel.problem.startswith("the peer does not read: 3")
    assert end.channel.pending == 0


async def test_a_bug_in_who_receives_costs_no_other_message(pair):
    here, there = pair
    seen, told = [], []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    receive = there.channel.received

    def received(message: object) -> None:
        seen.append(message)
        if message == 1:
            raise ValueError("a bug")
        receive(message)

    there.channel.received = received
    for number in range(3):
        here.channel.send(number)
    await there.until(lambda: len(there.came) == 2)
    assert seen == [0, 1, 2]
    assert [repr(error) for error in told] == ["ValueError('a bug')"]


async def test_who_receives_may_close_it(pair):
    here, there = pair
    there.channel.received = lambda message: (there.came.append(message), there.channel.close())
    here.channel.send("stop")
    here.channel.send("more")
    await here.until(lambda: here.ended > 0)
    assert there.came == ["stop"]
    assert there.ended == 0


async def test_what_cannot_be_pickled_is_told_to_who_sends_it(pair):
    here, there = pair
    with pytest.raises((TypeError, AttributeError)):
        here.channel.send(lambda: None)
    here.channel.send("fine")
    await there.until(lambda: there.came == ["fine"])


async def test_it_shows_its_numbers(pair):
    here, _ = pair
    here.channel.send("fine")
    assert repr(here.channel).startswith("<Channel open in=Traffic(messages=0, bytes=0) out=Traffic(messages=1, ")
    here.channel.close()
    assert repr(here.channel).startswith("<Channel ended in=")
