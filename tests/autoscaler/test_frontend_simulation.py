"""The policy of the router's own size over simulated hours: it follows a load, and it does not oscillate."""

from math import cos, pi

import pytest

from autoscaler.frontend import FrontendSettings
from tests.autoscaler.frontend_simulation import Routers

SETTINGS = FrontendSettings(most_pods=3)
HOUR = 3600
SEEDS = pytest.mark.parametrize("seed", [1, 2])


@SEEDS
def test_a_step_of_load_gets_workers_then_pods_and_all_goes_back(seed):
    routers = Routers(lambda now: 3.0 if 60 <= now < 900 else 0.2, SETTINGS, seed=seed)
    routers.run(60)
    assert routers.changes == []
    routers.run(600)
    (first, part, *_) = routers.changes[0]
    assert part == "workers"
    assert first - 60 <= 12
    assert [change[1] for change in routers.changes].index("pods") == 1
    assert routers.sizes[0] in (2, 3)
    assert all(workers == 2 for workers in routers.sizes[1])
    assert routers.of("down") == []
    slow = routers.slow_seconds
    routers.run(240)
    assert routers.slow_seconds == slow
    routers.run(600)
    assert routers.sizes == (1, [1])
    assert len(routers.changes) <= 10
    parts = [part for _, part, *_ in routers.of("down")]
    assert parts[0] == "pods"


@SEEDS
@pytest.mark.parametrize("tenths", range(1, 60, 6))
def test_a_steady_load_changes_no_size_back(tenths, seed):
    """Whatever the load: there are steps up to what it needs, and none down."""
    routers = Routers(lambda now: tenths / 10, SETTINGS, seed=seed)
    routers.run(HOUR // 4)
    assert routers.of("down") == []
    assert len(routers.changes) <= 5  # 2 pods and a worker for each of 3


@SEEDS
@pytest.mark.parametrize("period_s", [4, 20, 60, 110])
def test_a_load_that_flaps_within_the_window_is_not_followed_down(period_s, seed):
    routers = Routers(lambda now: 1.8 if now % period_s < period_s / 2 else 0.1, SETTINGS, seed=seed)
    routers.run(HOUR)
    assert routers.of("down") == []
    assert len(routers.changes) <= 5


@SEEDS
def test_a_load_that_comes_and_goes_slowly_costs_a_few_steps_each_time(seed):
    routers = Routers(lambda now: 1.6 - 1.5 * cos(2 * pi * now / 1200), SETTINGS, seed=seed)
    routers.run(HOUR)
    assert len(routers.changes) <= 3 * 10  # of 3,600 looks
    assert len(routers.of("up")) >= 3


@SEEDS
def test_connections_that_never_end_do_not_have_it_grow_without_end(seed):
    """A new worker cannot help them. What more would stand idle is not asked for."""
    routers = Routers(lambda now: 1.5 if now > 60 else 0.2, SETTINGS, seed=seed, cores=8.0, connection_s=1e9)
    routers.run(HOUR)
    assert routers.sizes == (1, [2])
