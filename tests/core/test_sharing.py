"""Shares that every router computes alike."""

from hypothesis import given
from hypothesis import strategies as st

from router.core.sharing import shares

ROUTERS = st.sets(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=8)
REPLICA = st.text(max_size=8)
SLOTS = st.integers(0, 300)


@given(REPLICA, SLOTS, ROUTERS)
def test_they_sum_exactly_to_the_slots_and_are_even(replica, slots, routers):
    parts = shares(replica, slots, routers)
    assert sum(parts.values()) == slots
    assert parts.keys() == routers
    assert max(parts.values()) - min(parts.values()) <= 1


@given(REPLICA, SLOTS, ROUTERS, st.text("xyz", min_size=1))
def test_nobodys_share_grows_when_another_router_becomes_known(replica, slots, routers, newcomer):
    before, after = shares(replica, slots, routers), shares(replica, slots, {*routers, newcomer})
    assert all(after[router] <= before[router] for router in routers)


@given(REPLICA, SLOTS, st.permutations(["a", "b", "c", "d", "e"]))
def test_the_order_in_which_routers_are_known_does_not_matter(replica, slots, routers):
    assert shares(replica, slots, routers) == shares(replica, slots, sorted(routers))


def test_odd_slots_go_to_all_in_turn():
    routers = [f"maitre-{n}_0b7c" for n in range(4)]
    got = dict.fromkeys(routers, 0)
    for replica in range(1000):
        for router, part in shares(f"digits/blue/10.0.0.{replica}:5001", 1, routers).items():
            got[router] += part
    assert all(200 < part < 300 for part in got.values()), got


def test_the_shares_of_a_version_are_those_of_the_next_version():
    """Routers of two versions run side by side during an update."""
    assert shares("digits/blue/10.0.0.1:5001", 7, ["a", "b", "c"]) == {"a": 3, "b": 2, "c": 2}


def test_nobody_shares_nothing():
    assert shares("replica", 4, []) == {}
