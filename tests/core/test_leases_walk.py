"""Random schedules of messages, losses, crashes and time around a lease table: what must hold, holds at each step.

`lease_world` says what that is, `lease_holder` plays the holders, `lease_walk` has what may happen. A longer run:
`python -m tests.core.lease_fuzz`.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.core.lease_fuzz import walk
from tests.core.lease_walk import ACTIONS, end
from tests.core.lease_world import World

WEIGHTED = [act for act, often in ACTIONS for _ in range(often)]


class RandomSchedules(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(act=st.sampled_from(WEIGHTED), number=st.integers(0, 1 << 16))
    def happens(self, act, number):
        act(self.world, number)

    @invariant()
    def nothing_is_promised_twice(self):
        self.world.check()

    def teardown(self):
        end(self.world)


TestRandomSchedules = RandomSchedules.TestCase
TestRandomSchedules.settings = settings(max_examples=300, stateful_step_count=100)


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_many_more(first):
    """The same at 200 steps a walk, with nothing to make a failure smaller; the seed tells it."""
    for seed in range(first, first + 100):
        try:
            walk(seed)
        except AssertionError as failure:
            failure.add_note(f"python -m tests.core.lease_fuzz --first {seed} --steps 1")
            raise
