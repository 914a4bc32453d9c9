"""`python -m tests.core.lease_fuzz --steps 1000000`: the walk of test_leases_walk.py, at random and for long.

Each walk begins with a world and a seed of its own. What fails prints the seed; `--first SEED --steps 1` repeats it.
"""

import argparse
import sys
import time
import traceback
from collections import Counter
from random import Random

from tests.core.lease_walk import ACTIONS, crash, cut_off, end, lessor_crashes, remove
from tests.core.lease_world import World

STEPS_PER_WALK = 200


def walk(seed: int, steps: int = STEPS_PER_WALK) -> Counter[str]:
    """Raises what was found wrong; returns how often what happened."""
    random = Random(seed)
    world, happened = World(), Counter()
    actions, weights = zip(*ACTIONS, strict=True)
    if random.random() < 0.5:  # nothing crashes, so that more is in use
        weights = [0 if act in (crash, lessor_crashes, cut_off, remove) else often for act, often in ACTIONS]
    for act in random.choices(actions, weights, k=steps):
        act(world, random.randrange(1 << 16))
        world.check()
        happened[act.__name__] += 1
    end(world)
    return happened


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=None, help="the seed of the first walk; the others follow")
    arguments = parser.parse_args()
    first = arguments.first if arguments.first is not None else Random().randrange(1 << 32)
    began, happened, seed = time.monotonic(), Counter(), first
    while happened.total() < arguments.steps:
        try:
            happened += walk(seed)
        except Exception:  # noqa: BLE001 whatever it is, the seed is told
            traceback.print_exc()
            print(f"walk {seed} failed; see it again with --first {seed} --steps 1", file=sys.stderr)
            return 1
        seed += 1
    rate = happened.total() / (time.monotonic() - began)
    print(f"{happened.total()} steps in {seed - first} walks from {first}, {rate:.0f} a second: {dict(happened)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
