"""The heads that the router sends, read back by h11: what goes on, what is put in, and what never passes."""

import h11
import pytest

from router.core.heads import parse_request, parse_response
from router.proxy import rewriting

ID = b"0b5cd3d1-6f2b-4f0e-9b7e-3d6f2a1c0e55"
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FORWARDED = b"\r\nx-forwarded-for: 10.0.0.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: a"


def request(*lines, start=b"POST / HTTP/1.1"):
    raw = b"\r\n".join([start, b"host: a", *lines, b"", b""])
    return parse_request(raw, len(raw), 100)


def response(*lines, start=b"HTTP/1.1 200 OK"):
    raw = b"\r\n".join([start, *lines, b"", b""])
    return parse_response(raw, len(raw))


def sent_to_replica(head, path=b"/score"):
    """(request line's parts, headers) of what a replica gets, as h11 reads it."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(rewriting.request_head(head, path, FORWARDED, ID, TRACE))
    event = connection.next_event()
    return (event.method, event.target, event.http_version), list(event.headers)


ADDED = [
    (b"x-forwarded-for", b"10.0.0.1"),
    (b"x-forwarded-proto", b"http"),
    (b"x-forwarded-host", b"a"),
    (b"x-request-id", ID),
    (b"x-ms-request-id", ID),
]


def test_a_replica_gets_the_clients_own_fields_and_the_routers():
    start, headers = sent_to_replica(request(b"accept: x", b"cookie: 1", b"cookie: 2"), b"/score?a=b")
    assert start == (b"POST", b"/score?a=b", b"1.1")
    own = [(b"host", b"a"), (b"accept", b"x"), (b"cookie", b"1"), (b"cookie", b"2")]
    assert headers == [*own, *ADDED, (b"traceparent", TRACE)]


def test_a_replica_never_gets_what_is_not_for_it():
    _, headers = sent_to_replica(
        request(
            b"authorization: Bearer secret",
            b"proxy-authorization: Basic secret",
            b"connection: close, x-hop",
            b"x-hop: secret",
            b"keep-alive: 1",
            b"te: trailers",
            b"upgrade: h2c",
            b"azureml-model-deployment: blue",
            b"x-ms-request-id: forged",
            b"x-ms-anything: forged",
            b"x-request-id: forged",
            b"x-forwarded-for: forged",
            b"x-forwarded-proto: forged",
            b"x-forwarded-host: forged",
            b"forwarded: for=forged",
            b"traceparent: forged",
        )
    )
    assert headers == [(b"host", b"a"), *ADDED, (b"traceparent", TRACE)]


@pytest.mark.parametrize(
    ("line", "framing"),
    [
        (b"content-length: 5", [(b"content-length", b"5")]),
        (b"content-length: 0", [(b"content-length", b"0")]),
        (b"content-length: 005 ", [(b"content-length", b"5")]),
        (b"transfer-encoding: Chunked ", [(b"transfer-encoding", b"chunked")]),
        (b"x: y", []),
    ],
)
def test_framing_is_written_anew(line, framing):
    _, headers = sent_to_replica(request(line, b"a: b"))
    assert [header for header in headers if header[0] in (b"content-length", b"transfer-encoding")] == framing


@pytest.mark.parametrize(
    ("value", "echoed"),
    [(b"abc-1", b"abc-1"), (b" a<b>\t", b"ab"), (b"x" * 50, b"x" * 40), (b"...", None), (b"", None)],
)
def test_the_callers_own_id_goes_on_as_far_as_it_may(value, echoed):
    head = request(b"x-ms-client-request-id:" + value)
    _, headers = sent_to_replica(head)
    assert dict(headers).get(b"x-ms-client-request-id") == echoed
    assert head.client_id == (b"" if echoed is None else b"x-ms-client-request-id: %b\r\n" % echoed)
    assert request().client_id == b""


def test_an_old_client_speaks_1_1_to_the_replica():
    start, headers = sent_to_replica(request(b"content-length: 1", start=b"GET / HTTP/1.0"))
    assert start == (b"GET", b"/score", b"1.1")
    assert b"connection" not in dict(headers)


# -- what the client gets ----------------------------------------------------------------------------------------------


def sent_to_client(head, *, chunked=False, last=b"", version=b"\r\nazureml-model-deployment: blue"):
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(rewriting.response_head(head.passed_on, chunked, version, ID, last))
    event = connection.next_event()
    return event.status_code, bytes(event.reason), list(event.headers)


NAMED = [(b"azureml-model-deployment", b"blue"), (b"x-request-id", ID), (b"x-ms-request-id", ID)]


def test_a_client_gets_the_models_own_fields_and_the_routers():
    head = response(b"content-type: x", b"set-cookie: 1", b"set-cookie: 2", b"content-length: 5")
    status, reason, headers = sent_to_client(head, last=b"x-ms-client-request-id: c\r\n" + rewriting.CLOSE)
    assert (status, reason) == (200, b"OK")
    own = [(b"content-type", b"x"), (b"set-cookie", b"1"), (b"set-cookie", b"2"), (b"content-length", b"5")]
    assert headers == [*own, *NAMED, (b"x-ms-client-request-id", b"c"), (b"connection", b"close")]


def test_a_client_never_gets_what_is_not_for_it():
    head = response(
        b"connection: close, x-hop", b"x-hop: 1", b"keep-alive: 1", b"upgrade: h2c", b"x-request-id: forged",
        b"x-ms-request-id: forged", b"azureml-model-deployment: forged", b"x-ms-client-request-id: forged",
    )  # fmt: skip
    assert sent_to_client(head)[2] == NAMED


@pytest.mark.parametrize("status", [200, 201, 301, 400, 401, 404, 422, 429, 501, 502, 503, 599])
def test_every_status_of_the_model_passes_through(status):
    assert sent_to_client(response(start=b"HTTP/1.1 %d Its Reason" % status))[:2] == (status, b"Its Reason")


def test_but_for_500_which_is_the_models_failure_behind_the_router():
    head = response(b"x-ms-run-function-failed: True", start=b"HTTP/1.1 500 Whatever")
    status, reason, headers = sent_to_client(head)
    assert (status, reason) == (502, b"Bad Gateway")
    assert headers == [(b"x-ms-run-function-failed", b"True"), *NAMED]


@pytest.mark.parametrize(
    ("head", "chunked", "framing"),
    [
        (response(b"content-length: 5"), False, [(b"content-length", b"5")]),
        (response(b"content-length: 0"), False, [(b"content-length", b"0")]),
        (response(b"transfer-encoding: chunked"), True, [(b"transfer-encoding", b"chunked")]),
        (response(b"transfer-encoding: chunked"), False, []),  # HTTP/1.0 knows no chunks
        (response(), True, [(b"transfer-encoding", b"chunked")]),
        (response(), False, []),
        (response(b"content-length: 5", start=b"HTTP/1.1 304 X"), False, [(b"content-length", b"5")]),
        (response(b"content-length: 0", start=b"HTTP/1.1 204 X"), False, []),
    ],
)
def test_the_body_is_framed_as_the_client_understands_it(head, chunked, framing):
    _, _, headers = sent_to_client(head, chunked=chunked)
    assert [header for header in headers if header not in NAMED] == framing


@pytest.mark.parametrize(
    ("data", "last", "framed"),
    [
        (b"hello", False, b"5\r\nhello\r\n"),
        (b"hello", True, b"5\r\nhello\r\n0\r\n\r\n"),
        (b"", True, b"0\r\n\r\n"),
        (b"", False, b""),  # an empty chunk would end the body
        (b"x" * 26, False, b"1a\r\n" + b"x" * 26 + b"\r\n"),
    ],
)
def test_a_chunk(data, last, framed):
    assert rewriting.chunk(data, last) == framed


# -- from a trusted proxy ----------------------------------------------------------------------------------------------


def test_what_a_trusted_proxy_says_is_kept_and_it_joins_the_chain():
    head = request(b"x-forwarded-for: 1.1.1.1, 2.2.2.2", b"x-forwarded-proto: https", b"x-forwarded-host: b")
    assert rewriting.forwarded_by_trusted(head, b"10.0.0.1", b"http") == (
        b"\r\nx-forwarded-for: 1.1.1.1, 2.2.2.2, 10.0.0.1\r\nx-forwarded-proto: https\r\nx-forwarded-host: b"
    )


@pytest.mark.parametrize("lines", [(), (b"x-forwarded-for:",)])
def test_what_it_does_not_say_is_seen(lines):
    assert rewriting.forwarded_by_trusted(request(*lines), b"10.0.0.1", b"http") == FORWARDED


# -- copies ------------------------------------------------------------------------------------------------------------


def test_a_copy_differs_by_its_path_alone():
    head = request(b"accept: x", b"content-length: 3", start=b"POST /a?b=/c HTTP/1.1")
    live = rewriting.request_head(head, b"/score?b=/c", FORWARDED, ID, TRACE)
    assert rewriting.copied_head(live, b"/v2?b=/c") == live.replace(b"POST /score?b=/c ", b"POST /v2?b=/c ", 1)


@pytest.mark.parametrize("line", [b"expect: 100-continue", b"Expect:100-Continue", b"EXPECT: "])
def test_a_copy_expects_nothing(line):
    head = request(b"x-expect: 1", line, b"x-1: expect: 2", b"content-length: 3")
    plain = request(b"x-expect: 1", b"x-1: expect: 2", b"content-length: 3")
    sent = rewriting.copied_head(rewriting.request_head(head, b"/", FORWARDED, ID, TRACE), b"/")
    assert sent == rewriting.request_head(plain, b"/", FORWARDED, ID, TRACE)
