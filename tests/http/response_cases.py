"""Bytes from models, and what the client must get of them: name, case, expectation.

`delivered` and `until_closed` (after which the connection ends) give the client's side byte for byte, the lines with
version and ids left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.http.expectations import BAD_GATEWAY, GET, HOST, OK, Cut, Delivered, Refused

ASKED = GET + HOST + b"\r\n"
HEAD = b"HEAD" + ASKED[3:]
HTTP10 = ASKED.replace(b"1.1", b"1.0")
HTTP10_STAYS = HTTP10[:-2] + b"Connection: keep-alive\r\n\r\n"
CLOSE = b"connection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CODED = b"transfer-encoding: chunked\r\n"


@dataclass(frozen=True)
class Reply:
    """What a model says, and whether it closes the connection then."""

    said: bytes
    closes: bool = False
    asked: bytes = ASKED


def closing(said: bytes, asked: bytes = ASKED) -> Reply:
    return Reply(said, True, asked)


def delivered(*parts: bytes) -> Delivered:
    return Delivered(b"".join(parts))


def until_closed(*parts: bytes) -> Delivered:
    return Delivered(b"".join(parts), closed=True)


def cut(*parts: bytes) -> Cut:
    return Cut(b"".join(parts))


def ok(*lines: bytes, body: bytes = b"") -> bytes:
    return OK + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def status_line(line: bytes) -> Reply:
    return Reply(line + b"\r\nContent-Length: 2\r\n\r\n42")


def got(line: bytes) -> Delivered:
    return Delivered(line + b"\r\ncontent-length: 2\r\n\r\n42")


Case = tuple[Reply, Delivered | Cut | Refused]
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

STATUS_LINES: dict[str, Case] = {
    "the least": (status_line(b"HTTP/1.1 200 OK"), got(b"HTTP/1.1 200 OK")),
    "no reason": (status_line(b"HTTP/1.1 200 "), got(b"HTTP/1.1 200 ")),
    "no reason and no space": (status_line(b"HTTP/1.1 200"), got(b"HTTP/1.1 200 ")),
    "a reason of many words": (status_line(b"HTTP/1.1 404 No \t\xe4 such"), got(b"HTTP/1.1 404 No \t\xe4 such")),
    "a status that nobody knows": (status_line(b"HTTP/1.1 599 X"), got(b"HTTP/1.1 599 X")),
    "500": (status_line(b"HTTP/1.1 500 Internal Server Error"), got(b"HTTP/1.1 502 Bad Gateway")),
    "HTTP/1.0": (status_line(b"HTTP/1.0 200 OK"), got(b"HTTP/1.1 200 OK")),
    "status 099": (status_line(b"HTTP/1.1 099 X"), BAD_GATEWAY),
    "status 1000": (status_line(b"HTTP/1.1 1000 X"), BAD_GATEWAY),
    "status 20": (status_line(b"HTTP/1.1 20 X"), BAD_GATEWAY),
    "status 2x0": (status_line(b"HTTP/1.1 2x0 X"), BAD_GATEWAY),
    "status +20": (status_line(b"HTTP/1.1 +20 X"), BAD_GATEWAY),
    "no status": (status_line(b"HTTP/1.1 OK"), BAD_GATEWAY),
    "two spaces": (status_line(b"HTTP/1.1  200 OK"), BAD_GATEWAY),
    "a tab": (status_line(b"HTTP/1.1\t200 OK"), BAD_GATEWAY),
    "HTTP/2.0": (status_line(b"HTTP/2.0 200 OK"), BAD_GATEWAY),
    "HTTP/1.2": (status_line(b"HTTP/1.2 200 OK"), BAD_GATEWAY),
    "http/1.1": (status_line(b"http/1.1 200 OK"), BAD_GATEWAY),
    "ICY": (status_line(b"ICY 200 OK"), BAD_GATEWAY),
    "CR in the reason": (status_line(b"HTTP/1.1 200 O\rK"), BAD_GATEWAY),
    "NUL in the reason": (status_line(b"HTTP/1.1 200 O\0K"), BAD_GATEWAY),
    "LF alone": (Reply(b"HTTP/1.1 200 OK\nContent-Length: 2\n\n42"), BAD_GATEWAY),
    "an empty line before": (Reply(b"\r\n" + ok(b"Content-Length: 2", body=b"42")), BAD_GATEWAY),
    "garbage before": (Reply(b"garbage" + ok(b"Content-Length: 2", body=b"42")), BAD_GATEWAY),
    "garbage": (Reply(b"garbage\r\n\r\n"), BAD_GATEWAY),
    "a request": (Reply(ASKED), BAD_GATEWAY),
    "a page without a head": (closing(b"<html></html>"), BAD_GATEWAY),
    "nothing": (closing(b""), BAD_GATEWAY),
    "half a status line": (closing(b"HTTP/1.1 2"), BAD_GATEWAY),
    "half a head": (closing(OK + b"Content-Le"), BAD_GATEWAY),
    "a head of 300 KiB": (Reply(OK + b"x: " + b"a" * 300_000), BAD_GATEWAY),
}

LINES: dict[str, Case] = {
    "fields come byte for byte": (
        Reply(ok(b"Set-Cookie: a=1", b"X-A:1", b"x-a: \t2 \t", b"x-b:", b"Content-Length: 0", b"set-cookie: b; c")),
        delivered(ok(b"Set-Cookie: a=1", b"X-A:1", b"x-a: \t2 \t", b"x-b:", b"set-cookie: b; c", b"content-length: 0")),
    ),
    "the fields of one hop stay here": (
        Reply(ok(b"Keep-Alive: 5", b"Upgrade: x", b"Connection: x-a", b"X-A: 1", b"Content-Length: 0", b"x: a")),
        delivered(ok(b"x: a", b"content-length: 0")),
    ),
    "what only the router says is replaced": (
        Reply(ok(b"x-request-id: 1", b"X-Ms-Request-Id: 2", b"azureml-model-deployment: 3", b"Content-Length: 0")),
        delivered(ok(b"content-length: 0")),
    ),
    "many lines": (
        Reply(ok(*[b"x: a"] * 300, b"Content-Length: 0")),
        delivered(ok(*[b"x: a"] * 300, b"content-length: 0")),
    ),
    "a folded line": (Reply(ok(b"x: a", b" b", b"Content-Length: 0")), BAD_GATEWAY),
    "a space before the colon": (Reply(ok(b"Content-Length : 0")), BAD_GATEWAY),
    "a line without a colon": (Reply(ok(b"x", b"Content-Length: 0")), BAD_GATEWAY),
    "a line without a name": (Reply(ok(b": x", b"Content-Length: 0")), BAD_GATEWAY),
    "LF alone between fields": (Reply(ok(b"x: a\nContent-Length: 0")), BAD_GATEWAY),
    "CR within a value": (Reply(ok(b"x: a\rb", b"Content-Length: 0")), BAD_GATEWAY),
    "NUL within a value": (Reply(ok(b"x: a\0b", b"Content-Length: 0")), BAD_GATEWAY),
}

LENGTHS: dict[str, Case] = {
    "a length": (Reply(ok(b"Content-Length: 2", body=b"42")), delivered(ok(b"content-length: 2", body=b"42"))),
    "a length with zeros": (
        Reply(ok(b"Content-Length: 002", body=b"42")),
        delivered(ok(b"content-length: 2", body=b"42")),
    ),
    "two lengths": (Reply(ok(b"Content-Length: 2", b"Content-Length: 3", body=b"42")), BAD_GATEWAY),
    "the same length twice": (Reply(ok(b"Content-Length: 2", b"Content-Length: 2", body=b"42")), BAD_GATEWAY),
    "a list of lengths": (Reply(ok(b"Content-Length: 2, 2", body=b"42")), BAD_GATEWAY),
    "a negative length": (Reply(ok(b"Content-Length: -2", body=b"42")), BAD_GATEWAY),
    "a length with a plus": (Reply(ok(b"Content-Length: +2", body=b"42")), BAD_GATEWAY),
    "an empty length": (Reply(ok(b"Content-Length:", body=b"42")), BAD_GATEWAY),
    "a length of 30 digits": (Reply(ok(b"Content-Length: " + b"9" * 30, body=b"42")), BAD_GATEWAY),
    "less than the length": (
        closing(ok(b"Content-Length: 3", body=b"42")),
        cut(ok(b"content-length: 3", body=b"42")),
    ),
    "nothing of the length": (closing(ok(b"Content-Length: 3")), cut(ok(b"content-length: 3"))),
    "more than the length": (
        Reply(ok(b"Content-Length: 2", body=b"42 and more")),
        delivered(ok(b"content-length: 2", body=b"42")),
    ),
    "another answer behind": (
        Reply(ok(b"Content-Length: 2", body=b"42") + ok(b"Content-Length: 6", body=b"forged")),
        delivered(ok(b"content-length: 2", body=b"42")),
    ),
    "no length: until the end": (closing(ok(body=b"42")), delivered(ok(CODED[:-2], body=b"2\r\n42\r\n0\r\n\r\n"))),
    "no length and nothing": (closing(ok()), delivered(ok(CODED[:-2], body=b"0\r\n\r\n"))),
    "HTTP/1.0: until the end": (
        closing(b"HTTP/1.0 200 OK\r\n\r\n42"),
        delivered(ok(CODED[:-2], body=b"2\r\n42\r\n0\r\n\r\n")),
    ),
}

CODINGS: dict[str, Case] = {
    "chunks": (
        Reply(ok(CHUNKED[:-2], body=b"02\r\n42\r\n0\r\n\r\n")),
        delivered(ok(CODED[:-2], body=b"02\r\n42\r\n0\r\n\r\n")),
    ),
    "extensions end here": (
        Reply(ok(CHUNKED[:-2], body=b'2;a="b;c"\r\n42\r\n0 ; d\r\n\r\n')),
        delivered(ok(CODED[:-2], body=b"2\r\n42\r\n0\r\n\r\n")),
    ),
    "trailers": (
        Reply(ok(CHUNKED[:-2], b"Trailer: x", body=b"0\r\nX: 1\r\n\r\n")),
        delivered(ok(b"Trailer: x", CODED[:-2], body=b"0\r\nX: 1\r\n\r\n")),
    ),
    "something behind": (
        Reply(ok(CHUNKED[:-2], body=b"0\r\n\r\n") + ok(b"Content-Length: 6", body=b"forged")),
        delivered(ok(CODED[:-2], body=b"0\r\n\r\n")),
    ),
    "chunks of HTTP/1.0": (
        Reply(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n42\r\n0\r\n\r\n"),
        delivered(ok(CODED[:-2], body=b"2\r\n42\r\n0\r\n\r\n")),
    ),
    "length and chunks": (Reply(ok(b"Content-Length: 2", CHUNKED[:-2], body=b"0\r\n\r\n")), BAD_GATEWAY),
    "chunked twice": (Reply(ok(CHUNKED[:-2], CHUNKED[:-2], body=b"0\r\n\r\n")), BAD_GATEWAY),
    "gzip and chunked": (Reply(ok(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")), BAD_GATEWAY),
    "identity": (Reply(ok(b"Transfer-Encoding: identity", b"Content-Length: 2", body=b"42")), BAD_GATEWAY),
    "xchunked": (Reply(ok(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n")), BAD_GATEWAY),
    "a first size that is none": (Reply(ok(CHUNKED[:-2], body=b"x\r\n")), BAD_GATEWAY),
    "a size of 2^64": (Reply(ok(CHUNKED[:-2], body=b"10000000000000000\r\n")), BAD_GATEWAY),
    "the end without the last chunk": (
        closing(ok(CHUNKED[:-2], body=b"2\r\n42\r\n")),
        cut(ok(CODED[:-2], body=b"2\r\n42\r\n")),
    ),
    "the end within a chunk": (closing(ok(CHUNKED[:-2], body=b"3\r\n42")), cut(ok(CODED[:-2], body=b"3\r\n42"))),
    "the end before the empty line": (
        closing(ok(CHUNKED[:-2], body=b"2\r\n42\r\n0\r\n")),
        cut(ok(CODED[:-2], body=b"2\r\n42\r\n0\r\n")),
    ),
    "LF alone after a size": (Reply(ok(CHUNKED[:-2], body=b"2\n42\r\n0\r\n\r\n")), BAD_GATEWAY),
    "a chunk longer than its size": (Reply(ok(CHUNKED[:-2], body=b"2\r\n42!\r\n0\r\n\r\n")), BAD_GATEWAY),
    "a trailer that frames": (Reply(ok(CHUNKED[:-2], body=b"0\r\nContent-Length: 9\r\n\r\n")), BAD_GATEWAY),
}

BODILESS: dict[str, Case] = {
    "HEAD with a length": (Reply(ok(b"Content-Length: 99"), asked=HEAD), delivered(ok(b"content-length: 99"))),
    "HEAD with chunks": (Reply(ok(CHUNKED[:-2]), asked=HEAD), delivered(ok(CODED[:-2]))),
    "HEAD with nothing": (Reply(ok(), asked=HEAD), delivered(ok())),
    "HEAD with a body": (
        Reply(ok(b"Content-Length: 6", body=b"forged"), asked=HEAD),
        delivered(ok(b"content-length: 6")),
    ),
    "204": (Reply(b"HTTP/1.1 204 No\r\n\r\n"), delivered(b"HTTP/1.1 204 No\r\n\r\n")),
    "204 with a length": (
        Reply(b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n42"),
        delivered(b"HTTP/1.1 204 No\r\n\r\n"),
    ),
    "204 with chunks": (
        Reply(b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        delivered(b"HTTP/1.1 204 No\r\n\r\n"),
    ),
    "304 with a length": (
        Reply(b"HTTP/1.1 304 No\r\nContent-Length: 99\r\nETag: x\r\n\r\n"),
        delivered(b"HTTP/1.1 304 No\r\nETag: x\r\ncontent-length: 99\r\n\r\n"),
    ),
    "304 with a body": (
        Reply(b"HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n42"),
        delivered(b"HTTP/1.1 304 No\r\ncontent-length: 2\r\n\r\n"),
    ),
    "205 has none by length": (
        Reply(b"HTTP/1.1 205 No\r\nContent-Length: 0\r\n\r\n"),
        delivered(b"HTTP/1.1 205 No\r\ncontent-length: 0\r\n\r\n"),
    ),
}

INTERIM: dict[str, Case] = {
    "one": (Reply(CONTINUE + ok(b"Content-Length: 0")), delivered(CONTINUE, ok(b"content-length: 0"))),
    "two": (Reply(CONTINUE + HINTS + ok(b"Content-Length: 0")), delivered(CONTINUE, HINTS, ok(b"content-length: 0"))),
    "a thousand": (Reply(HINTS * 1000 + ok(b"Content-Length: 0")), delivered(HINTS * 1000, ok(b"content-length: 0"))),
    "with a length": (
        Reply(b"HTTP/1.1 103 Hints\r\nContent-Length: 2\r\n\r\n" + ok(b"Content-Length: 0")),
        delivered(b"HTTP/1.1 103 Hints\r\n\r\n", ok(b"content-length: 0")),
    ),
    "with chunks": (
        Reply(b"HTTP/1.1 103 Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + ok(b"Content-Length: 0")),
        delivered(b"HTTP/1.1 103 Hints\r\n\r\n", ok(b"content-length: 0")),
    ),
    "with both framings": (
        Reply(b"HTTP/1.1 103 X\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + ok(b"Content-Length: 0")),
        BAD_GATEWAY,
    ),
    "malformed": (Reply(b"HTTP/1.1 103 X\r\nx : y\r\n\r\n" + ok(b"Content-Length: 0")), BAD_GATEWAY),
    "the end behind it": (closing(CONTINUE), Refused(502, "upstream_error")),
    "for HTTP/1.0": (
        Reply(CONTINUE + ok(b"Content-Length: 0"), asked=HTTP10),
        until_closed(OK, b"content-length: 0\r\n", CLOSE, b"\r\n"),
    ),
    "101 unasked": (Reply(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), BAD_GATEWAY),
}

CONNECTIONS: dict[str, Case] = {
    "a model that closes": (
        closing(ok(b"Connection: close", b"Content-Length: 2", body=b"42")),
        delivered(ok(b"content-length: 2", body=b"42")),
    ),
    "a client that closes": (
        Reply(ok(b"Content-Length: 2", body=b"42"), asked=ASKED[:-2] + b"Connection: close\r\n\r\n"),
        until_closed(OK, b"content-length: 2\r\n", CLOSE, b"\r\n42"),
    ),
    "HTTP/1.0": (
        Reply(ok(b"Content-Length: 2", body=b"42"), asked=HTTP10),
        until_closed(OK, b"content-length: 2\r\n", CLOSE, b"\r\n42"),
    ),
    "HTTP/1.0 that stays": (
        Reply(ok(b"Content-Length: 2", body=b"42"), asked=HTTP10_STAYS),
        delivered(OK, b"content-length: 2\r\nconnection: keep-alive\r\n\r\n42"),
    ),
    "chunks for HTTP/1.0": (
        Reply(ok(CHUNKED[:-2], body=b"1;a=b\r\n4\r\n1\r\n2\r\n0\r\nx: 1\r\n\r\n"), asked=HTTP10_STAYS),
        until_closed(OK, CLOSE, b"\r\n42"),
    ),
    "until the end for HTTP/1.0": (closing(ok(body=b"42"), asked=HTTP10_STAYS), until_closed(OK, CLOSE, b"\r\n42")),
    "broken chunks for HTTP/1.0": (
        closing(ok(CHUNKED[:-2], body=b"2\r\n42\r\n"), asked=HTTP10),
        cut(OK, CLOSE, b"\r\n42"),
    ),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in {
        "status line": STATUS_LINES,
        "line": LINES,
        "length": LENGTHS,
        "coding": CODINGS,
        "no body": BODILESS,
        "interim": INTERIM,
        "connection": CONNECTIONS,
    }.items()
    for name, case in cases.items()
}
