"""Heads: what is accepted and how it is understood, what is refused and why, and h11 as the second opinion.

Stricter than h11, on purpose; `stricter_than_h11` lists every place. Never wider: what is accepted here, h11 accepts,
and it reads the same method, target, fields and persistence.
"""

import re
import string
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter

import h11
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from router.core.credentials import text_digest
from router.core.heads import (
    MAX_CLIENT_ID,
    no_request,
    parse_request,
    parse_response,
    refuse_early,
)
from router.errors import MalformedMessage, Outcome

HOST = {b"host": b"a"}


def request(raw, max_fields=100):
    return parse_request(raw, len(raw), max_fields)


def get(*lines, start=b"GET / HTTP/1.1"):
    """A head with these lines after `host: a`."""
    return b"\r\n".join([start, b"host: a", *lines, b"", b""])


def get10(*lines):
    return get(*lines, start=b"GET / HTTP/1.0")


def hosted(value):
    return b"GET / HTTP/1.1\r\nhost:%b\r\n\r\n" % value


def answer(*lines, start=b"HTTP/1.1 200 OK"):
    return b"\r\n".join([start, *lines, b"", b""])


@dataclass
class Understood:
    """What a request's head should be understood as; the defaults are those of `get()`."""

    method: bytes = b"GET"
    target: bytes = b"/"
    host: bytes = b"a"
    http11: bool = True
    keep_alive: bool = True
    chunked: bool = False
    length: int = 0
    fields: dict[bytes, bytes] = field(default_factory=lambda: HOST)
    kept: bytes = b""


# -- requests that are accepted ----------------------------------------------------------------------------------------

