"""Whatever happens in whatever order: no foreign size is overwritten that had not been adopted first.

An object, its watch, and one `ScaleSubresource` are played through every order that hypothesis comes up with of: our
writes and reads (each in three moments: sent, made, answered; any of which may be cancelled or lost, and a lost write
may still be made later), foreign writes, changes of the status, events of the watch, a relist, deletion and creation.
Our sizes are even and those of others odd, so that it shows whose a size is.
"""

import asyncio
import contextlib
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st
from lightkube import ApiError
from lightkube.resources.apps_v1 import Deployment

from autoscaler.errors import ScaleFailed
from autoscaler.targets.scale_subresource import ScaleSubresource
from tests.fakes.scale import SILENCE, FakeScale, refusal

TURNS = 10
"""Of the event loop, for everything to run that can."""

BOUND = 500
"""Of moves until everything is at rest."""

OURS, THEIRS = st.sampled_from([0, 2, 4, 6]), st.sampled_from([1, 3, 5, 7])
MOVES = st.one_of(
    st.tuples(st.just("scale"), OURS),
    st.tuples(st.just("others"), THEIRS),
    st.tuples(st.just("create"), THEIRS),
    st.tuples(st.sampled_from(["answer", "step", "watch"]), st.just(0)),
    st.tuples(st.sampled_from(["answer", "step", "watch", "status", "lose", "lose"]), st.just(0)),
    st.tuples(st.sampled_from(["cancel", "late", "relist", "delete", "error"]), st.just(0)),
)


class Gated(FakeScale):
    """Each moment of a call waits until `step` lets it go on, or fails it."""

    def __init__(self, replicas):
        super().__init__(replicas)
        self.waiting = []

    async def gate(self):
        moment = asyncio.get_running_loop().create_future()
        self.waiting.append(moment)
        await moment

    def step(self, error=None):
        while self.waiting and self.waiting[0].done():  # cancelled
            self.waiting.pop(0)
        if self.waiting:
            moment = self.waiting.pop(0)
            moment.set_result(None) if error is None else moment.set_exception(error)


class Play:
    def __init__(self):
        self.server = Gated(3)
        self.server.acting = self.about_to_write
        self.server.status_changes()
        self.told = []
        self.tasks = {}
        self.scale = ScaleSubresource(
            self.server,
            Deployment.Scale,
            "web",
            "blue",
            called="Deployment web/blue",
            may_write=lambda: True,
            foreign=self.foreign,
        )
        self.wrong = []
        self.decided_on = {}  # for each size that we ask for: which size was known when it was last asked for

    def about_to_write(self, obj):
        """The one that this is all about."""
        found = self.server.replicas
        if found % 2 and self.decided_on[obj.spec.replicas] != found:
            self.wrong.append(f"{found} was overwritten with {obj.spec.replicas} by a decision that did not know of it")

    def foreign(self, before, after):
        if after % 2 == 0:
            self.wrong.append(f"{after} was taken for a foreign size, and is our own")
        self.told.append(after)

    async def move(self, what, size):
        match what:
            case "scale":
                self.begin("scale", self.decided(size))
            case "others":
                self.server.set_by_others(size)
            case "create":
                self.server.create(size)
            case "status":
                self.server.status_changes()
            case "delete":
                self.server.delete()
            case "step":
                self.server.step()
            case "answer":
                await self.move("step", 0)
                self.server.step()
            case "lose":
                self.server.step(SILENCE)
            case "error":
                self.server.step(refusal(500, "etcdserver: request timed out"))
            case "cancel" if "scale" in self.tasks:
                self.tasks["scale"].cancel()
            case "late" if self.late:
                with contextlib.suppress(ApiError):
                    self.server.act(self.late.popleft())
            case "watch" if self.server.events:
                self.watch(self.server.events.popleft())
            case "relist":
                self.server.events.clear()
                self.watch((self.server.edition, str(self.server.version)) if self.server.exists else None)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        if self.scale.stale:
            self.begin("read", self.scale.read())

    async def decided(self, size):
        self.decided_on[size] = self.scale.current()
        await self.scale.scale(size)

    def watch(self, event):
        self.scale.seen(*event) if event else self.scale.gone()

    @property
    def late(self):
        """Writes that were sent, and that nobody waits for any more."""
        if "scale" in self.tasks and not self.tasks["scale"].done():
            return deque()
        return self.server.late

    def begin(self, what, call):
        if what in self.tasks and not self.tasks[what].done():
            call.close()
        else:
            self.tasks[what] = asyncio.get_running_loop().create_task(self.guarded(call))

    async def guarded(self, call):
        with contextlib.suppress(ScaleFailed):
            await call

    async def end(self):
        """Everything is told and answered at last; late writes are refused, for their versions are gone."""
        await self.move("status", 0)
        for _ in range(BOUND):
            if not self.server.events and not self.scale.stale and self.idle:
                break
            await self.move("watch", 0)
            await self.move("step", 0)
        else:
            raise AssertionError(f"it does not come to rest: {self.scale!r} {self.server.calls[-5:]}")
        assert self.wrong == []

    @property
    def idle(self):
        return all(task.done() for task in self.tasks.values())


async def play(moves):
    play = Play()
    for what in ("watch", "answer"):  # so that there is something known to begin with
        await play.move(what, 0)
    for what, size in moves:
        await play.move(what, size)
    await play.end()
    assert play.scale.known == play.server.exists
    if play.server.exists:
        assert play.scale.current() == play.server.replicas
        before = len(play.told)
        play.server.set_by_others(9)
        await play.end()
        assert play.told[before:] == [9]  # what others do is told, whatever went before


@settings(max_examples=500, deadline=None)
@given(st.lists(MOVES, max_size=40))
def test_no_size_is_overwritten_unseen_and_in_the_end_the_size_is_known(moves):
    asyncio.run(play(moves))
