"""The queue against a list: first come, first served, and nobody after the deadline."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.waitqueue import WaitQueue


def queue(**deadlines):
    waiting = WaitQueue()
    for waiter, deadline in deadlines.items():
        waiting.push(waiter, deadline)
    return waiting


def test_an_empty_queue_has_nobody_to_serve():
    waiting = queue()
    assert waiting.pop(0.0) == (None, [])
    assert len(waiting) == 0


def test_first_come_first_served():
    waiting = queue(a=9.0, b=8.0, c=7.0)
    assert [waiting.pop(1.0) for _ in range(4)] == [("a", []), ("b", []), ("c", []), (None, [])]


@pytest.mark.parametrize(
    ("now", "served", "late"),
    [
        (0.999, "a", []),
        (1.0, "b", ["a"]),  # the deadline itself is too late
        (2.0, "c", ["a", "b"]),
        (3.0, None, ["a", "b", "c"]),
    ],
)
def test_nobody_is_served_at_or_after_the_deadline(now, served, late):
    assert queue(a=1.0, b=2.0, c=3.0).pop(now) == (served, late)


def test_who_is_late_has_left():
    waiting = queue(a=1.0, b=2.0)
    waiting.pop(1.5)
    assert len(waiting) == 0
    assert "a" not in waiting


def test_who_stands_behind_is_not_asked():
    waiting = queue(a=2.0, b=1.0)
    assert waiting.pop(1.5) == ("a", [])
    assert "b" in waiting  # its deadline has passed; it is told when its turn comes, or by its own alarm


def test_who_went_away_is_not_served():
    waiting = queue(a=9.0, b=9.0)
    assert waiting.remove("a")
    assert not waiting.remove("a")
    assert not waiting.remove("never came")
    assert waiting.pop(1.0) == ("b", [])


def test_a_deadline_of_zero_is_a_deadline():
    assert queue(a=0.0).remove("a")


def test_who_had_a_slot_before_comes_first():
    waiting = queue(a=9.0, b=9.0)
    waiting.push("again", 9.0, first=True)
    assert [waiting.pop(1.0)[0] for _ in range(3)] == ["again", "a", "b"]


def test_its_length_is_printed():
    assert repr(queue(a=1.0, b=1.0)) == "<WaitQueue 2>"


moments = st.integers(0, 20).map(float)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("push"), moments, st.booleans()),
        st.tuples(st.just("remove"), st.integers(0, 9), st.none()),
        st.tuples(st.just("pop"), moments, st.none()),
    ),
    max_size=40,
)


@given(steps)
def test_it_is_a_list_with_deadlines(steps):
    waiting: WaitQueue[int] = WaitQueue()
    naive: list[tuple[int, float]] = []
    for number, (what, value, first) in enumerate(steps):
        if what == "push":
            waiting.push(number, value, first)
            naive.insert(0 if first else len(naive), (number, value))
        elif what == "remove":
            who = naive[value][0] if value < len(naive) else -1
            assert waiting.remove(who) == (who >= 0)
            naive = [entry for entry in naive if entry[0] != who]
        else:
            served, late = waiting.pop(value)
            expected_late = []
            while naive and naive[0][1] <= value:
                expected_late.append(naive.pop(0)[0])
            assert late == expected_late
            assert served == (naive.pop(0)[0] if naive else None)
        assert len(waiting) == len(naive)
        assert all(who in waiting for who, _ in naive)
