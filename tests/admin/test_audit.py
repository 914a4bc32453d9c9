"""A line for each change and each change that was refused, through the formatter that the process has."""

import io
import logging

import pytest

from router.admin.audit import MAX_CHANGES, Audit
from router.admin.gate import Access, Caller
from router.telemetry.logfmt import LogfmtFormatter

ALICE = Caller("alice", ("team",), "uid-1")
DIGITS = Access("update", "default", "digits")


@pytest.fixture
def lines():
    """What the log has, without time and level."""
    stream, log = io.StringIO(), logging.getLogger("maitre.audit")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogfmtFormatter())
    log.addHandler(handler)
    level = log.level
    log.setLevel(logging.INFO)
    yield lambda: [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()]
    log.removeHandler(handler)
    log.setLevel(level)


def endpoint(**spec):
    return {"metadata": {"name": "digits"}, "spec": spec}


def test_a_change(lines):
    Audit().changed(ALICE, DIGITS, endpoint(serverTiming=False), endpoint(serverTiming=True))
    assert lines() == [
        "level=info logger=maitre.audit msg=changed who=alice uid=uid-1 verb=update endpoint=default/digits"
        ' changes="spec.serverTiming: false → true"'
    ]


def test_of_keys_only_which(lines):
    Audit().keys_made(Caller("admin"), Access("update", "default", "digits", "keys"), ["primary", "secondary"])
    assert lines() == [
        'level=info logger=maitre.audit msg="keys made anew" who=admin verb=update endpoint=default/digits part=keys'
        " keys=primary,secondary"
    ]


def test_a_token(lines):
    Audit().token_issued(Caller("admin"), Access("create", "default", "digits", "token"))
    assert lines() == [
        'level=info logger=maitre.audit msg="token issued" who=admin verb=create endpoint=default/digits part=token'
    ]


def test_a_change_that_was_refused(lines):
    audit = Audit()
    audit.refused(ALICE, Access("create"), "alice may not create scoringendpoints")
    for verb in ("get", "list", "watch"):
        audit.refused(ALICE, Access(verb, "default", "digits"), "no")
    assert lines() == [
        'level=warning logger=maitre.audit msg="change refused" who=alice uid=uid-1 verb=create endpoint=*/*'
        ' reason="alice may not create scoringendpoints"'
    ]


def test_a_name_cannot_forge_a_line(lines):
    Audit().changed(Caller("eve\nlevel=info who=alice"), DIGITS, endpoint(), endpoint(serverTiming=True))
    (line,) = lines()
    assert r'who="eve\nlevel=info who=alice"' in line


def test_a_line_has_an_end(lines):
    hosts = [f"h{number}.example" for number in range(MAX_CHANGES + 7)]
    Audit().changed(ALICE, DIGITS, endpoint(hosts=[]), endpoint(hosts=hosts))
    (line,) = lines()
    assert f"hosts[{MAX_CHANGES - 1}]" in line
    assert f"hosts[{MAX_CHANGES}]" not in line
    assert line.endswith('; and 7 more"')
