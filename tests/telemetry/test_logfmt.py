"""Log lines: one record, one line, whatever is in it."""

import io
import logging
import re
import shlex
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.telemetry.logfmt import LogfmtFormatter, value

anything = st.text(st.characters(exclude_categories=()))  # lone surrogates and controls included


def line(message: object, *args: object, fields: dict[str, object] | None = None, **record: object) -> str:
    made = logging.LogRecord("maitre.scale", logging.INFO, "scale.py", 1, message, args, None)
    made.created = 1795514400.1239
    if fields is not None:
        made.fields = fields
    made.__dict__.update(record)
    return LogfmtFormatter().format(made)


def test_a_line_has_time_level_logger_message_and_fields():
    found = line("scaled %s", "up", fields={"endpoint": "digits", "from": 1, "utilization": 0.7, "held": False})
    assert found == (
        'time=2026-11-24T10:00:00.123Z level=info logger=maitre.scale msg="scaled up" '
        "endpoint=digits from=1 utilization=0.7 held=false"
    )


@pytest.mark.parametrize(
    ("content", "written"),
    [
        ("plain", "plain"),
        ("", '""'),
        (None, '""'),
        (True, "true"),
        (0.25, "0.25"),
        ("größe", "größe"),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("C:\\dir", r'"C:\\dir"'),
        ("one\ntwo\r\n", r'"one\ntwo\r\n"'),
        ("\x1b[31mred", r'"\u001b[31mred"'),
        ("\x9b31m", r'"\u009b31m"'),
        ("\u2028", r'"\u2028"'),
        ("\u202egnp.exe", r'"\u202egnp.exe"'),
        ("\ud800", r'"\ud800"'),
        ("\U000e0001", r'"\U000e0001"'),
    ],
)
def test_values_are_quoted_and_escaped_when_they_must_be(content, written):
    assert value(content) == written


@given(anything, st.dictionaries(anything, anything, max_size=4))
def test_nothing_forges_a_line_or_reaches_the_terminal(message, fields):
    found = line("%s", message, fields=fields)
    assert found.isprintable()
    assert found.encode().decode() == found
    assert found.startswith("time=2026-11-24T10:00:00.123Z level=info logger=maitre.scale msg=")


@given(anything, st.dictionaries(st.from_regex(r"[a-z]{5}_[a-z]+", fullmatch=True), anything, max_size=4))
def test_what_was_logged_can_be_read_back(message, fields):
    pairs = re.findall(r'([A-Za-z0-9_.-]+)=("(?:[^"\\]|\\.)*"|[^ "]+)(?: |$)', line("%s", message, fields=fields))
    assert [key for key, _written in pairs] == ["time", "level", "logger", "msg", *fields]
    assert [unescaped(written) for _key, written in pairs[3:]] == [message, *fields.values()]


def unescaped(written: str) -> str:
    if not written.startswith('"'):
        return written
    plain = {"n": "\n", "r": "\r", "t": "\t"}
    escape = re.compile(r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(.))")
    return escape.sub(lambda m: plain.get(m[3], m[3]) if m[3] else chr(int(m[1] or m[2], 16)), written[1:-1])


@pytest.mark.parametrize(("key", "written"), [("msg", "msg_"), ("time", "time_"), ("a b=c\n", "a_b_c_"), ("", "_")])
def test_a_field_cannot_pass_for_something_else(key, written):
    assert line("x", fields={key: 1}).endswith(f" msg=x {written}=1")


def test_an_exception_stays_on_the_line():
    try:
        raise ValueError("two\nlines")
    except ValueError:
        found = line("failed", exc_info=sys.exc_info())
    assert r'error="ValueError: two\nlines"' in found
    assert r'trace="Traceback (most recent call last):\n' in found
    assert found.isprintable()


def test_lines_split_as_a_shell_would_for_the_eye():
    assert shlex.split(line("scaled up", fields={"why": "a queue formed"}))[3:] == [
        "msg=scaled up",
        "why=a queue formed",
    ]


def test_a_stream_gets_one_line_per_record():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogfmtFormatter())
    for message in ("one\nmsg=forged", "two"):
        handler.emit(logging.LogRecord("maitre", logging.INFO, "", 1, message, (), None))
    assert stream.getvalue().count("\n") == 2
