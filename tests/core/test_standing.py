"""How a router stands: each transition, and what holds through any order of happenings."""

from math import inf
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from router.core.standing import TRANSITIONS, Membership, Standing, Turn, diagram

TERM_S, OTHERS_S = 10.0, 75.0


class Router:
    def __init__(self):
        self.turns = []
        self.member = Membership(TERM_S, lambda: OTHERS_S, self.turns.append)

    @property
    def standing(self):
        return self.member.standing


def leased(at=100.0):
    router = Router()
    router.member.reported(at)
    router.member.renewed(at, at + 0.1)
    return router


def test_who_was_never_a_member_uses_nothing_however_long_it_waits():
    router = Router()
    router.member.reported(100.0)
    router.member.lost(101.0)
    router.member.tick(1e9)
    assert router.standing is Standing.UNJOINED
    assert router.member.due() == inf
    assert router.turns == []


def test_a_term_begins_when_the_heartbeat_was_sent():
    router = leased(100.0)
    assert router.member.term_ends == 110.0
    router.member.renewed(101.0, 103.9)
    assert router.member.term_ends == 111.0
    router.member.tick(110.99)
    assert router.standing is Standing.LEASED
    router.member.tick(111.0)
    assert router.standing is Standing.KEEPING


def test_cut_off_it_holds_then_keeps_then_shares_and_is_leased_again_on_rejoining():
    router = leased(100.0)
    router.member.lost(102.0)
    assert router.standing is Standing.HOLDING
    assert router.member.due() == 110.0
    router.member.tick(110.0)
    assert router.standing is Standing.KEEPING
    assert router.member.due() == 185.0
    router.member.tick(184.9)
    assert router.standing is Standing.KEEPING
    router.member.tick(185.0)
    assert router.standing is Standing.SHARING
    assert router.member.due() == inf
    router.member.reported(200.0)
    router.member.renewed(200.0, 200.1)
    assert router.standing is Standing.LEASED
    assert [(turn.before.value, turn.after.value, turn.at) for turn in router.turns] == [
        ("unjoined", "leased", 100.1),
        ("leased", "holding", 102.0),
        ("holding", "keeping", 110.0),
        ("keeping", "sharing", 185.0),
        ("sharing", "keeping", 200.0),
        ("keeping", "leased", 200.1),
    ]


def test_back_within_the_term_nothing_is_lost():
    router = leased(100.0)
    router.member.lost(102.0)
    router.member.reported(103.0)
    assert router.standing is Standing.HOLDING
    router.member.renewed(103.0, 103.2)
    assert router.standing is Standing.LEASED
    assert router.member.term_ends == 113.0


def test_a_report_without_an_answer_begins_the_wait_for_the_others_anew():
    router = leased(100.0)
    router.member.lost(102.0)
    router.member.tick(185.0)
    router.member.reported(186.0)
    assert router.standing is Standing.KEEPING
    router.member.lost(189.0)
    router.member.tick(186.0 + TERM_S + OTHERS_S - 0.1)
    assert router.standing is Standing.KEEPING
    router.member.tick(186.0 + TERM_S + OTHERS_S)
    assert router.standing is Standing.SHARING


def test_an_answer_that_comes_when_its_term_has_ended_gives_none():
    """A process that was stopped, and finds the answer in its socket when it goes on."""
    router = leased(100.0)
    router.member.renewed(101.0, 111.0)
    assert router.standing is Standing.KEEPING
    assert router.member.term_ends == 110.0


def test_an_older_answer_does_not_shorten_a_term():
    router = leased(100.0)
    router.member.renewed(102.0, 102.1)
    router.member.renewed(101.0, 102.2)
    assert router.member.term_ends == 112.0


def test_a_turn_says_when():
    router = leased(100.0)
    assert router.turns == [Turn(Standing.UNJOINED, Standing.LEASED, 100.1)]


STEPS = st.lists(
    st.tuples(st.sampled_from(["reported", "renewed", "lost", "tick"]), st.floats(0, 40), st.floats(0, 15)), max_size=40
)


@given(STEPS)
def test_leases_are_used_within_a_term_only_and_shares_after_the_wait_only(steps):
    router, now, last_sent = Router(), 0.0, -inf
    for what, after, ago in steps:
        now += after
        match what:
            case "reported":
                router.member.reported(now)
                last_sent = now
            case "renewed":
                router.member.renewed(now - ago, now)
            case "lost":
                router.member.lost(now)
        router.member.tick(now)
        if router.standing in (Standing.LEASED, Standing.HOLDING):
            assert now < router.member.term_ends
        if router.standing is Standing.SHARING:
            assert now >= router.member.term_ends + OTHERS_S
            assert now >= last_sent + TERM_S + OTHERS_S
        assert router.member.due() > now
    assert all((turn.before, turn.after) in {(a, b) for (a, _), b in TRANSITIONS.items()} for turn in router.turns)


def test_each_standing_can_be_reached_and_the_document_has_the_diagram():
    assert {Standing.UNJOINED, *TRANSITIONS.values()} == set(Standing)
    document = Path(__file__).parents[2] / "docs" / "coordination.md"
    assert f"```mermaid\n{diagram()}\n```" in document.read_text()
