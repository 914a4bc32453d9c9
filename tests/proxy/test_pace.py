"""How fast a client has to be, window by window, with the client's numbers told instead of measured."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from router.core.limits import ClientLimits
from router.proxy.deadlines import DeadlineWheel
from router.proxy.pace import Pace

LIMITS = ClientLimits(rate=100, rate_window_s=10.0)
LEAST = 1000


class Slow:
    """A client as `Pace` sees it."""

    def __init__(self, limits: ClientLimits = LIMITS) -> None:
        self.now = 0.0
        self.plane = SimpleNamespace(wheel=DeadlineWheel(lambda _at: None), limits=limits, now=lambda: self.now)
        self.unread_body: SimpleNamespace | None = None
        self.write_blocked = self.paused = False
        self.waiting = 0
        self.blamed: list[str] = []
        self.pace = Pace(self)  # type: ignore[arg-type]

    def untaken(self) -> int:
        return self.waiting

    def sends_too_slowly(self) -> None:
        self.blamed.append("sends")

    def takes_too_slowly(self) -> None:
        self.blamed.append("takes")

    def begins_body(self) -> None:
        self.unread_body = SimpleNamespace(received=0)
        self.pace.watch()

    def blocks(self, waiting: int) -> None:
        self.write_blocked, self.waiting = True, waiting
        self.pace.watch()

    def window(self) -> None:
        """A window passes."""
        self.now += LIMITS.rate_window_s + 0.05
        for due in self.plane.wheel.advance(self.now):
            due.on_due(self.now)


@pytest.fixture
def slow() -> Slow:
    return Slow()


def test_a_body_must_move_in_every_window_whatever_came_before(slow: Slow):
    slow.begins_body()
    slow.unread_body.received += 1000 * LEAST
    slow.window()
    slow.unread_body.received += LEAST
    slow.window()
    assert slow.blamed == []
    slow.unread_body.received += LEAST - 1
    slow.window()
    assert slow.blamed == ["sends"]


def test_nobody_is_looked_at_after_the_bodys_end(slow: Slow):
    slow.begins_body()
    slow.unread_body = None
    slow.window()
    slow.window()
    assert (slow.blamed, slow.plane.wheel.advance(1e9)) == ([], [])


def test_a_window_in_which_the_router_did_not_read_counts_for_nothing(slow: Slow):
    slow.begins_body()
    slow.pace.excuse()
    slow.window()
    assert slow.blamed == []
    slow.window()
    assert slow.blamed == ["sends"]


def test_a_window_that_begins_paused_counts_for_nothing(slow: Slow):
    slow.paused = True
    slow.begins_body()
    slow.window()
    slow.window()
    assert slow.blamed == []
    slow.paused = False
    slow.window()  # it began paused
    assert slow.blamed == []
    slow.window()
    assert slow.blamed == ["sends"]


def test_an_answer_must_be_taken_in_every_window(slow: Slow):
    slow.blocks(100 * LEAST)
    for _ in range(3):
        slow.waiting -= LEAST
        slow.window()
    assert slow.blamed == []
    slow.waiting -= LEAST - 1
    slow.window()
    assert slow.blamed == ["takes"]


def test_who_has_taken_what_waited_is_looked_at_anew(slow: Slow):
    slow.blocks(LEAST)
    slow.pace.taken()
    slow.write_blocked = False
    slow.blocks(2 * LEAST)  # more waits than when the window began
    slow.waiting -= LEAST
    slow.window()
    assert slow.blamed == []


def test_a_rate_of_nothing_is_no_rate():
    slow = Slow(ClientLimits(rate=0))
    slow.begins_body()
    slow.blocks(LEAST)
    slow.window()
    assert (slow.blamed, slow.plane.wheel.advance(1e9)) == ([], [])
