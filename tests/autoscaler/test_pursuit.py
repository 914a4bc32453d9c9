"""What `test_loop` does not see of a pursuit: how it shows itself."""

import asyncio

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