ACCEPTED = {
    # start lines
    "the least": (get(), Understood()),
    "another method": (get(start=b"POST / HTTP/1.1"), Understood(method=b"POST")),
    "a method of one's own": (
        get(start=b"M-SEARCH!#$%&'*+.^_`|~ / HTTP/1.1"),
        Understood(method=b"M-SEARCH!#$%&'*+.^_`|~"),
    ),
    "methods are case-sensitive": (get(start=b"get / HTTP/1.1"), Understood(method=b"get")),
    "a path and a query": (get(start=b"GET /a/b?c=d&e HTTP/1.1"), Understood(target=b"/a/b?c=d&e")),
    "a target is not normalised": (get(start=b"GET //a/b%2F%7e;x HTTP/1.1"), Understood(target=b"//a/b%2F%7e;x")),
    "a target with all visible characters": (
        get(start=b"GET /\"<>\\^`{|}' HTTP/1.1"),
        Understood(target=b"/\"<>\\^`{|}'"),
    ),
    "absolute form": (get(start=b"GET http://b/c?d HTTP/1.1"), Understood(target=b"/c?d", host=b"b")),
    "absolute form with https": (get(start=b"GET HTTPS://b:1/ HTTP/1.1"), Understood(host=b"b:1")),
    "absolute form without a path": (get(start=b"GET http://b HTTP/1.1"), Understood(target=b"/", host=b"b")),
    "absolute form with a query alone": (get(start=b"GET http://b?c HTTP/1.1"), Understood(target=b"/?c", host=b"b")),
    "absolute form with an address": (
        get(start=b"GET http://[::1]:8/x HTTP/1.1"),
        Understood(target=b"/x", host=b"[::1]:8"),
    ),
    "absolute form with another path in the query": (
        get(start=b"GET http://b?/c@d HTTP/1.1"),
        Understood(target=b"/?/c@d", host=b"b"),
    ),
    "HTTP/1.0": (get10(), Understood(http11=False, keep_alive=False)),
    "HTTP/1.0 without a host": (
        b"GET / HTTP/1.0\r\n\r\n",
        Understood(http11=False, keep_alive=False, host=b"", fields={}),
    ),
    # hosts
    "a host with a port": (hosted(b" a.b:80"), Understood(host=b"a.b:80", fields={b"host": b"a.b:80"})),
    "an empty host": (hosted(b""), Understood(host=b"", fields={b"host": b""})),
    "white space around a host": (
        b"GET / HTTP/1.1\r\nhOsT: \t a \t\r\n\r\n",
        Understood(fields={b"host": b"a \t"}),
    ),
    "no white space before a host": (hosted(b"a"), Understood()),
    "a host that is an address": (hosted(b" [::1]"), Understood(host=b"[::1]", fields={b"host": b"[::1]"})),
    "a host with an underscore": (hosted(b" a_b"), Understood(host=b"a_b", fields={b"host": b"a_b"})),
    "host comes last": (
        b"GET / HTTP/1.1\r\naccept: x\r\nhost: a\r\n\r\n",
        Understood(kept=b"\r\naccept: x"),
    ),
    # fields that go on as they are
    "other fields are kept": (get(b"Accept: */*", b"X-B:c"), Understood(kept=b"\r\nAccept: */*\r\nX-B:c")),
    "repeated fields are kept in their order": (
        get(b"a: 1", b"b: 2", b"a: 3"),
        Understood(kept=b"\r\na: 1\r\nb: 2\r\na: 3"),
    ),
    "white space is kept": (get(b"a: \t b \t c \t"), Understood(kept=b"\r\na: \t b \t c \t")),
    "empty values are kept": (get(b"a:", b"b: "), Understood(kept=b"\r\na:\r\nb: ")),
    "bytes above 127 are kept": (get(b"a: \x80\xff"), Understood(kept=b"\r\na: \x80\xff")),
    "tabs within values are kept": (get(b"a: b\tc"), Understood(kept=b"\r\na: b\tc")),
    "colons within values are kept": (get(b"a: b:c::"), Understood(kept=b"\r\na: b:c::")),
    "all token characters make a name": (get(b"!#$%&'*+-.^_`|~: x"), Understood(kept=b"\r\n!#$%&'*+-.^_`|~: x")),
    "names that begin like others are kept": (
        get(b"hosts: x", b"te-st: x", b"content-length-x: 1", b"xx-ms-a: x", b"x-msa: x", b"authorization2: x"),
        Understood(
            kept=b"\r\nhosts: x\r\nte-st: x\r\ncontent-length-x: 1\r\nxx-ms-a: x\r\nx-msa: x\r\nauthorization2: x"
        ),
    ),
    "names in values are kept": (get(b"a: host: b"), Understood(kept=b"\r\na: host: b")),
    "expect is kept": (get(b"Expect: 100-continue"), Understood(kept=b"\r\nExpect: 100-continue")),
    # fields that are read, and go no further
    "a credential": (
        get(b"Authorization: Bearer x"),
        Understood(fields=HOST | {b"authorization": text_digest(b"x")}),
    ),
    "a pinned version": (
        get(b"azureml-model-deployment: blue "),
        Understood(fields=HOST | {b"azureml-model-deployment": b"blue "}),
    ),
    "x-ms fields": (
        get(b"x-ms-client-request-id: 1", b"X-MS-other: 2", b"x-ms-: 3", b"a: b"),
        Understood(
            fields=HOST | {b"x-ms-client-request-id": b"1", b"x-ms-other": b"2", b"x-ms-": b"3"}, kept=b"\r\na: b"
        ),
    ),
    "ids and forwarding fields": (
        get(b"x-request-id: 1", b"traceparent: 2", b"forwarded: 3", b"x-forwarded-for: 4"),
        Understood(
            fields=HOST | {b"x-request-id": b"1", b"traceparent": b"2", b"forwarded": b"3", b"x-forwarded-for": b"4"}
        ),
    ),
    "the rest of the forwarding fields": (
        get(b"x-forwarded-proto: 1", b"x-forwarded-host: 2", b"x-forwarded-port: 3"),
        Understood(
            fields=HOST | {b"x-forwarded-proto": b"1", b"x-forwarded-host": b"2"}, kept=b"\r\nx-forwarded-port: 3"
        ),
    ),
    "hop-by-hop fields": (
        get(b"te: trailers", b"upgrade: h2c", b"keep-alive: 5", b"proxy-connection: x", b"a: b"),
        Understood(
            fields=HOST | {b"te": b"trailers", b"upgrade": b"h2c", b"keep-alive": b"5", b"proxy-connection": b"x"},
            kept=b"\r\na: b",
        ),
    ),
    "proxy credentials": (
        get(b"Proxy-Authorization: Basic x"),
        Understood(fields=HOST | {b"proxy-authorization": b"Basic x"}),
    ),
    "repeated list fields are one list": (
        get(b"x-forwarded-for: 1", b"a: b", b"X-Forwarded-For: 2"),
        Understood(fields=HOST | {b"x-forwarded-for": b"1, 2"}, kept=b"\r\na: b"),
    ),
    # framing
    "a length": (get(b"content-length: 5"), Understood(length=5, fields=HOST | {b"content-length": b"5"})),
    "a length of nothing": (get(b"content-length: 0"), Understood(fields=HOST | {b"content-length": b"0"})),
    "a length with white space": (
        get(b"content-length:\t 5 \t"),
        Understood(length=5, fields=HOST | {b"content-length": b"5 \t"}),
    ),
    "a length with zeros before": (
        get(b"content-length: 007"),
        Understood(length=7, fields=HOST | {b"content-length": b"007"}),
    ),
    "the longest length": (
        get(b"content-length: " + b"9" * 18),
        Understood(length=10**18 - 1, fields=HOST | {b"content-length": b"9" * 18}),
    ),
    "chunked": (
        get(b"transfer-encoding: chunked"),
        Understood(chunked=True, fields=HOST | {b"transfer-encoding": b"chunked"}),
    ),
    "chunked in capitals": (
        get(b"Transfer-Encoding: Chunked \t"),
        Understood(chunked=True, fields=HOST | {b"transfer-encoding": b"Chunked \t"}),
    ),
    # persistence
    "close": (get(b"connection: close"), Understood(keep_alive=False, fields=HOST | {b"connection": b"close"})),
    "close in capitals": (
        get(b"Connection: CLOSE"),
        Understood(keep_alive=False, fields=HOST | {b"connection": b"CLOSE"}),
    ),
    "close among others": (
        get(b"connection: , keep-alive ,\tclose ,"),
        Understood(keep_alive=False, fields=HOST | {b"connection": b", keep-alive ,\tclose ,"}),
    ),
    "close on a line of its own": (
        get(b"connection: keep-alive", b"connection: close"),
        Understood(keep_alive=False, fields=HOST | {b"connection": b"keep-alive, close"}),
    ),
    "something like close": (get(b"connection: closed"), Understood(fields=HOST | {b"connection": b"closed"})),
    "keep-alive": (get(b"connection: keep-alive"), Understood(fields=HOST | {b"connection": b"keep-alive"})),
    "keep-alive with HTTP/1.0": (
        get10(b"connection: Keep-Alive"),
        Understood(http11=False, fields=HOST | {b"connection": b"Keep-Alive"}),
    ),
    "keep-alive and close with HTTP/1.0": (
        get10(b"connection: keep-alive, close"),
        Understood(http11=False, keep_alive=False, fields=HOST | {b"connection": b"keep-alive, close"}),
    ),
    # fields that Connection names
    "a named field": (
        get(b"a: 1", b"connection: X-Hop, close", b"x-hop: 2", b"x-hopp: 3", b"X-HOP: 4", b"b: x-hop: 5"),
        Understood(
            keep_alive=False,
            fields=HOST | {b"connection": b"X-Hop, close"},
            kept=b"\r\na: 1\r\nx-hopp: 3\r\nb: x-hop: 5",
        ),
    ),
    "the only field is named": (
        get(b"connection: a", b"a: 1"),
        Understood(fields=HOST | {b"connection": b"a"}),
    ),
    "a named field that is read": (
        get(b"connection: x-forwarded-for", b"x-forwarded-for: 1"),
        Understood(fields=HOST | {b"connection": b"x-forwarded-for"}),
    ),
    "naming does not undo framing, host, credential or pin": (
        get(
            b"connection: host, content-length, authorization, azureml-model-deployment",
            b"content-length: 5",
            b"authorization: x",
            b"azureml-model-deployment: y",
        ),
        Understood(
            length=5,
            fields=HOST
            | {
                b"connection": b"host, content-length, authorization, azureml-model-deployment",
                b"content-length": b"5",
                b"authorization": text_digest(b"x"),
                b"azureml-model-deployment": b"y",
            },
        ),
    ),
    "naming does not undo chunks": (
        get(b"connection: transfer-encoding", b"transfer-encoding: chunked"),
        Understood(chunked=True, fields=HOST | {b"connection": b"transfer-encoding", b"transfer-encoding": b"chunked"}),
    ),
    "what is named may be no name": (
        get(b"connection: .*, a b, (", b"a: 1"),
        Understood(fields=HOST | {b"connection": b".*, a b, ("}, kept=b"\r\na: 1"),
    ),
    # many
    "as many lines as are allowed": (get(*[b"a: 1"] * 99), Understood(kept=b"\r\na: 1" * 99)),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name):
    raw, expected = ACCEPTED[name]
    head = request(raw)
    assert {name: getattr(head, name) for name in vars(expected)} == vars(expected)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_goes_on_is_the_host_what_is_kept_and_the_framing(name):
    head = request(ACCEPTED[name][0])
    framing = b""
    if head.chunked:
        framing = b"\r\ntransfer-encoding: chunked"
    elif b"content-length" in head.fields:
        framing = b"\r\ncontent-length: %d" % head.length
    assert head.passed_on == b"\r\nhost: " + head.host + head.kept + framing
    assert head.traceparent is None


