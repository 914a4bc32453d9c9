from hypothesis import given
from hypothesis import strategies as st

from router.discovery.lifecycle import Phase, Plan, Standing, plan


def standing(seat: int, phase: Phase = Phase.READY, held: int = 0) -> Standing:
    return Standing(seat, phase, held)


def test_starts_what_is_missing():
    assert plan([standing(1)], wished=3) == Plan(start=2, end=())


def test_nothing_to_do():
    assert plan([standing(1), standing(2, Phase.WAITING)], wished=2) == Plan(start=0, end=())


def test_a_leaving_replica_does_not_count():
    assert plan([standing(1, Phase.LEAVING, held=1)], wished=1) == Plan(start=1, end=())


def test_ends_the_unready_first_then_the_idle_then_the_least_busy_and_the_newest_of_equals():
    replicas = [
        standing(1, held=5),
        standing(2, held=1),
        standing(3),
        standing(4),
        standing(5, Phase.STARTING),
        standing(6, Phase.WAITING),
    ]
    assert plan(replicas, wished=0) == Plan(start=0, end=(6, 5, 4, 3, 2, 1))
    assert plan(replicas, wished=4) == Plan(start=0, end=(6, 5))


standings = st.lists(
    st.builds(Standing, st.integers(1, 50), st.sampled_from(Phase), st.integers(0, 4)), unique_by=lambda s: s.seat
)


@given(standings, st.integers(0, 20))
def test_the_wish_is_met_and_nothing_more_is_done(replicas, wished):
    step = plan(replicas, wished)
    staying = {r.seat for r in replicas if r.phase is not Phase.LEAVING}
    assert step.start == 0 or not step.end
    assert len(set(step.end)) == len(step.end)
    assert set(step.end) <= staying
    assert len(staying) + step.start - len(step.end) == wished


@given(standings, st.integers(0, 20))
def test_no_replica_is_ended_while_a_cheaper_one_stays(replicas, wished):
    ended = set(plan(replicas, wished).end)
    by_seat = {r.seat: r for r in replicas if r.phase is not Phase.LEAVING}
    for out in (by_seat[seat] for seat in ended):
        for kept in (r for r in by_seat.values() if r.seat not in ended):
            assert out.phase is not Phase.READY or (kept.phase is Phase.READY and out.held <= kept.held)
