"""The policy over simulated hours: what is refused, what is paid for, how often the size changes.

The bounds are what the policy reached when they were written, with a third of room for another seed. The size follows
the peaks of a random load (demand is what is there at a moment, and the highest of a minute holds), so that a small
load costs relatively more.
"""

from math import cos, pi

import pytest

from autoscaler.policy import Direction, ScalingSettings
from tests.autoscaler.simulation import Simulation

SETTINGS = ScalingSettings(min_replicas=1, max_replicas=1000)
HOUR = 3600.0
SEEDS = pytest.mark.parametrize("seed", [1, 2])


@SEEDS
@pytest.mark.parametrize(
    ("rps", "service_s", "refused_share", "over_provision"),
    [(2, 0.5, 0.001, 6.0), (20, 0.5, 0.001, 2.5), (100, 0.05, 0.002, 3.5), (20, 10.0, 0.002, 1.5)],
)
def test_a_steady_load_is_served_and_the_size_is_calm(rps, service_s, refused_share, over_provision, seed):
    outcome = Simulation(lambda now: rps, rps, service_s, SETTINGS, seed=seed).run(HOUR)
    assert outcome.refused_share < refused_share
    assert 1.0 < outcome.over_provision < over_provision
    assert len(outcome.changes) < 400  # of 3,600 looks


@SEEDS
def test_more_slots_on_a_replica_need_as_many_replicas_less(seed):
    settings = ScalingSettings(min_replicas=1, max_replicas=1000, slots=4)
    outcome = Simulation(lambda now: 20, 20, 10.0, settings, seed=seed).run(HOUR)
    assert outcome.refused_share < 0.002
    assert outcome.over_provision < 1.5


@SEEDS
def test_a_slow_wave_is_followed_without_refusing_anybody(seed):
    outcome = Simulation(lambda now: 20 - 20 * cos(2 * pi * now / 1800), 40, 0.5, SETTINGS, seed=seed).run(HOUR / 2)
    assert outcome.refused_share < 0.0005
    assert outcome.over_provision < 2.4


@SEEDS
def test_a_step_is_met_as_soon_as_replicas_can_start(seed):
    """Twenty times the load for ten minutes: what is refused is what comes while the first new replicas start."""
    outcome = Simulation(lambda now: 2 if now < 600 else 40, 40, 0.5, SETTINGS, seed=seed).run(1200.0)
    assert outcome.refused < 40 * 3  # two seconds to start, one to see all of the step
    (first_up,) = [change for change in outcome.changes if change.at > 600 and change.direction is Direction.UP][:1]
    assert first_up.at < 601


@SEEDS
def test_replicas_that_take_half_a_minute_are_not_asked_for_twice(seed):
    outcome = Simulation(lambda now: 2 if now < 600 else 40, 40, 0.5, SETTINGS, seed=seed, start_s=30.0).run(1200.0)
    # Offered are 20 at a time; another 20 wait at any moment while the replicas start.
    assert max(size for _, size in outcome.sizes) < 100
    assert outcome.refused < 40 * 32


@SEEDS
def test_a_flash_crowd_is_gone_from_the_bill_a_window_later(seed):
    outcome = Simulation(lambda now: 200 if 600 <= now < 630 else 2, 200, 0.5, SETTINGS, seed=seed).run(1200.0)
    assert max(size for _, size in outcome.sizes) > 140
    after = [size for at, size in outcome.sizes if 630 <= at < 700]
    assert after[-1] <= 10


@SEEDS
def test_bursts_from_zero_and_back(seed):
    settings = ScalingSettings(min_replicas=0, max_replicas=1000)
    outcome = Simulation(lambda now: 10 if now % 600 < 60 else 0, 10, 0.2, settings, seed=seed, current=0).run(HOUR)
    zeros = [change for change in outcome.changes if change.desired == 0]
    assert len(zeros) == 6
    assert all(115 < change.at % 600 < 130 for change in zeros)
