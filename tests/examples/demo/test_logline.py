"""The log is read as the router's own formatter writes it: the tests go through that formatter."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.policy import Decision, Numbers, Reason
from examples.demo import logline
from examples.demo.seen import Timeline
from router.telemetry.logfmt import LogfmtFormatter


def written(logger: str, message: str, fields: dict[str, object] | None = None, created: float = 0.0) -> str:
    record = logging.LogRecord(logger, logging.INFO, __file__, 1, message, None, None)
    record.created = created
    if fields:
        record.fields = fields
    return LogfmtFormatter().format(record)


@given(st.text(), st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(max_size=20), max_size=3))
def test_any_message_and_any_field_come_back_as_they_were_written(message: str, others: dict[str, str]) -> None:
    others = {name: value for name, value in others.items() if name not in ("time", "level", "logger", "msg")}
    others = {name: value for name, value in others.items() if name not in ("error", "trace")}
    astral = any(ord(character) > 0xFFFF for text in (message, *others.values()) for character in text)
    read = logline.fields(written("maitre", message, dict(others)))
    if not astral:  # what is not printable there is \U…, which JSON has not
        assert read["msg"] == message
        assert {name: read[name] for name in others} == others


def test_what_is_not_logfmt_has_no_scaling_and_no_start() -> None:
    timeline = Timeline()
    for line in ("", "Traceback (most recent call last):", "maitre is gone; ending 2 replicas"):
        record = logline.fields(line)
        assert logline.scaling(record, timeline) is None
        assert logline.start(record, timeline) is None


def test_a_decision_is_read_with_its_time_on_the_timeline() -> None:
    timeline, began = Timeline(), datetime.now(UTC)
    decision = Decision(0.0, 2, 6, Reason.MAXIMUM, Numbers(demand=5.25))
    fields = {"endpoint": "digits", "version": "blue", **decision.describe()}
    line = written("maitre.scale", "decision", fields, (began + timedelta(seconds=12)).timestamp())
    seen = logline.scaling(logline.fields(line), timeline)
    assert seen is not None
    assert seen.at == pytest.approx(12, abs=0.1)
    assert (seen.version, seen.before, seen.after, seen.up) == ("blue", 2, 6, True)
    assert (seen.reason, seen.demand) == ("maximum", 5.25)


def test_a_failed_scaling_is_no_decision() -> None:
    line = written("maitre.scale", "scaling failed", {"version": "blue"})
    assert logline.scaling(logline.fields(line), Timeline()) is None


def test_the_start_of_a_replica_is_read_from_its_first_line() -> None:
    line = written("maitre.replica", "digits/green/12 | pid 4711 loads green.pickle")
    start = logline.start(logline.fields(line), Timeline())
    assert start is not None
    assert (start.version, start.replica, start.pid) == ("green", "12", 4711)


def test_other_output_of_a_replica_and_other_loggers_tell_of_no_start() -> None:
    for logger, message in (
        ("maitre.replica", "digits/green/12 | Serving"),
        ("maitre.discovery", "digits/green/12 | pid 4711 loads green.pickle"),
    ):
        assert logline.start(logline.fields(written(logger, message)), Timeline()) is None
