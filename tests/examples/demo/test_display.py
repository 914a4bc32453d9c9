"""A terminal gets a table, everything else gets lines; both say the same."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from examples.demo.display import decision_line, display_on, is_live
from examples.demo.seen import PhaseBegan, Seen
from examples.demo.view import view
from tests.examples.demo.runs import FALL, answer, good_run


@pytest.mark.parametrize(
    ("terminal", "environment", "live"),
    [
        (True, {"TERM": "xterm"}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {}, False),
        (True, {"TERM": "xterm", "CI": "true"}, False),
        (True, {"TERM": "xterm", "CI": ""}, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, True),
    ],
)
def test_where_a_table_is_welcome(terminal: bool, environment: dict[str, str], live: bool) -> None:
    assert is_live(terminal=terminal, environment=environment) is live


def shown(live: bool, **settings: object) -> str:
    seen = good_run()
    console = Console(file=io.StringIO(), force_terminal=live, width=120, highlight=False, **settings)  # type: ignore[arg-type]
    with display_on(console, live=live) as display:
        display.show(view(seen, 41.0), seen.scalings)
        display.show(view(seen, FALL), seen.scalings)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_lines_have_no_control_characters() -> None:
    text = shown(live=False)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "blue" in text
    assert "0/1 busy, 1 wanted, 0 queued" in text
    assert text.count("scale up: blue 1 -> 4") == 1, "a decision is told once"


def test_plain_lines_report_now_and_then_and_every_new_phase_at_once() -> None:
    seen = good_run()
    console = Console(file=io.StringIO(), force_terminal=False, width=120)
    with display_on(console, live=False) as display:
        for at in (40.0, 40.5, 44.9, 45.0, 45.5):
            display.show(view(seen, at), [])
        seen.phases.append(PhaseBegan("quiet", 0.0, 46.0))
        display.show(view(seen, 46.0), [])
    assert isinstance(console.file, io.StringIO)
    reports = [line.split()[0] for line in console.file.getvalue().splitlines() if " requests/s; " in line]
    assert reports == ["40.0", "45.0", "46.0"]


def test_the_live_table_repaints_itself_and_shows_the_last_decisions() -> None:
    text = shown(live=True)
    assert "\x1b[" in text
    assert "busy/total" in text
    assert text.count("scale up: blue 1 -> 4") > 1


def test_without_colour_the_table_still_moves_but_sets_none() -> None:
    text = shown(live=True, no_color=True)
    assert "\x1b[3" not in text.replace("\x1b[3A", "")
    assert "busy/total" in text


def test_rates_latencies_and_the_split_are_of_the_last_seconds() -> None:
    seen = Seen(answers=[answer(due=1.0), *(answer(due=10 + n / 10) for n in range(30))])
    seen.answers += [answer(due=10 + n / 10, version="green")._replace(done=13.0) for n in range(10)]
    seen.samples = good_run().samples
    blue, green = view(seen, 13.5).rows
    assert (blue.rps, blue.share, green.rps, green.share) == (6.0, 75.0, 2.0, 25.0)
    assert blue.p99_s == pytest.approx(0.1)
    assert green.p50_s == pytest.approx(2.5)


def test_a_version_without_recent_answers_is_shown_all_the_same() -> None:
    rows = view(good_run(), 1000.0).rows
    assert [(row.version, row.rps, row.share, row.p99_s) for row in rows] == [
        ("blue", 0.0, None, None),
        ("green", 0.0, None, None),
    ]


def test_before_anything_was_seen_there_is_something_to_show() -> None:
    now = view(Seen(), 0.0)
    assert (now.phase, now.rows, now.added_p99_s) == ("starting", [], None)


def test_a_decision_in_words() -> None:
    assert decision_line(good_run().scalings[2]) == " 11.2 s  scale up: blue 1 -> 4 (demand, demand 2.50)"
