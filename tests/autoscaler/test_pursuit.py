"""What `test_loop` does not see of a pursuit: how it shows itself, and what becomes of a wish that is held back."""

import asyncio

from autoscaler.errors import HandsOff, ScaleFailed
from autoscaler.policy import Decision, Numbers, Reason
from autoscaler.pursuit import Pursuit
from tests.fakes.clock import FakeClock


class Slow:
    def current(self):
        return 1

    async def scale(self, replicas):
        await asyncio.Event().wait()


async def test_the_wish_is_the_size_while_it_is_under_way():
    clock = FakeClock()
    pursuit = Pursuit(("digits", "blue"), Slow(), recorder=None, sleep=clock.sleep)
    assert (pursuit.size, repr(pursuit)) == (1, "<Pursuit digits/blue current=1 wish=None>")
    async with asyncio.TaskGroup() as tasks:
        pursuit.wish(Decision(0.0, 1, 5, Reason.DEMAND, Numbers()), tasks)
        await clock.settle()
        assert (pursuit.size, repr(pursuit)) == (5, "<Pursuit digits/blue current=1 wish=5>")
        pursuit.stop()
    assert pursuit.size == 1


class Held:
    """First nobody answers, then somebody else is found to scale."""

    def __init__(self):
        self.answers = [ScaleFailed("no answer"), HandsOff("scaled by an HPA")]
        self.asked = []

    def current(self):
        return 1

    async def scale(self, replicas):
        self.asked.append(replicas)
        if self.answers:
            raise self.answers.pop(0)


class Recorder:
    def __init__(self):
        self.failures = []

    def failed(self, key, decision, error):
        self.failures.append(str(error))


async def test_a_wish_that_is_held_back_is_forgotten_and_is_no_failure():
    clock, target, recorder = FakeClock(), Held(), Recorder()
    pursuit = Pursuit(("digits", "blue"), target, recorder, sleep=clock.sleep)
    async with asyncio.TaskGroup() as tasks:
        pursuit.wish(Decision(0.0, 1, 5, Reason.DEMAND, Numbers()), tasks)
        await clock.advance(60)
    assert target.asked == [5, 5]
    assert recorder.failures == ["no answer"]
    assert pursuit.size == 1
