"""A worker whose process is played: what comes in one turn of the loop, and what its clock says."""

import asyncio
import socket
from functools import partial

import pytest

from router.workers.channel import Channel
from router.workers.frames import Frames, framed
from router.workers.messages import Drain, HandedOver, Heartbeat, Ready
from router.workers.orphans import Orphan
from router.workers.worker import Patience, Phase, Worker


class PlayedProcess:
    pid = 4711

    def __init__(self) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self.kills = 0

    def kill(self) -> None:
        self.kills += 1

    def forget(self) -> None:
        pass


class Notes:
    """An owner."""

    def __init__(self) -> None:
        self.taken: list[object] = []

    def joined(self, worker: Worker) -> None:
        self.taken.append("joined")

    def received(self, worker: Worker, message: object) -> None:
        self.taken.append(message)

    def ready(self, worker: Worker) -> None:
        self.taken.append("ready")

    def left(self, worker: Worker, how: str) -> None:
        self.taken.append(("left", how))


class Stage:
    def __init__(self, **more) -> None:
        self.now = 1000.0
        self.notes = Notes()
        self.process = PlayedProcess()
        ours, self.peer = socket.socketpair()
        self.peer.setblocking(False)
        self.worker = Worker(
            "7",
            self.process,
            partial(Channel, asyncio.get_running_loop(), ours),
            self.notes,
            now=lambda: self.now,
            patience=Patience(hung_s=3.0, start_s=60.0, grace_s=2.0),
            **more,
        )

    async def say(self, *messages: object) -> None:
        self.peer.sendall(b"".join(map(framed, messages)))
        expected = self.worker.channel.incoming.messages + len(messages)
        async with asyncio.timeout(10):
            while self.worker.channel.incoming.messages < expected:
                await asyncio.sleep(0)

    async def told(self) -> list[object]:
        await self.worker.channel.flushed()
        frames, messages = Frames(), []
        frames.feed(self.peer.recv(1 << 16))
        while (message := frames.next()) is not None:
            messages.append(message[0])
        return messages

    def looked_at(self, now: float) -> str:
        """Why it is killed then; nothing if it is not."""
        self.now = now
        self.worker.look()
        assert self.process.kills == bool(self.worker.killed)
        return self.worker.killed


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    stage.worker.channel.close()
    stage.peer.close()


async def test_last_words_come_before_the_end_though_both_come_at_once(stage):
    await stage.say(Ready())
    stage.now += 5
    stage.peer.sendall(framed("last words"))
    stage.process.ended.set_result("exited with status 0")
    assert await stage.worker.gone == "exited with status 0"
    assert stage.notes.taken == ["joined", "ready", "last words", ("left", "exited with status 0")]
    assert stage.worker.phase is Phase.GONE
    assert stage.worker.ready_s == 5
    stage.now += 5
    assert stage.worker.ready_s == 5


async def test_it_has_its_time_to_begin_then_a_word_is_due_every_three_seconds(stage):
    assert not stage.looked_at(1059.9)
    await stage.say(Heartbeat())
    assert not stage.looked_at(1059.9)
    await stage.say(Ready(), "anything")
    assert not stage.looked_at(1062.8)
    assert stage.looked_at(1062.9) == "said nothing for 3 s"
    assert stage.looked_at(1070.0)  # killed once
    assert stage.notes.taken == ["joined", "ready", "anything"]


async def test_one_that_is_up_hangs_without_a_first_word():
    stage = Stage(up=True)
    assert not stage.looked_at(1002.9)
    assert stage.looked_at(1003.0) == "said nothing for 3 s"
    stage.worker.channel.close()
    stage.peer.close()


async def test_it_is_excused_when_nobody_listened(stage):
    await stage.say(Ready())
    stage.now = 2000.0
    stage.worker.excuse()
    assert not stage.looked_at(2002.9)
    assert stage.looked_at(2003.0)


async def test_one_that_starts_late_is_given_up(stage):
    await stage.say(Heartbeat())
    stage.now = 1060.0
    stage.worker.excuse()
    assert stage.looked_at(1060.0) == "did not become ready"


async def test_of_several_drains_the_earliest_end_counts(stage):
    await stage.say(Ready(), Ready())
    stage.worker.drain(30.0)
    stage.worker.drain(40.0)
    stage.now += 10
    stage.worker.drain(25.0)
    stage.worker.drain(5.0)
    assert await stage.told() == [Drain(30.0), Drain(5.0)]
    for now in (1011.0, 1013.0, 1015.0, 1016.9):
        await stage.say(Heartbeat())
        assert not stage.looked_at(now)
    assert stage.looked_at(1017.0) == "did not end when told to"
    assert stage.notes.taken == ["joined", "ready"]


async def test_ready_after_it_was_told_to_end_is_no_news(stage):
    stage.worker.drain(30.0)
    await stage.say(Ready())
    assert stage.worker.phase is Phase.DRAINING
    assert stage.notes.taken == ["joined"]
    stage.process.ended.set_result("exited with status 0")
    await stage.worker.settled


async def test_once_gone_nothing_can_be_done_to_it(stage):
    stage.process.ended.set_result("was killed by SIGKILL")
    await stage.worker.gone
    stage.worker.drain(1.0)
    stage.worker.kill("again")
    stage.worker.send("hello")
    assert stage.process.kills == 0
    assert not stage.worker.asked


async def test_an_owner_that_fails_does_not_keep_it_from_being_gone(stage):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    stage.notes.left = None  # not callable
    stage.process.ended.set_result("exited with status 0")
    assert await stage.worker.gone == "exited with status 0"
    assert [type(error) for error in told] == [TypeError]


async def test_the_end_of_an_orphans_channel_before_it_is_attached_is_told_then():
    ours, theirs = socket.socketpair()
    orphan = Orphan(PlayedProcess(), ours)
    theirs.sendall(framed(HandedOver()) + framed("bounds") + framed("more"))
    theirs.close()
    assert await orphan.claimed
    async with asyncio.timeout(10):
        while not orphan.lost:
            await asyncio.sleep(0)
    taken: list[object] = []
    orphan.attach(taken.append, lambda: taken.append("lost"))
    assert taken == []
    await asyncio.sleep(0)
    assert taken == ["bounds", "more", "lost"]
