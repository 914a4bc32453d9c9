"""The split: exact shares for every split of whole percents, and what sticks, sticks."""

from collections import Counter
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.traffic import Split, _uniform

GRID = [step / 1000 for step in range(1000)]
ALMOST_ONE = 1 - 2**-53
"""The largest number that `random()` gives."""


def shares_with_rest(percentiles, default):
    """As `router.model.rules.shares`: what nobody claims goes to the default on top of its own."""
    return percentiles | {default: percentiles[default] + 100 - sum(percentiles.values())}


def split_of(shares, default):
    return Split({name: name for name in shares}, shares, default)


def drawn(split):
    return Counter(map(split.pick, GRID))


def assert_exact(shares, default):
    split = split_of(shares, default)
    assert drawn(split) == {name: share * 10 for name, share in shares.items() if share}
    served = {name for name, share in shares.items() if share}
    assert split.pick(0.0) == next(name for name in shares if name in served)
    assert split.pick(ALMOST_ONE) == next(name for name in reversed(shares) if name in served)


@pytest.mark.parametrize("default", ["a", "b"])
def test_two_versions_get_exactly_their_shares(default):
    for a in range(101):
        assert_exact({"a": a, "b": 100 - a}, default)


@pytest.mark.parametrize("default", ["a", "b", "c"])
def test_three_versions_get_exactly_their_shares(default):
    for a, b in product(range(0, 101, 5), repeat=2):
        if a + b <= 100:
            assert_exact({"a": a, "b": b, "c": 100 - a - b}, default)


def test_every_split_of_two_percentiles_leaves_the_rest_to_the_default():
    for a, b in product(range(0, 101, 5), repeat=2):
        if a + b <= 100:
            counts = drawn(split_of(shares_with_rest({"a": a, "b": b}, "b"), "b"))
            assert (counts["a"], counts["b"]) == (a * 10, 1000 - a * 10)


@pytest.mark.parametrize(
    ("percentiles", "default", "expected"),
    [
        ({"a": 20, "b": 40}, "b", {"a": 200, "b": 800}),
        ({"a": 10, "b": 30, "c": 0}, "c", {"a": 100, "b": 300, "c": 600}),
        ({"a": 0, "b": 0}, "a", {"a": 1000}),
        ({"a": 0, "b": 100}, "a", {"b": 1000}),
        ({"a": 100}, "a", {"a": 1000}),
        ({"a": 0.1, "b": 33.3, "c": 0}, "c", {"a": 1, "b": 333, "c": 666}),
    ],
)
def test_the_remainder_goes_to_the_default_on_top_of_its_own(percentiles, default, expected):
    assert drawn(split_of(shares_with_rest(percentiles, default), default)) == expected


def test_shares_that_leave_something_leave_it_to_the_default():
    assert drawn(split_of({"a": 20, "b": 40}, "b")) == {"a": 200, "b": 800}
    assert split_of({"a": 0}, "a").pick(0.5) == "a"
    assert Split({"a": "a"}, {}, "a").pick_sticky(b"x") == "a"


def test_versions_without_a_share_are_never_drawn():
    split = Split({"a": "a", "mirror": "mirror", "b": "b"}, {"a": 50.0, "mirror": 0.0, "b": 50.0}, "a")
    assert drawn(split) == {"a": 500, "b": 500}


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=5))
def test_rounding_draws_no_version_without_a_share(cuts):
    """83.6 + 7.1 + 9.3 is less than 100 in floats; the gap is not for a default whose share is 0."""
    edges = [0, *sorted(cuts), 10**8]
    shares = {f"v{n}": (high - low) / 10**6 for n, (low, high) in enumerate(pairwise(edges))}
    split = split_of(shares | {"default": 0.0}, "default")
    last = [name for name, share in shares.items() if share][-1]
    assert split.pick(ALMOST_ONE) == last


def test_rounding_that_was_seen():
    assert 83.6 + 7.1 + 9.3 < 100
    assert split_of({"a": 83.6, "b": 7.1, "c": 9.3, "default": 0.0}, "default").pick(ALMOST_ONE) == "c"


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 100))
def test_every_number_draws_a_version(u, share):
    assert split_of({"a": share, "b": 100 - share}, "a").pick(u) == ("a" if u < share / 100 else "b")


# -- sticky ------------------------------------------------------------------------------------------------------------

USERS = [b"user-%d" % n for n in range(20_000)]


@given(st.binary(max_size=100))
def test_the_same_value_draws_the_same_version(value):
    shares = {"a": 30, "b": 70}
    assert split_of(shares, "a").pick_sticky(value) == split_of(shares, "a").pick_sticky(value)


@pytest.mark.parametrize(
    "shares",
    [{"a": 50, "b": 50}, {"a": 10, "b": 90}, {"a": 1, "b": 99}, {"a": 20, "b": 30, "c": 50}],
    ids=str,
)
def test_users_spread_over_the_versions_by_share(shares):
    counts = Counter(map(split_of(shares, "a").pick_sticky, USERS))
    for name, share in shares.items():
        expected = len(USERS) * share / 100
        assert abs(counts[name] - expected) < 4 * (expected * (1 - share / 100)) ** 0.5  # four standard deviations


def test_no_user_sticks_to_a_version_without_a_share():
    split = split_of({"a": 0, "b": 100}, "a")
    assert {split.pick_sticky(user) for user in USERS[:1000]} == {"b"}


def test_the_order_of_versions_does_not_matter():
    one, other = split_of({"a": 30, "b": 70}, "a"), split_of({"b": 70, "a": 30}, "b")
    assert [one.pick_sticky(user) for user in USERS[:1000]] == [other.pick_sticky(user) for user in USERS[:1000]]


@given(st.data())
def test_raising_a_share_moves_users_only_towards_that_version(data):
    names = "abc"
    before = {name: data.draw(st.integers(0, 30)) for name in names}
    raised = data.draw(st.sampled_from(names))
    after = before | {raised: before[raised] + data.draw(st.integers(1, 10))}
    one, other = split_of(before, "a"), split_of(after, "a")
    if not any(before.values()):
        return
    for user in USERS[:200]:
        version = one.pick_sticky(user)
        assert other.pick_sticky(user) in (version, raised)


@pytest.mark.parametrize("digest", [bytes(8), b"\xff" * 8, b"\xff" * 6 + b"\xf0\x00", b"\x80" + bytes(7)])
def test_no_digest_makes_a_weight_infinite_or_zero(digest):
    assert 0 < _uniform(digest) < 1


def test_shares_are_printed():
    assert repr(split_of({"blue": 80, "green": 20.5, "grey": 0}, "blue")) == "<Split blue=80% green=20.5%>"