def test_what_lies_beyond_the_head_is_not_looked_at():
    raw = get(b"b: c")
    assert parse_request(raw + b"\x00 garbage \r\n\r\n", len(raw), 100).kept == b"\r\nb: c"


# -- requests that are refused -----------------------------------------------------------------------------------------

GRAMMAR = "not HTTP/1.1 as RFC 9112"
TARGET = "neither a path nor an http URL"

REFUSED = {
    # start lines
    "nothing": (b"\r\n\r\n", GRAMMAR),
    "no request line": (b"host: a\r\n\r\n", GRAMMAR),
    "no method": (get(start=b" / HTTP/1.1"), GRAMMAR),
    "a method that is no token": (get(start=b"GE(T / HTTP/1.1"), GRAMMAR),
    "no target": (get(start=b"GET HTTP/1.1"), GRAMMAR),
    "two spaces": (get(start=b"GET  / HTTP/1.1"), GRAMMAR),
    "a tab": (get(start=b"GET\t/ HTTP/1.1"), GRAMMAR),
    "a space in the target": (get(start=b"GET /a b HTTP/1.1"), GRAMMAR),
    "a space at the end": (get(start=b"GET / HTTP/1.1 "), GRAMMAR),
    "a space at the beginning": (get(start=b" GET / HTTP/1.1"), GRAMMAR),
    "a line end at the beginning": (b"\r\n" + get(), GRAMMAR),
    "a byte above 127 in the target": (get(start=b"GET /\xc3\xa4 HTTP/1.1"), GRAMMAR),
    "a control character in the target": (get(start=b"GET /\x07 HTTP/1.1"), GRAMMAR),
    "DEL in the target": (get(start=b"GET /\x7f HTTP/1.1"), GRAMMAR),
    "NUL in the target": (get(start=b"GET /\x00 HTTP/1.1"), GRAMMAR),
    "a bare CR in the target": (get(start=b"GET /\r HTTP/1.1"), GRAMMAR),
    "no version": (get(start=b"GET /"), GRAMMAR),
    "another version": (get(start=b"GET / HTTP/1.2"), GRAMMAR),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\n", GRAMMAR),
    "HTTP/0.9": (get(start=b"GET / HTTP/0.9"), GRAMMAR),
    "a version in small letters": (get(start=b"GET / http/1.1"), GRAMMAR),
    "a version of three parts": (get(start=b"GET / HTTP/1.1.1"), GRAMMAR),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", GRAMMAR),
    "authority form without CONNECT": (get(start=b"GET a:80 HTTP/1.1"), TARGET),
    "a relative path": (get(start=b"GET a/b HTTP/1.1"), TARGET),
    "another scheme": (get(start=b"GET ftp://a/ HTTP/1.1"), TARGET),
    "no authority": (get(start=b"GET http:///a HTTP/1.1"), TARGET),
    "a user in the authority": (get(start=b"GET http://user@a/ HTTP/1.1"), TARGET),
    "a password in the authority": (get(start=b"GET http://user:secret@a/ HTTP/1.1"), TARGET),
    # hosts
    "no host": (b"GET / HTTP/1.1\r\n\r\n", "header Host is missing"),
    "no host beside absolute form": (b"GET http://a/ HTTP/1.1\r\n\r\n", "header Host is missing"),
    "two hosts": (get(b"Host: a"), "header host is repeated"),
    "two hosts in one": (hosted(b" a, b"), "not a host name"),
    "a host with a path": (hosted(b" a/b"), "not a host name"),
    "a host with a user": (hosted(b" u@a"), "not a host name"),
    "a host with a byte above 127": (hosted(b" \xe4"), "not a host name"),
    "a host with a quote, in the target": (get(start=b'GET http://a"/ HTTP/1.1'), "not a host name"),
    # lines
    "a bare LF": (b"GET / HTTP/1.1\nhost: a\r\n\r\n", GRAMMAR),
    "a bare LF between fields": (b"GET / HTTP/1.1\r\nhost: a\nb: c\r\n\r\n", GRAMMAR),
    "a bare CR in a value": (get(b"b: c\rd"), GRAMMAR),
    "a bare CR at the end of a value": (get(b"b: c\r"), GRAMMAR),
    "a folded line": (get(b"b: c", b" d"), GRAMMAR),
    "a folded line with a tab": (get(b"b: c", b"\td: e"), GRAMMAR),
    "a folded first line": (b"GET / HTTP/1.1\r\n host: a\r\n\r\n", GRAMMAR),
    "a line without a colon": (get(b"b"), GRAMMAR),
    "a line without a name": (get(b": c"), GRAMMAR),
    "a space before the colon": (get(b"b : c"), GRAMMAR),
    "a space before the colon of a length": (get(b"content-length : 5"), GRAMMAR),
    "a space within a name": (get(b"b c: d"), GRAMMAR),
    "a name with a byte above 127": (get(b"\xe4: b"), GRAMMAR),
    "a name with parentheses": (get(b"b(c): d"), GRAMMAR),
    "NUL in a value": (get(b"b: \x00"), GRAMMAR),
    "a control character in a value": (get(b"b: \x0b"), GRAMMAR),
    "DEL in a value": (get(b"b: \x7f"), GRAMMAR),
    "NUL in a name": (get(b"b\x00: c"), GRAMMAR),
    # framing
    "two lengths": (get(b"content-length: 5", b"content-length: 6"), "content-length is repeated"),
    "the same length twice": (get(b"content-length: 5", b"Content-Length: 5"), "content-length is repeated"),
    "a list of lengths": (get(b"content-length: 5, 5"), "not a number of bytes"),
    "an empty length": (get(b"content-length:"), "not a number of bytes"),
    "a negative length": (get(b"content-length: -1"), "not a number of bytes"),
    "a length with a plus": (get(b"content-length: +1"), "not a number of bytes"),
    "a length with an underscore": (get(b"content-length: 1_0"), "not a number of bytes"),
    "a length with a point": (get(b"content-length: 1.0"), "not a number of bytes"),
    "a length in hexadecimal": (get(b"content-length: 0x1"), "not a number of bytes"),
    "a length of another script": (get("content-length: ٥".encode()), "not a number of bytes"),
    "a length of 19 digits": (get(b"content-length: " + b"9" * 19), "not a number of bytes"),
    "length and chunks": (get(b"content-length: 5", b"transfer-encoding: chunked"), "both Transfer-Encoding and"),
    "chunks and length": (get(b"transfer-encoding: chunked", b"content-length: 5"), "both Transfer-Encoding and"),
    "chunks with HTTP/1.0": (get10(b"transfer-encoding: chunked"), "in an HTTP/1.0 message"),
    "another coding": (get(b"transfer-encoding: gzip"), "only transfer coding accepted"),
    "two codings": (get(b"transfer-encoding: gzip, chunked"), "only transfer coding accepted"),
    "chunked twice": (get(b"transfer-encoding: chunked, chunked"), "only transfer coding accepted"),
    "chunked on two lines": (get(*[b"transfer-encoding: chunked"] * 2), "transfer-encoding is repeated"),
    "chunked and identity": (get(b"transfer-encoding: chunked, identity"), "only transfer coding accepted"),
    "identity": (get(b"transfer-encoding: identity"), "only transfer coding accepted"),
    "an empty coding": (get(b"transfer-encoding:"), "only transfer coding accepted"),
    "something like chunked": (get(b"transfer-encoding: xchunked"), "only transfer coding accepted"),
    "chunked with a parameter": (get(b"transfer-encoding: chunked;q=1"), "only transfer coding accepted"),
    "chunked in quotes": (get(b'transfer-encoding: "chunked"'), "only transfer coding accepted"),
    # fields that may stand once
    "two credentials": (get(b"authorization: a", b"Authorization: b"), "authorization is repeated"),
    "two pins": (get(*[b"azureml-model-deployment: a"] * 2), "azureml-model-deployment is repeated"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    raw, reason = REFUSED[name]
    with pytest.raises(MalformedMessage, match=reason) as refusal:
        request(raw)
    assert refusal.value.outcome is Outcome.BAD_REQUEST


def test_too_many_lines_are_refused_for_their_number():
    with pytest.raises(MalformedMessage, match="more than 100 header lines") as refusal:
        request(get(*[b"a: 1"] * 100))
    assert refusal.value.outcome is Outcome.HEAD_TOO_LARGE


def test_a_head_that_is_cut_short_is_refused():
    raw = get(b"b: c")
    for end in range(len(raw)):
        with pytest.raises(MalformedMessage):
            parse_request(raw, end, 100)


@pytest.mark.parametrize("beginning", [b"GET / HTTP/1.1\n", b"\n", b"GET / HTTP/1.1\r\nhost: a\n\n"])
def test_a_beginning_with_a_bare_line_feed_is_refused_early(beginning):
    with pytest.raises(MalformedMessage, match="LF alone"):
        refuse_early(beginning)


@pytest.mark.parametrize("beginning", [b"", b"GET", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\n", get()[:-1]])
def test_a_beginning_that_may_become_a_head_is_not(beginning):
    refuse_early(bytearray(beginning))


def test_the_head_of_nothing():
    head = no_request()
    assert (head.method, head.target, head.host, head.kept, head.fields) == (b"", b"", b"", b"", {})
    assert (head.http11, head.keep_alive, head.chunked, head.length) == (True, False, False, 0)


def test_requests_are_printed():
    raw = get(b"content-length: 5", start=b"POST /score HTTP/1.1")
    assert repr(request(raw)) == "<RequestHead POST /score length=5 chunked=False>"


# -- responses ---------------------------------------------------------------------------------------------------------


@dataclass
class Answered:
    """What a response's head should be understood as; the defaults are those of `answer()`."""

    status: int = 200
    reason: bytes = b"OK"
    keep_alive: bool = True
    chunked: bool = False
    length: int | None = None
    fields: dict[bytes, bytes] = field(default_factory=dict)
    kept: bytes = b""


ANSWERED = {
    "the least": (answer(), Answered()),
    "without a reason": (answer(start=b"HTTP/1.1 200"), Answered(reason=b"")),
    "an empty reason": (answer(start=b"HTTP/1.1 200 "), Answered(reason=b"")),
    "a long reason": (answer(start=b"HTTP/1.1 404 Not \t\xe4 Found"), Answered(status=404, reason=b"Not \t\xe4 Found")),
    "an interim one": (answer(start=b"HTTP/1.1 100 Continue"), Answered(status=100, reason=b"Continue")),
    "a status of no class": (answer(start=b"HTTP/1.1 999 X"), Answered(status=999, reason=b"X")),
    "a length": (answer(b"Content-Length: 5"), Answered(length=5, fields={b"content-length": b"5"})),
    "a length of nothing": (answer(b"content-length: 0"), Answered(length=0, fields={b"content-length": b"0"})),
    "chunked": (
        answer(b"transfer-encoding: chunked"),
        Answered(chunked=True, fields={b"transfer-encoding": b"chunked"}),
    ),
    "close": (answer(b"connection: close"), Answered(keep_alive=False, fields={b"connection": b"close"})),
    "HTTP/1.0": (answer(start=b"HTTP/1.0 200 OK"), Answered(keep_alive=False)),
    "HTTP/1.0 that stays": (
        answer(b"connection: keep-alive", b"content-length: 1", start=b"HTTP/1.0 200 OK"),
        Answered(length=1, fields={b"connection": b"keep-alive", b"content-length": b"1"}),
    ),
    "HTTP/1.0 in chunks ends with them": (  # RFC 9112 section 6.1
        answer(b"connection: keep-alive", b"transfer-encoding: chunked", start=b"HTTP/1.0 200 OK"),
        Answered(
            keep_alive=False, chunked=True, fields={b"connection": b"keep-alive", b"transfer-encoding": b"chunked"}
        ),
    ),
    "what it says is kept": (
        answer(b"content-type: a", b"Set-Cookie: 1", b"set-cookie: 2", b"x-ms-run-function-failed: True"),
        Answered(kept=b"\r\ncontent-type: a\r\nSet-Cookie: 1\r\nset-cookie: 2\r\nx-ms-run-function-failed: True"),
    ),
    "what only the router says is not": (
        answer(b"x-request-id: 1", b"x-ms-request-id: 2", b"x-ms-client-request-id: 3", b"azureml-model-deployment: 4"),
        Answered(
            fields={
                b"x-request-id": b"1",
                b"x-ms-request-id": b"2",
                b"x-ms-client-request-id": b"3",
                b"azureml-model-deployment": b"4",
            }
        ),
    ),
    "hop-by-hop fields": (
        answer(b"keep-alive: 1", b"proxy-connection: 2", b"upgrade: 3", b"a: b"),
        Answered(fields={b"keep-alive": b"1", b"proxy-connection": b"2", b"upgrade": b"3"}, kept=b"\r\na: b"),
    ),
    "named fields": (
        answer(b"connection: a", b"a: 1", b"b: 2"),
        Answered(fields={b"connection": b"a"}, kept=b"\r\nb: 2"),
    ),
    "many lines": (answer(*[b"a: 1"] * 500), Answered(kept=b"\r\na: 1" * 500)),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_answered(name):
    raw, expected = ANSWERED[name]
    head = parse_response(raw, len(raw))
    assert {name: getattr(head, name) for name in vars(expected)} == vars(expected)


@pytest.mark.parametrize(
    ("raw", "passed_on"),
    [
        (answer(b"a: b", b"content-length: 05"), b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 5"),
        (answer(start=b"HTTP/1.0 404 Not Found"), b"HTTP/1.1 404 Not Found"),
        (answer(b"transfer-encoding: chunked", b"a: b"), b"HTTP/1.1 200 OK\r\na: b"),
        (answer(b"a: b", start=b"HTTP/1.1 500 Whatever"), b"HTTP/1.1 502 Bad Gateway\r\na: b"),
        (answer(b"content-length: 0", start=b"HTTP/1.1 204 No"), b"HTTP/1.1 204 No"),
        (answer(b"content-length: 9", start=b"HTTP/1.1 304 No"), b"HTTP/1.1 304 No\r\ncontent-length: 9"),
    ],
)
def test_what_goes_on_is_the_status_what_is_kept_and_the_length(raw, passed_on):
    assert parse_response(raw, len(raw)).passed_on == passed_on


def test_an_answer_without_content_has_no_chunks():  # RFC 9112 section 6.1
    raw = answer(b"transfer-encoding: chunked", start=b"HTTP/1.1 204 No Content")
    assert not parse_response(raw, len(raw)).chunked


NO_ANSWER = {
    "nothing": b"\r\n\r\n",
    "a request": get(),
    "another version": answer(start=b"HTTP/2.0 200 OK"),
    "a small version": answer(start=b"http/1.1 200 OK"),
    "no status": answer(start=b"HTTP/1.1 OK"),
    "two digits": answer(start=b"HTTP/1.1 20 OK"),
    "four digits": answer(start=b"HTTP/1.1 2000 OK"),
    "a status below 100": answer(start=b"HTTP/1.1 099 OK"),
    "two spaces before the status": answer(start=b"HTTP/1.1  200 OK"),
    "a control character in the reason": answer(start=b"HTTP/1.1 200 O\x01K"),
    "a bare CR in the reason": answer(start=b"HTTP/1.1 200 O\rK"),
    "a bare LF": b"HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n",
    "a folded line": answer(b"a: b", b" c"),
    "a space before a colon": answer(b"content-length : 5"),
    "a line without a colon": answer(b"a"),
    "NUL": answer(b"a: \x00"),
    "two lengths": answer(b"content-length: 5", b"content-length: 5"),
    "a length that is none": answer(b"content-length: five"),
    "length and chunks": answer(b"content-length: 5", b"transfer-encoding: chunked"),
    "another coding": answer(b"transfer-encoding: gzip, chunked"),
}


@pytest.mark.parametrize("name", NO_ANSWER)
def test_what_is_no_answer_is_refused(name):
    raw = NO_ANSWER[name]
    with pytest.raises(MalformedMessage):
        parse_response(raw, len(raw))


def test_responses_are_printed():
    raw = answer(b"content-length: 5")
    assert repr(parse_response(raw, len(raw))) == "<ResponseHead 200 length=5 chunked=False>"


# -- h11's opinion -----------------------------------------------------------------------------------------------------

READ_IN_REQUESTS = re.compile(
    rb"host|content-length|transfer-encoding|connection|keep-alive|proxy-[a-z-]+|te|upgrade|authorization|forwarded"
    rb"|azureml-model-deployment|x-request-id|x-ms-.*|x-forwarded-(for|proto|host)|traceparent|tracestate"
)
READ_IN_RESPONSES = re.compile(
    rb"content-length|transfer-encoding|connection|keep-alive|proxy-connection|upgrade|x-request-id|x-ms-request-id"
    rb"|x-ms-client-request-id|azureml-model-deployment"
)
FRAMING_AND_CREDENTIAL = {
    b"host", b"content-length", b"transfer-encoding", b"authorization", b"azureml-model-deployment",
}  # fmt: skip
HOST_NAME = rb"(?:(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?"
OF_THE_CONNECTION = {b"close", b"keep-alive", b"upgrade", b"te"}


def h11_request(raw):
    """(event, does the connection persist, if h11 says so); None where h11 refuses."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20)
    try:
        connection.receive_data(raw)
        event = connection.next_event()
        if event is h11.NEED_DATA:
            return None
        connection.next_event()
    except h11.RemoteProtocolError:
        return None
    # it does not say where a body follows, or where the client asked for another protocol
    return event, {h11.DONE: True, h11.MUST_CLOSE: False}.get(connection.their_state)


def h11_response(raw):
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    try:
        connection.receive_data(raw)
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    return None if event is h11.NEED_DATA else event


def comparable(value):
    return re.sub(rb"[ \t]*,[ \t]*", b",", value.strip(b" \t")).lower()


def assert_same_fields(head, headers, read):
    """h11's list of headers, divided as the router divides them."""
    named = {option.strip() for name, value in headers if name == b"connection" for option in value.lower().split(b",")}
    lines = [line.partition(b":") for line in head.kept.split(b"\r\n")[1:]]
    assert [(name.lower(), value.strip(b" \t")) for name, _, value in lines] == [
        (name, value)
        for name, value in headers
        if not read.fullmatch(name) and name not in named - OF_THE_CONNECTION - {b""}
    ]
    expected: dict[bytes, bytes] = {}
    for name, value in headers:
        if read.fullmatch(name) and (name in FRAMING_AND_CREDENTIAL or name not in named - OF_THE_CONNECTION):
            expected[name] = expected[name] + b", " + value if name in expected else value
    assert head.fields.keys() == expected.keys()
    # of a credential only a digest is kept
    assert {name: comparable(head.fields[name]) for name in expected if name != b"authorization"} == {
        name: comparable(value) for name, value in expected.items() if name != b"authorization"
    }


def assert_h11_agrees(raw, head):
    opinion = h11_request(raw)
    assert opinion is not None
    event, persists = opinion
    assert event.method == head.method
    assert event.http_version == (b"1.1" if head.http11 else b"1.0")
    if event.target[:1] == b"/":
        assert event.target == head.target
    else:
        assert event.target.lower().startswith((b"http://%b" % head.host.lower(), b"https://%b" % head.host.lower()))
        assert event.target.endswith(head.target.lstrip(b"/"))
    assert_same_fields(head, list(event.headers), READ_IN_REQUESTS)
    if persists is not None and head.http11:  # h11 keeps no HTTP/1.0 connection
        assert persists == head.keep_alive


def stricter_than_h11(raw):
    """Why a head that h11 accepts is refused here; empty where there is no such reason."""
    end = raw.find(b"\r\n\r\n") + 4
    start, *lines = re.split(rb"\r?\n", raw[:end].rstrip(b"\r\n"))
    fields = [line.partition(b":") for line in lines]
    values = {name.lower(): value.strip(b" \t") for name, _, value in fields}
    names = [name.lower() for name, _, _ in fields]
    target = start.split(b" ")[1]
    return {
        reason
        for reason, holds in {
            "a line ends with LF alone": re.search(rb"(?<!\r)\n", raw),
            "obs-fold": re.search(rb"\n[ \t]", raw),
            "control character in a value": re.search(rb"[\x01-\x08\x0e-\x1f\x7f]", raw),
            "version": not start.endswith((b" HTTP/1.1", b" HTTP/1.0")),
            "target": not re.fullmatch(rb"/[^#]*|(?i:https?)://[^/?#@]+([/?][^#]*)?", target),
            "path": re.search(rb"%(?![0-9A-Fa-f]{2})|%00|/(\.|%2[eE]){1,2}(/|$)", target.partition(b"?")[0]),
            "CONNECT": start.startswith(b"CONNECT "),
            "host": not re.fullmatch(HOST_NAME, values.get(b"host", b"")),
            "host in the target": not re.match(rb"(/|(?i:[a-z]+)://%b([/?]|$))" % HOST_NAME, target),
            "length": not re.fullmatch(rb"[0-9]{1,18}", values.get(b"content-length", b"0")),
            "both framings": {b"content-length", b"transfer-encoding"} <= set(names),
            "chunks in HTTP/1.0": start.endswith(b"1.0") and b"transfer-encoding" in names,
            "repeated": any(names.count(name) > 1 for name in FRAMING_AND_CREDENTIAL),
        }.items()
        if holds
    }


tokens = st.text("!#$%&'*+-.^_`|~" + string.ascii_letters + string.digits, min_size=1, max_size=8).map(str.encode)
values = st.lists(st.sampled_from([b"a", b"B", b",", b":", b" ", b"\t", b"\xe4", b'"', b"close"]), max_size=6).map(
    b"".join
)
white = st.sampled_from([b"", b" ", b"\t "])
known = st.sampled_from(
    [
        b"Accept", b"Keep-Alive", b"TE", b"upgrade", b"Proxy-Authorization", b"x-ms-client-request-id", b"Cookie",
        b"X-Forwarded-For", b"x-forwarded-proto", b"traceparent", b"X-Request-ID", b"x-user-id",
    ]
)  # fmt: skip
once = st.sampled_from([b"Authorization: Bearer x", b"azureml-model-deployment: blue"])
options = st.sampled_from([b"close", b"keep-alive", b"X-User-Id", b"cookie", b"host", b""])
connections = st.lists(options, max_size=3).map(lambda listed: b"Connection: " + b" , ".join(listed))
framings = st.sampled_from([b"content-length: 0", b"Content-Length:\t12 ", b"transfer-encoding: Chunked", b"x: y"])
lines = st.tuples(known | tokens, st.just(b":"), white, values, white).map(b"".join)
targets = st.sampled_from(
    [
        b"/",
        b"/a/b?c=d",
        b"//",
        b"/%2e%2ex/.y",
        b"http://b.c:80/d?e",
        b"https://[::1]",
        b"http://b?c",
        b"/~!$&'()*+,;=:@",
    ]
)
FRAMED = re.compile(rb"(?i:host|content-length|transfer-encoding|authorization|azureml-model-deployment|connection):")


@st.composite
def request_heads(draw):
    """Heads that the grammar makes and that are in no doubt about anything."""
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    head = [b"%b: b.c:80" % draw(st.sampled_from([b"host", b"Host"]))]
    head += [line for line in draw(st.lists(lines, max_size=5)) if not FRAMED.match(line)]
    head += draw(st.lists(once, max_size=2, unique=True)) + draw(st.lists(connections, max_size=2))
    framing = draw(framings)
    if version == b"1.1" or b"chunked" not in framing.lower():
        head.append(framing)
    head = draw(st.permutations(head))
    start = b"%b %b HTTP/%b" % (draw(tokens), draw(targets), version)
    return b"\r\n".join([start, *head, b"", b""])


@given(request_heads())
def test_what_the_grammar_makes_is_accepted_and_h11_agrees(raw):
    assert_h11_agrees(raw, request(raw))


BYTES = st.sampled_from([bytes([byte]) for byte in b"\r\n\x00\x01\x0b\x7f\xff \t:,;/?#@0159aZ_-()"])


@given(request_heads(), st.data())
def test_with_one_byte_changed_it_is_refused_or_h11_agrees(raw, data):
    at = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(BYTES | st.just(b""))
    mutated = raw[:at] + byte + raw[at + data.draw(st.integers(0, 1)) :]
    end = mutated.find(b"\r\n\r\n") + 4
    assume(end >= 4)
    try:
        head = parse_request(mutated, end, 100)
    except MalformedMessage:
        assert h11_request(mutated[:end]) is None or stricter_than_h11(mutated)
    else:
        assert_h11_agrees(mutated[:end], head)


@given(
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 404", b"HTTP/1.0 500 \xe4", b"HTTP/1.1 299 "]),
    st.lists(lines.filter(lambda line: not FRAMED.match(line)) | connections, max_size=5),
    framings,
    st.data(),
)
def test_of_responses_h11_says_the_same(start, fields, framing, data):
    raw = b"\r\n".join([start, *fields, framing, b"", b""])
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw = raw[:at] + data.draw(BYTES | st.just(b"")) + raw[at + data.draw(st.integers(0, 1)) :]
    end = raw.find(b"\r\n\r\n") + 4
    assume(end >= 4)
    try:
        head = parse_response(raw, end)
    except MalformedMessage:
        return
    event = h11_response(raw[:end])
    assert event is not None
    assert (event.status_code, bytes(event.reason)) == (head.status, head.reason)
    assert_same_fields(head, list(event.headers), READ_IN_RESPONSES)


@given(request_heads())
def test_no_request_is_a_response(raw):
    with pytest.raises(MalformedMessage):
        parse_response(raw, len(raw))


# -- hostile heads -----------------------------------------------------------------------------------------------------

HOSTILE = {
    "one long name": lambda size: get(b"a" * size + b": b"),
    "one long line without a colon": lambda size: get(b"a" * size),
    "one long value": lambda size: get(b"a: " + b"b" * size),
    "one long target": lambda size: get(start=b"GET /%b HTTP/1.1" % (b"a" * size)),
    "one long method": lambda size: b"a" * size + b"\r\n\r\n",
    "many colons": lambda size: get(b":" * size),
    "many colons in a value": lambda size: get(b"a" + b":" * size),
    "many spaces": lambda size: get(b"connection:" + b" " * size + b"x\x00"),
    "many spaces in a list": lambda size: get(b"connection: a" + b" " * size + b",b"),
    "many fields": lambda size: get(*[b"a:"] * (size // 4)),
    "many lines that are none": lambda size: get(*[b"a"] * (size // 3)),
    "many fields that are read": lambda size: get(*[b"te:"] * (size // 5)),
    "many empty lines to be": lambda size: b"GET / HTTP/1.1" + b"\r" * size + b"\r\n\r\n",
    "many connection options": lambda size: get(b"connection: " + b",".join(b"%x" % n for n in range(size // 6))),
    "many connection options and long fields": lambda size: get(
        b"connection: " + b",".join(b"%x" % n for n in range(size // 12)), *[b"b: " + b"c" * (size // 200)] * 90
    ),
    "many names with underscores": lambda size: get(*[b"x_ms_:"] * (size // 8)),
    "one long name of underscores": lambda size: get(b"x" + b"_ms_" * (size // 4) + b": b"),
    "many dots": lambda size: get(start=b"GET /%b HTTP/1.1" % (b"/..." * (size // 4))),
    "many escapes": lambda size: get(start=b"GET /%b HTTP/1.1" % (b"%2e%2e%2e" * (size // 9))),
    "a long host of escapes": lambda size: b"GET / HTTP/1.1\r\nhost: %b%%\r\n\r\n" % (b"%41" * (size // 3)),
    "a long address": lambda size: b"GET / HTTP/1.1\r\nhost: [%b\r\n\r\n" % (b":" * size),
    "many slashes": lambda size: get(start=b"GET http://%b HTTP/1.1" % (b"/" * size)),
    "a long authority": lambda size: get(start=b"GET http://%b@ HTTP/1.1" % (b"a" * size)),
    "a long host": lambda size: b"GET / HTTP/1.1\r\nhost: %b\x00\r\n\r\n" % (b"a" * size),
}


def seconds(raw):
    """The best of several, so that what else the machine does counts for little."""
    best = float("inf")
    for _ in range(7):
        began = perf_counter()
        with suppress(MalformedMessage):
            request(raw, max_fields=1_000_000)
        best = min(best, perf_counter() - began)
    return best


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_head_costs_no_more_than_its_size(name):
    make = HOSTILE[name]
    small, large = seconds(make(2**13)), seconds(make(2**17))
    assert large < 0.5
    assert large < max(80 * small, 0.01)  # sixteen times the bytes: linear is 16, quadratic is 256


@pytest.mark.parametrize(
    ("value", "echoed"),
    [
        (b"abc-DEF_123", b"abc-DEF_123"),
        (b" a b\tc ", b"abc"),
        (b"<script>alert(1)</script>", b"scriptalert1script"),
        (b"\xff\xe4.:;", b""),
        (b"", b""),
        (b"x" * 41, b"x" * 40),
        (b"." * 100 + b"y" * 41, b"y" * 40),  # the first 40 of those that may be echoed
    ],
)
def test_the_callers_own_id_is_cut_to_what_may_be_echoed(value, echoed):
    raw = b"GET / HTTP/1.1\r\nhost: a\r\nx-ms-client-request-id: %b\r\n\r\n" % value
    line = parse_request(raw, len(raw), 100).client_id
    assert line == (b"x-ms-client-request-id: %b\r\n" % echoed if echoed else b"")
    assert len(echoed) <= MAX_CLIENT_ID
