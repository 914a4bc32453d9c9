"""Trace contexts are kept where W3C Trace Context calls them valid, and with them what tracestate says."""

import pytest

from router.core.heads import parse_request
from router.core.tracecontext import valid_traceparent

VALID = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "received",
    [
        VALID,
        VALID[:-2] + b"00",
        VALID[:-2] + b"ff",
        b"01" + VALID[2:],  # a later version, read as far as it is known
        b"cc" + VALID[2:] + b"-what-the-future-will-be-like",
        b"cc" + VALID[2:] + b"-",
        b"fe" + VALID[2:],
    ],
)
@pytest.mark.parametrize("white", [b"", b" \t"])
def test_a_valid_trace_context_is_kept(received, white):
    assert valid_traceparent(received + white) == received


@pytest.mark.parametrize(
    "received",
    [
        b"",
        b"garbage",
        b"ff" + VALID[2:],  # the one version that is forbidden
        b"0" + VALID[2:],
        b"zz" + VALID[2:],
        VALID.upper(),
        VALID + b"-",  # version 00 is 55 characters and not one more
        VALID + b"-what-the-future-will-be-like",
        VALID + b".",
        b"cc" + VALID[2:] + b".what-the-future-will-be-like",
        b"00-" + b"0" * 32 + VALID[35:],  # no trace
        VALID[:36] + b"0" * 16 + VALID[52:],  # no parent
        VALID[:35] + VALID[36:],
        VALID[:-1],
        VALID + b"0",
        VALID[:-2] + b"0x",
        VALID.replace(b"4", b"g"),
        VALID.replace(b"-", b"_"),
        VALID + b", " + VALID,
        b" " + VALID,
    ],
)
def test_an_invalid_one_is_not(received):
    assert valid_traceparent(received) is None


def head(*lines):
    raw = b"\r\n".join([b"GET / HTTP/1.1", b"host: a", b"a: b", *lines, b"", b""])
    return parse_request(raw, len(raw), 100)


STATE = b"tracestate: a=1,b=2"


def test_tracestate_goes_on_beside_a_valid_traceparent():
    understood = head(STATE, b"TraceParent: " + VALID + b" ")
    assert understood.traceparent == VALID
    assert understood.passed_on == b"\r\nhost: a\r\na: b\r\ntracestate: a=1,b=2"


def test_tracestate_on_several_lines_is_one_list():
    understood = head(STATE, b"traceparent: " + VALID, b"Tracestate: c=3")
    assert understood.passed_on == b"\r\nhost: a\r\na: b\r\ntracestate: a=1,b=2, c=3"


@pytest.mark.parametrize(
    "lines",
    [
        [STATE],
        [STATE, b"traceparent:"],
        [STATE, b"traceparent: ff" + VALID[2:]],
        [STATE, b"traceparent: " + VALID, b"traceparent: " + VALID],
        [STATE, b"traceparent: " + VALID, b"connection: traceparent"],
    ],
)
def test_tracestate_goes_no_further_without(lines):
    understood = head(*lines)
    assert understood.traceparent is None
    assert understood.passed_on == b"\r\nhost: a\r\na: b"
