"""Where a body ends: tables, every way to cut the bytes, and h11 as the second opinion.

Stricter than h11, on purpose: chunk sizes have at most 16 digits, nothing but an extension may follow them, extensions
follow the grammar, lines end with CRLF, and trailers may not say what only a head may say. Wider in one place: white
space before the semicolon of an extension, which RFC 9112 section 7.1.1 has recipients accept. No extension goes on.
"""

import re
from itertools import pairwise

import h11
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from router.core.framing import MAX_CHUNK_LINE, MAX_TRAILERS, ChunkedBody, LengthBody, UntilCloseBody
from router.errors import MalformedMessage, Outcome


def read(body, *segments):
    """Feeds the segments while the body takes them; returns (passed on, beyond it)."""
    passed, beyond = b"", b""
    for segment in segments:
        if body.done:
            beyond += segment
            continue
        more, beyond = body.feed(segment)
        passed += more
    return passed, beyond


def whole(data):
    return [data]


def bytewise(data):
    return [data[at : at + 1] for at in range(len(data))]


def short(table):
    """What can be cut everywhere in no time."""
    return [name for name in table if len(table[name]) < 100]


def cut(data, places):
    edges = [0, *sorted({place for place in places if place <= len(data)}), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def verdict(data, segments, *, decode=False):
    """What became of the bytes: refused, or all that a reader says about them."""
    assert b"".join(segments) == data
    body = ChunkedBody(decode)
    try:
        passed, beyond = read(body, *segments)
    except MalformedMessage:
        return "refused"
    return passed, beyond, body.done, body.received


# -- by length, and until the connection closes ------------------------------------------------------------------------


def test_a_body_by_length_ends_after_that_many_bytes():
    body = LengthBody(5)
    assert body.feed(b"abc") == (b"abc", b"")
    assert (body.done, body.received) == (False, 3)
    assert body.feed(b"defgh") == (b"de", b"fgh")
    assert (body.done, body.received) == (True, 5)


def test_a_body_that_comes_in_one_piece():
    body = LengthBody(3)
    assert body.feed(b"abc") == (b"abc", b"")
    assert body.done


def test_a_body_of_no_bytes_is_done():
    assert LengthBody(0).done


@given(st.binary(max_size=40), st.binary(max_size=10), st.lists(st.integers(0, 50), max_size=8))
def test_a_body_by_length_does_not_depend_on_how_it_comes(payload, beyond, places):
    body = LengthBody(len(payload))
    assert read(body, *cut(payload + beyond, places)) == (payload, beyond)
    assert body.done
    assert body.received == len(payload)


def test_a_body_until_close_takes_everything_and_is_not_done_by_itself():
    body = UntilCloseBody()
    assert read(body, b"abc", b"", b"def") == (b"abcdef", b"")
    assert (body.done, body.received) == (False, 6)


# -- chunked: accepted -------------------------------------------------------------------------------------------------

EXTENSIONS = re.compile(rb"(?m)^([0-9A-Fa-f]+)[ \t]*;[^\r]*")
"""In the coded bodies of the table below; what remains is what goes on."""

PAYLOAD_OF = {
    "nothing": (b"0\r\n\r\n", b""),
    "one chunk": (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "two chunks": (b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", b"hello"),
    "upper-case size": (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "lower-case size": (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "leading zeros": (b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", b"hello"),
    "payload that looks like coding": (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    "payload of line ends": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
    "extension": (b"5;name\r\nhello\r\n0\r\n\r\n", b"hello"),
    "extension with a value": (b"5;name=value\r\nhello\r\n0;last\r\n\r\n", b"hello"),
    "extension with a quoted value": (b'5;name="a;b=\\"c\\" \xff"\r\nhello\r\n0\r\n\r\n', b"hello"),
    "white space around extensions": (b"5 ; a = b\t;c\r\nhello\r\n0\r\n\r\n", b"hello"),
    "trailer": (b"5\r\nhello\r\n0\r\nx-checksum: abc\r\n\r\n", b"hello"),
    "trailers": (b"5\r\nhello\r\n0\r\na:\r\nb: \xff \r\nserver-timing: x;dur=1\r\n\r\n", b"hello"),
    "longest chunk header": (b"5;" + b"a" * (MAX_CHUNK_LINE - 2) + b"\r\nhello\r\n0\r\n\r\n", b"hello"),
    "longest trailer": (b"0\r\na:" + b"v" * (MAX_TRAILERS - 2) + b"\r\n\r\n", b""),
    "longest trailers": (b"0\r\n" + b"a:vvvvvv\r\n" * (MAX_TRAILERS // 8) + b"\r\n", b""),
}


ACCEPTED = {name: coded for name, (coded, _) in PAYLOAD_OF.items()}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name):
    coded, payload = PAYLOAD_OF[name]
    data = coded + b"GET /next"
    for split in (whole, bytewise) if name in short(ACCEPTED) else (whole,):
        passed = EXTENSIONS.sub(rb"\1", coded)
        assert verdict(data, split(data)) == (passed, b"GET /next", True, len(payload))
        assert verdict(data, split(data), decode=True) == (payload, b"GET /next", True, len(payload))


@pytest.mark.parametrize("name", short(ACCEPTED))
@pytest.mark.parametrize("decode", [False, True])
def test_every_single_cut_gives_the_same(name, decode):
    data = ACCEPTED[name] + b"GET"
    uncut = verdict(data, [data], decode=decode)
    for place in range(len(data) + 1):
        assert verdict(data, [data[:place], data[place:]], decode=decode) == uncut


def test_the_largest_size_that_is_followed():
    body = ChunkedBody()
    line = b"0fffffffffffffff\r\n"
    assert body.feed(line + b"abc") == (line + b"abc", b"")
    assert (body.done, body.received) == (False, 3)


def test_what_is_passed_on_is_understood_and_payload_is_not_kept_back():
    body = ChunkedBody()
    assert body.feed(b"5") == (b"", b"")
    assert body.feed(b"\r") == (b"", b"")
    assert body.feed(b"\nhe") == (b"5\r\nhe", b"")
    assert body.feed(b"llo") == (b"llo", b"")
    assert body.received == 5
    assert body.feed(b"\r") == (b"", b"")
    assert body.feed(b"\n0\r\n") == (b"\r\n0\r\n", b"")
    assert not body.done
    assert body.feed(b"\r\n") == (b"\r\n", b"")
    assert body.done


def test_a_body_that_is_not_complete_is_not_done():
    for name in short(ACCEPTED):
        coded = ACCEPTED[name]
        for place in range(len(coded)):
            body = ChunkedBody()
            body.feed(coded[:place])
            assert not body.done, name


# -- chunked: refused --------------------------------------------------------------------------------------------------

REFUSED = {
    "no size": b"\r\nhello",
    "size is no hexadecimal number": b"g\r\n",
    "negative size": b"-1\r\n",
    "size with a plus": b"+5\r\nhello\r\n",
    "size with 0x": b"0x5\r\nhello\r\n",
    "size with an underscore": b"1_0\r\n",
    "size with a point": b"5.0\r\nhello\r\n",
    "size that is negative with 64 bits": b"ffffffffffffffff\r\nhello",
    "size just too large": b"1000000000000000\r\nhello",
    "size of 17 digits": b"00000000000000005\r\nhello\r\n",
    "space before the size": b" 5\r\nhello\r\n",
    "space after the size": b"5 \r\nhello\r\n",
    "size in digits of another script": "٥\r\nhello\r\n".encode(),
    "two sizes": b"5 5\r\nhello\r\n",
    "NUL after the size": b"5\x00\r\nhello\r\n",
    "chunk header that ends with LF": b"5\nhello\r\n0\r\n\r\n",
    "chunk header that ends with CR": b"5\rhello\r\n0\r\n\r\n",
    "bare CR before the line's end": b"5\r\r\nhello\r\n",
    "last chunk that ends with LF": b"0\n\r\n",
    "chunk without its CRLF": b"5\r\nhello0\r\n\r\n",
    "chunk that ends with LF": b"5\r\nhello\n0\r\n\r\n",
    "chunk that ends with CR and something": b"5\r\nhello\rX",
    "chunk longer than its size": b"5\r\nhello!\r\n0\r\n\r\n",
    "empty extension": b"5;\r\nhello\r\n",
    "extension without a name": b"5;=value\r\nhello\r\n",
    "extension with an empty value": b"5;name=\r\nhello\r\n",
    "extension with a quote left open": b'5;name="value\r\nhello\r\n',
    "extension with a control character": b'5;name="\x01"\r\nhello\r\n',
    "extension with a bare LF": b'5;name="\n"\r\nhello\r\n',
    "extension with a bare CR": b"5;na\rme\r\nhello\r\n",
    "chunk header too long": b"5;" + b"a" * (MAX_CHUNK_LINE - 1) + b"\r\nhello\r\n",
    "chunk header without an end": b"5;" + b"a" * MAX_CHUNK_LINE,
    "trailer without a colon": b"0\r\nname\r\n\r\n",
    "trailer without a name": b"0\r\n: value\r\n\r\n",
    "trailer with a space before the colon": b"0\r\nname : value\r\n\r\n",
    "trailer that is folded": b"0\r\nname: a\r\n b\r\n\r\n",
    "trailer with NUL": b"0\r\nname: \x00\r\n\r\n",
    "trailer with a bare LF": b"0\r\nname: a\nb\r\n\r\n",
    "trailer with a bare CR": b"0\r\nname: a\rb\r\n\r\n",
    "trailer that ends with LF": b"0\r\nname: a\n\r\n",
    "trailer too long": b"0\r\na:" + b"v" * (MAX_TRAILERS - 1) + b"\r\n\r\n",
    "trailer without an end": b"0\r\na:" + b"v" * MAX_TRAILERS,
    "trailers too long": b"0\r\n" + b"a:vvvvvv\r\n" * (MAX_TRAILERS // 8) + b"b:\r\n\r\n",
    "another request where the trailers end": b"0\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    data = REFUSED[name]
    for split in (whole, bytewise) if name in short(REFUSED) else (whole,):
        assert verdict(data, split(data)) == "refused"


def test_a_client_is_told_that_its_request_is_bad():
    with pytest.raises(MalformedMessage, match="a chunk size") as refusal:
        ChunkedBody().feed(b"x\r\n")
    assert refusal.value.outcome is Outcome.BAD_REQUEST


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length",
        "Transfer-Encoding",
        "host",
        "content-type",
        "content-encoding",
        "content-range",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "forwarded",
        "x-forwarded-for",
        "x-request-id",
        "x-ms-request-id",
        "traceparent",
        "azureml-model-deployment",
        "tracestate",
        "content_length",
        "Transfer_Encoding",
        "x_forwarded_for",
        "x-ms_request-id",
        "set_cookie",
        "proxy_authorization",
    ],
)
def test_a_trailer_does_not_say_what_only_a_head_may_say(name):
    data = b"0\r\n%b: 1\r\n\r\n" % name.encode()
    assert verdict(data, [data]) == "refused"
    similar = b"0\r\n%b-similar: 1\r\n\r\n" % name.encode()
    if not name.replace("_", "-").startswith(("proxy-", "x-ms-", "x-forwarded-")):
        assert verdict(similar, [similar]) == (similar, b"", True, 0)


@pytest.mark.parametrize("name", [*ACCEPTED, *REFUSED])
def test_how_long_lines_are_cut_does_not_matter_either(name):
    data = (ACCEPTED | REFUSED)[name]
    uncut = verdict(data, [data])
    near = [0, 1, 5, MAX_CHUNK_LINE - 1, MAX_TRAILERS, len(data) - 3]
    for place in {place + step for place in near for step in range(-2, 5) if 0 <= place + step <= len(data)}:
        assert verdict(data, [data[:place], data[place:]]) == uncut


# -- chunked: any ------------------------------------------------------------------------------------------------------

tokens = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=5).map(str.encode)
white = st.sampled_from([b"", b" ", b"\t "])
quoted = st.lists(st.sampled_from([b"a", b";", b"=", b" ", b"\t", b"\xe9", b'\\"', b"\\\\"]), max_size=4).map(
    lambda pieces: b'"' + b"".join(pieces) + b'"'
)
extensions = st.one_of(
    st.tuples(st.just(b";"), white, tokens),
    st.tuples(st.just(b";"), white, tokens, white, st.just(b"="), white, tokens | quoted),
).map(b"".join)
trailers = st.lists(
    st.tuples(st.sampled_from([b"x-sum", b"Server-Timing", b"etag"]), st.sampled_from([b"", b" 1", b"\t\xe9 \x21"])),
    max_size=3,
)


@st.composite
def sizes(draw, size):
    digits = b"%x" % size
    return draw(st.sampled_from([digits, digits.upper(), digits.zfill(8)]))


@st.composite
def bodies(draw):
    """(payload, trailers, coded, coded without extensions)"""
    chunks = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=5))
    ending = draw(trailers)
    coded = plain = b""
    for chunk in [*chunks, b""]:
        size = draw(sizes(len(chunk)))
        rest = chunk + b"\r\n" if chunk else b"".join(b"%b:%b\r\n" % trailer for trailer in ending) + b"\r\n"
        extension = draw(st.lists(extensions, max_size=2).map(b"".join))
        coded += size + extension + b"\r\n" + rest
        plain += size + b"\r\n" + rest
    return b"".join(chunks), ending, coded, plain


def h11_reads(data):
    """(payload, trailers, beyond) as h11 understands the same body; None where it refuses or wants more."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + data)
    payload = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Data):
                payload += event.data
            elif isinstance(event, h11.EndOfMessage):
                return payload, list(event.headers), connection.trailing_data[0]
            elif event in (h11.NEED_DATA, h11.PAUSED):
                return None
    except h11.RemoteProtocolError:
        return None


@given(bodies(), st.binary(max_size=10), st.lists(st.integers(0, 300), max_size=10))
def test_any_body_is_what_h11_says_it_is_however_it_is_cut(body, beyond, places):
    payload, ending, coded, plain = body
    data = coded + beyond
    segments = cut(data, places)
    assert h11_reads(data) == (payload, [(name.lower(), value.strip()) for name, value in ending], beyond)
    assert verdict(data, segments) == (plain, beyond, True, len(payload))
    assert verdict(data, segments, decode=True) == (payload, beyond, True, len(payload))


@given(bodies(), st.data())
def test_a_body_with_one_byte_changed_is_refused_or_what_h11_says_it_is(body, data):
    coded = body[2]
    at = data.draw(st.integers(0, len(coded) - 1))
    byte = data.draw(st.sampled_from([b"", b"\r", b"\n", b"\x00", b" ", b";", b":", b'"', b"0", b"f", b"\xff"]))
    mutated = coded[:at] + byte + coded[at + data.draw(st.integers(0, 1)) :]
    uncut = verdict(mutated, [mutated])
    assert verdict(mutated, bytewise(mutated)) == uncut
    assume(uncut != "refused" and uncut[2])
    passed, beyond, _, received = uncut
    decoded, *_ = verdict(mutated, [mutated], decode=True)
    understood = h11_reads(mutated)
    if understood is None:
        assert re.search(rb"[0-9A-Fa-f][ \t]+;", mutated)
    else:
        assert (understood[0], understood[2]) == (decoded, beyond)
        assert h11_reads(passed)[0] == decoded  # what goes on to the other side says the same there
    assert received == len(decoded)
