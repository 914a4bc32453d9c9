"""What leaves at the end of a turn: the newest word on each subject, in the order in which they were said."""

from router.coord.frames import Heartbeat, Loads
from router.coord.outbox import Outbox
from router.core.leases import Bound, Demand, Lease, Recall

BLUE, GREEN = ("digits", "blue"), ("digits", "green")


def test_of_what_replaces_itself_the_newest_leaves_and_takes_the_later_place():
    box = Outbox()
    assert box.put(Lease(BLUE, "r1", 1, 4)) is True
    for message in (
        Recall(BLUE, 2, 1, 0),
        Lease(BLUE, "r2", 3, 1),
        Lease(BLUE, "r1", 4, 2),
        Recall(BLUE, 5, 0, 0),
        Recall(GREEN, 6, 0, 0),
        Bound(BLUE, "r1", 4, 2),
        Demand(BLUE, 1, 1),
        Demand(BLUE, 0, 1),
    ):
        assert box.put(message) is False
    assert box.empty() == [
        Lease(BLUE, "r2", 3, 1),
        Lease(BLUE, "r1", 4, 2),
        Recall(BLUE, 5, 0, 0),
        Recall(GREEN, 6, 0, 0),
        Bound(BLUE, "r1", 4, 2),
        Demand(BLUE, 0, 1),
    ]
    assert box.empty() == []
    assert box.put(Demand(BLUE, 0, 0)) is True


def test_nothing_else_replaces_anything():
    box = Outbox()
    said = [Heartbeat(1, 0), Loads([1]), Heartbeat(1, 0), Loads([1])]
    for message in said:
        box.put(message)
    assert box.empty() == said
