"""Who has what only one may have."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.store.settling import Settling

Thing = tuple[int, frozenset[str]]
"""Its age, and what it claims."""


def thing(age: int, *claims: str) -> Thing:
    return age, frozenset(claims)


class Bench:
    """Wishes as a store has them: whatever is not in force is wished for, again and again."""

    def __init__(self) -> None:
        self.settling: Settling[str, Thing] = Settling(claims=lambda each: sorted(each[1]), order=lambda each: each[0])
        self.wanted: dict[str, Thing] = {}
        self.refused: dict[str, tuple[str, ...]] = {}

    def edit(self, **things: Thing | None) -> Mapping[str, Thing]:
        for key, each in things.items():
            if each is None:
                self.wanted.pop(key, None)
                self.settling.remove(key)
            else:
                self.wanted[key] = each
        return self.settle()

    def settle(self) -> Mapping[str, Thing]:
        in_force = self.settling.in_force
        self.refused = self.settling.settle(
            {key: each for key, each in self.wanted.items() if in_force.get(key) is not each}
        )
        return dict(in_force)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_of_two_new_ones_the_first_has_it(bench):
    late, early = thing(2, "host"), thing(1, "host")
    assert bench.edit(late=late, early=early) == {"early": early}
    assert bench.refused == {"late": ("early",)}


def test_what_is_in_force_comes_before_what_is_older(bench):
    one = thing(2, "host")
    bench.edit(one=one)
    assert bench.edit(older=thing(1, "host")) == {"one": one}


def test_a_refused_edit_leaves_everything_it_had(bench):
    one, two = thing(1, "a", "b"), thing(2, "c")
    bench.edit(one=one, two=two)
    assert bench.edit(one=thing(1, "c"), new=thing(0, "a")) == {"one": one, "two": two}
    assert bench.refused == {"one": ("two",), "new": ("one",)}


def test_what_is_given_up_goes_to_whoever_was_refused(bench):
    one, two = thing(1, "a"), thing(2, "a", "b")
    bench.edit(one=one)
    bench.edit(two=two)
    assert bench.edit(one=None) == {"two": two}


def test_two_exchange_what_they_have(bench):
    bench.edit(one=thing(1, "a"), two=thing(2, "b"))
    one, two = thing(1, "b"), thing(2, "a")
    assert bench.edit(one=one, two=two) == {"one": one, "two": two}
    assert bench.refused == {}


def test_two_exchange_one_after_the_other(bench):
    bench.edit(one=thing(1, "a"), two=thing(2, "b"))
    one, two = thing(1, "b"), thing(2, "a")
    bench.edit(one=one)
    assert bench.edit(two=two) == {"one": one, "two": two}


def test_a_chain_of_edits_falls_back_as_a_whole(bench):
    """Each wants what the one before it gives up, and the first cannot."""
    before = {f"e{index}": thing(9 - index, f"h{index}") for index in range(5)} | {"holder": thing(0, "taken")}
    bench.edit(**before)
    edits = {f"e{index}": thing(9 - index, f"h{index - 1}") for index in range(1, 5)} | {"e0": thing(9, "taken")}
    assert bench.edit(**edits) == before


def test_an_edit_is_refused_only_by_what_is_there_in_the_end(bench):
    """`older` would have taken h2, but has to come back itself, since `one` leaves nothing that it wants."""
    bench.edit(one=thing(3, "h1"), older=thing(2, "h3"), holder=thing(1, "h4"))
    one = thing(3, "h2")
    after = bench.edit(older=thing(2, "h2", "h4"), one=one)
    assert after["one"] == one
    assert bench.refused == {"older": ("holder", "one")} or bench.refused == {"older": ("one", "holder")}


def test_what_is_given_up_late_is_there_for_others(bench):
    """`first` takes h2 and h5, but has to give them back; so `second` gets h2 after all, and leaves h1 to `new`."""
    first, second, third = thing(1, "h3"), thing(2, "h1"), thing(3, "h5")
    bench.edit(holder=thing(0, "h4"), first=first, second=second, third=third)
    moved, new = thing(2, "h2"), thing(9, "h1")
    after = bench.edit(first=thing(1, "h2", "h5"), second=moved, third=thing(3, "h4"), new=new)
    assert after == {"holder": thing(0, "h4"), "first": first, "second": moved, "third": third, "new": new}
    assert bench.refused == {"first": ("second", "third"), "third": ("holder",)}


NAMES = st.sampled_from("abcdef")
CLAIMS = st.frozensets(st.sampled_from("uvwxyz"), max_size=4)
EDITS = st.lists(
    st.dictionaries(NAMES, st.none() | st.tuples(st.integers(0, 5), CLAIMS), min_size=1, max_size=4), max_size=12
)


@given(EDITS)
def test_whatever_is_edited(edits):
    bench = Bench()
    before: Mapping[str, Thing] = {}
    for edit in edits:
        in_force = bench.edit(**edit)
        claimed = [what for _, claims in in_force.values() for what in claims]
        assert len(claimed) == len(set(claimed)), "nothing has two owners"
        assert in_force.keys() <= bench.wanted.keys()
        for key, each in in_force.items():
            assert each is bench.wanted[key] or each is before[key]
        for key, known in before.items():
            if key in bench.wanted:
                assert key in in_force, "what is in force stays, edited or not"
                assert in_force[key] is known or key in edit or bench.wanted[key] is not known
        assert bench.refused.keys() == {key for key, each in bench.wanted.items() if in_force.get(key) is not each}
        for key, rivals in bench.refused.items():
            wants = bench.wanted[key][1]
            assert rivals, "who is refused is told by whom"
            assert all(in_force[rival][1] & wants for rival in rivals)
        assert bench.settle() == in_force, "settled is settled"
        before = in_force
