"""Bytes from clients, and what must become of them: name, bytes, expectation.

`forwarded` and `last` (after which the connection ends) give the model's side byte for byte, the router's own lines
left out.
"""

from tests.http.expectations import (
    BAD_REQUEST,
    BODY_TOO_LARGE,
    GET,
    HEAD_TOO_LARGE,
    HOST,
    NOT_FOUND,
    POST,
    Answered,
    Forwarded,
    Refused,
    forwarded,
    last,
)

END = b"\r\n"
PLAIN = forwarded(b"GET /score HTTP/1.1\r\nhost: a\r\n\r\n")
CHUNKED = POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
BASE = b"/api/v1/service/digits"


def get(target: bytes, host: bytes = b"a") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host)


def gets(target: bytes, host: bytes = b"a") -> Forwarded:
    return forwarded(b"GET %b HTTP/1.1\r\nhost: %b\r\n\r\n" % (target, host))


def field(*lines: bytes) -> bytes:
    return GET + HOST + b"".join(line + b"\r\n" for line in lines) + END


def fields(*lines: bytes) -> Forwarded:
    return forwarded(b"GET /score HTTP/1.1\r\nhost: a\r\n" + b"".join(line + b"\r\n" for line in lines) + END)


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return POST + HOST + b"".join(line + b"\r\n" for line in lines) + END + body


def posts(body: bytes, *lines: bytes) -> Forwarded:
    kept = b"".join(line + b"\r\n" for line in lines)
    return forwarded(b"POST /score HTTP/1.1\r\nhost: a\r\n%bcontent-length: %d\r\n\r\n%b" % (kept, len(body), body))


def chunks(coded: bytes) -> Forwarded:
    return forwarded(b"POST /score HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + coded)


Case = tuple[bytes, Forwarded | Refused | Answered]

START_LINES: dict[str, Case] = {
    "the least": (GET + HOST + END, PLAIN),
    "a method of one's own": (
        b"BREW /api/v1/service/digits/score HTTP/1.1\r\nHost: a\r\n\r\n",
        forwarded(b"BREW /score HTTP/1.1\r\nhost: a\r\n\r\n"),
    ),
    "a method in small letters is another method": (
        b"get /api/v1/service/digits/score HTTP/1.1\r\nHost: a\r\n\r\n",
        forwarded(b"get /score HTTP/1.1\r\nhost: a\r\n\r\n"),
    ),
    "HEAD": (b"HEAD" + GET[3:] + HOST + END, forwarded(b"HEAD /score HTTP/1.1\r\nhost: a\r\n\r\n")),
    "an empty line before": (b"\r\n" + GET + HOST + END, PLAIN),  # RFC 9112 section 2.2
    "many empty lines before": (b"\r\n" * 50 + GET + HOST + END, PLAIN),
    "an empty line with LF alone before": (b"\n" + GET + HOST + END, BAD_REQUEST),
    "white space before": (b" " + GET + HOST + END, BAD_REQUEST),
    "a line of white space before": (b" \r\n" + GET + HOST + END, BAD_REQUEST),
    "no method": (GET[3:] + HOST + END, BAD_REQUEST),
    "a method with a colon": (b"GET:" + GET[3:] + HOST + END, BAD_REQUEST),
    "a method with NUL": (b"G\0T" + GET[3:] + HOST + END, BAD_REQUEST),
    "a method in quotes": (b'"GET"' + GET[3:] + HOST + END, BAD_REQUEST),
    "two spaces after the method": (b"GET " + GET[3:] + HOST + END, BAD_REQUEST),
    "a tab after the method": (GET.replace(b" ", b"\t", 1) + HOST + END, BAD_REQUEST),
    "two spaces before the version": (GET.replace(b" HTTP", b"  HTTP") + HOST + END, BAD_REQUEST),
    "a space after the version": (GET[:-2] + b" \r\n" + HOST + END, BAD_REQUEST),
    "no target": (b"GET HTTP/1.1\r\n" + HOST + END, BAD_REQUEST),
    "no version": (GET[:-11] + b"\r\n" + HOST + END, BAD_REQUEST),
    "HTTP/0.9": (GET[:-11] + b"\r\n", BAD_REQUEST),
    "HTTP/1.2": (GET.replace(b"1.1", b"1.2") + HOST + END, BAD_REQUEST),
    "HTTP/2.0": (GET.replace(b"1.1", b"2.0") + HOST + END, BAD_REQUEST),
    "HTTP/1.10": (GET.replace(b"1.1", b"1.10") + HOST + END, BAD_REQUEST),
    "HTTP/01.1": (GET.replace(b"1.1", b"01.1") + HOST + END, BAD_REQUEST),
    "http/1.1": (GET.replace(b"HTTP", b"http") + HOST + END, BAD_REQUEST),
    "HTTP /1.1": (GET.replace(b"HTTP/", b"HTTP /") + HOST + END, BAD_REQUEST),
    "ICY": (GET.replace(b"HTTP", b"ICY") + HOST + END, BAD_REQUEST),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD_REQUEST),
    "a TLS hello": (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", BAD_REQUEST),
    "a response": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BAD_REQUEST),
    "a field where the start line belongs": (HOST + GET + END, BAD_REQUEST),
    "two start lines": (GET + GET + HOST + END, BAD_REQUEST),
}

TARGETS: dict[str, Case] = {
    "a query": (get(BASE + b"/score?a=1&b=%2F"), gets(b"/score?a=1&b=%2F")),
    "another path": (get(BASE + b"/v1/models/x"), gets(b"/v1/models/x")),
    "an encoded slash in a name": (get(BASE + b"/v1/models/org%2Fname"), gets(b"/v1/models/org%2Fname")),
    "parameters of a segment": (get(BASE + b"/a;b=c/d"), gets(b"/a;b=c/d")),
    "a query that looks like dot segments": (get(BASE + b"/x?/../%2e%2e\\..;%zz"), gets(b"/x?/../%2e%2e\\..;%zz")),
    "dots that are no dot segments": (get(BASE + b"/..a/b../.c/..."), gets(b"/..a/b../.c/...")),
    "an escape that decodes to another": (get(BASE + b"/%252e%252e/x"), gets(b"/%252e%252e/x")),
    "nobody's path": (get(b"/score"), NOT_FOUND),
    "an endpoint's name that is encoded": (get(b"/api/v1/service/%64igits/score"), NOT_FOUND),
    "a slash that is encoded before the rest": (get(b"/api/v1/service/digits%2fscore"), NOT_FOUND),
    "dot segments": (get(BASE + b"/../digits/score"), BAD_REQUEST),
    "dot segments at the end": (get(BASE + b"/.."), BAD_REQUEST),
    "a single dot": (get(BASE + b"/./score"), BAD_REQUEST),
    "dots that are encoded": (get(BASE + b"/%2e%2E/score"), BAD_REQUEST),
    "dots of which one is encoded": (get(BASE + b"/.%2e/score"), BAD_REQUEST),
    "dot segments before an encoded slash": (get(BASE + b"/..%2fscore"), BAD_REQUEST),
    "dot segments before an encoded slash in capitals": (get(BASE + b"/..%2Fscore"), BAD_REQUEST),
    "dot segments behind an encoded slash": (get(BASE + b"/x%2f../score"), BAD_REQUEST),
    "dot segments before a backslash": (get(BASE + b"/..\\score"), BAD_REQUEST),
    "dot segments before an encoded backslash": (get(BASE + b"/%2e%2e%5cscore"), BAD_REQUEST),
    "dot segments behind a backslash": (get(BASE + b"/x\\.."), BAD_REQUEST),
    "dot segments with parameters": (get(BASE + b"/..;/score"), BAD_REQUEST),
    "dot segments with a value": (get(BASE + b"/..;a=b/score"), BAD_REQUEST),
    "an escape of no digits": (get(BASE + b"/%zz"), BAD_REQUEST),
    "an escape of one digit": (get(BASE + b"/%4"), BAD_REQUEST),
    "a lone percent sign": (get(BASE + b"/%"), BAD_REQUEST),
    "an encoded NUL": (get(BASE + b"/a%00b"), BAD_REQUEST),
    "a fragment": (get(BASE + b"/score#x"), BAD_REQUEST),
    "a fragment in the query": (get(BASE + b"/score?a#x"), BAD_REQUEST),
    "a space in the target": (get(BASE + b"/a b"), BAD_REQUEST),
    "a control character in the target": (get(BASE + b"/\x01"), BAD_REQUEST),
    "DEL in the target": (get(BASE + b"/\x7f"), BAD_REQUEST),
    "a byte above 127 in the target": (get(BASE + b"/\xc3\xa9"), BAD_REQUEST),
    "a relative path": (get(b"score"), BAD_REQUEST),
    "absolute form": (get(b"http://b" + BASE + b"/score"), gets(b"/score", b"b")),  # RFC 9112 section 3.2.2
    "absolute form with https and a port": (get(b"HTTPS://b:1" + BASE + b"/score?q"), gets(b"/score?q", b"b:1")),
    "absolute form without a path": (get(b"http://b"), NOT_FOUND),
    "absolute form with dot segments": (get(b"http://b/x/../y"), BAD_REQUEST),
    "absolute form with a user": (get(b"http://u@b" + BASE + b"/score"), BAD_REQUEST),
    "absolute form without a host": (get(b"http://" + BASE + b"/score"), BAD_REQUEST),
    "absolute form of another scheme": (get(b"ftp://b" + BASE + b"/score"), BAD_REQUEST),
    "a file": (get(b"file:///etc/passwd"), BAD_REQUEST),
    "a path that begins like a URL": (get(BASE + b"/http://b/"), gets(b"/http://b/")),
    "CONNECT": (b"CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n", BAD_REQUEST),
    "CONNECT with a path": (b"CONNECT" + GET[3:] + HOST + END, BAD_REQUEST),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", BAD_REQUEST),
    "OPTIONS of a URL without a path": (b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", BAD_REQUEST),
    "OPTIONS of a path": (b"OPTIONS" + GET[3:] + HOST + END, forwarded(b"OPTIONS /score HTTP/1.1\r\nhost: a\r\n\r\n")),
    "a target of 60 KiB": (get(BASE + b"/" + b"a" * 60000), gets(b"/" + b"a" * 60000)),
    "a target of 70 KiB": (get(BASE + b"/" + b"a" * 70000), HEAD_TOO_LARGE),
}

HOSTS: dict[str, Case] = {
    "no host": (GET + END, BAD_REQUEST),
    "an empty host": (get(BASE + b"/score", b""), gets(b"/score", b"")),
    "a host with a port": (get(BASE + b"/score", b"a.b-c:80"), gets(b"/score", b"a.b-c:80")),
    "a host with white space around": (get(BASE + b"/score", b"\t a \t"), PLAIN),
    "an address of version 6": (get(BASE + b"/score", b"[::1]:80"), gets(b"/score", b"[::1]:80")),
    "two hosts": (GET + HOST + b"Host: b\r\n\r\n", BAD_REQUEST),
    "the same host twice": (GET + HOST + HOST + END, BAD_REQUEST),
    "two hosts in one line": (get(BASE + b"/score", b"a, b"), BAD_REQUEST),
    "a host with a user": (get(BASE + b"/score", b"u@a"), BAD_REQUEST),
    "a host with a path": (get(BASE + b"/score", b"a/b"), BAD_REQUEST),
    "a host with a space": (get(BASE + b"/score", b"a b"), BAD_REQUEST),
    "a host with two ports": (get(BASE + b"/score", b"a:80:80"), BAD_REQUEST),
    "a host with a port that is none": (get(BASE + b"/score", b"a:x"), BAD_REQUEST),
    "a host with an escape that is none": (get(BASE + b"/score", b"a%4"), BAD_REQUEST),
    "a host with a byte above 127": (get(BASE + b"/score", b"\xe4"), BAD_REQUEST),
    "absolute form beside two hosts": (
        b"GET http://b" + BASE + b"/score HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        BAD_REQUEST,
    ),
    "absolute form without a Host": (b"GET http://b" + BASE + b"/score HTTP/1.1\r\n\r\n", BAD_REQUEST),
    "HTTP/1.0 without a host": (
        GET.replace(b"1.1", b"1.0") + END,
        last(b"GET /score HTTP/1.1\r\nhost: \r\n\r\n"),
    ),
    "HTTP/1.0 with two hosts": (GET.replace(b"1.1", b"1.0") + HOST + HOST + END, BAD_REQUEST),
}

LINES: dict[str, Case] = {
    "fields go on byte for byte": (
        field(b"X-A:1", b"x-a: \t2 \t", b"X-B:", b"X-C: \x80\xff", b"x-d: a:b,c;d"),
        fields(b"X-A:1", b"x-a: \t2 \t", b"X-B:", b"X-C: \x80\xff", b"x-d: a:b,c;d"),
    ),
    "all that may be in a name": (field(b"!#$%&'*+-.^_`|~09aZ: x"), fields(b"!#$%&'*+-.^_`|~09aZ: x")),
    "LF alone at every line": (b"GET " + BASE + b"/score HTTP/1.1\nHost: a\n\n", BAD_REQUEST),
    "LF alone after the start line": (GET[:-2] + b"\n" + HOST + END, BAD_REQUEST),
    "LF alone after a field": (GET + b"Host: a\n" + END, BAD_REQUEST),
    "LF alone in the empty line": (GET + HOST + b"\n", BAD_REQUEST),
    "LF alone within a value": (field(b"x: a\nContent-Length: 40"), BAD_REQUEST),
    "CR alone after a field": (GET + b"Host: a\r" + END, BAD_REQUEST),
    "CR alone within a value": (field(b"x: a\rb"), BAD_REQUEST),
    "CR alone before a length": (field(b"x: a\rContent-Length: 40"), BAD_REQUEST),
    "CR CR LF": (field(b"x: a\r"), BAD_REQUEST),
    "NUL within a value": (field(b"x: a\0b"), BAD_REQUEST),
    "a control character within a value": (field(b"x: a\x0bb"), BAD_REQUEST),
    "DEL within a value": (field(b"x: \x7f"), BAD_REQUEST),
    "a folded line": (field(b"x: a", b" b"), BAD_REQUEST),
    "a folded length": (post(b"Content-Length:", b" 3", body=b"abc"), BAD_REQUEST),
    "a folded first line": (GET + b" x: a\r\n" + HOST + END, BAD_REQUEST),
    "a space before the colon": (field(b"x : a"), BAD_REQUEST),
    "a tab before the colon": (field(b"x\t: a"), BAD_REQUEST),
    "a space before the colon of a length": (post(b"Content-Length : 3", body=b"abc"), BAD_REQUEST),
    "a space before the colon of a coding": (post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"), BAD_REQUEST),
    "a space within a name": (field(b"Content Length: 3"), BAD_REQUEST),
    "a line without a colon": (field(b"x"), BAD_REQUEST),
    "a line without a name": (field(b": a"), BAD_REQUEST),
    "a colon alone": (field(b":"), BAD_REQUEST),
    "a name with a byte above 127": (field(b"\xe4: a"), BAD_REQUEST),
    "a name with NUL": (field(b"x\0: a"), BAD_REQUEST),
    "a name in quotes": (field(b'"x": a'), BAD_REQUEST),
    "a name in brackets": (field(b"x[]: a"), BAD_REQUEST),
    "100 lines": (field(*[b"x: a"] * 99), fields(*[b"x: a"] * 99)),
    "101 lines": (field(*[b"x: a"] * 100), HEAD_TOO_LARGE),
    "a value of 60 KiB": (field(b"x: " + b"a" * 60000), fields(b"x: " + b"a" * 60000)),
    "a value of 70 KiB": (field(b"x: " + b"a" * 70000), HEAD_TOO_LARGE),
    "a name of 70 KiB": (field(b"x" * 70000 + b": a"), HEAD_TOO_LARGE),
}

PASSED_ON: dict[str, Case] = {
    "the fields of one hop stay here": (
        field(b"Keep-Alive: 5", b"Proxy-Connection: x", b"Proxy-Authorization: x", b"TE: trailers", b"x: a"),
        fields(b"x: a"),
    ),
    "what Connection names stays here": (
        field(b"Connection: X-A , x-b", b"x-a: 1", b"X-B: 2", b"x-c: 3"),
        fields(b"x-c: 3"),
    ),
    "Connection on two lines": (
        field(b"Connection: x-a", b"x-a: 1", b"connection: close", b"x-c: 3"),
        last(b"GET /score HTTP/1.1\r\nhost: a\r\nx-c: 3\r\n\r\n"),
    ),
    "naming the length does not undo it": (
        post(b"Connection: content-length", b"Content-Length: 3", body=b"abc"),
        posts(b"abc"),
    ),
    "naming the host does not undo it": (field(b"Connection: host"), PLAIN),
    "the credential stays here": (field(b"Authorization: Bearer x"), PLAIN),
    "a credential twice": (field(b"Authorization: Bearer x", b"Authorization: Bearer y"), BAD_REQUEST),
    "a version twice": (field(*[b"azureml-model-deployment: blue"] * 2), BAD_REQUEST),
    "what only the router says stays here": (
        field(
            b"X-Request-ID: 1", b"x-ms-anything: 2", b"X-Forwarded-For: 3", b"Forwarded: for=4", b"x-forwarded-port: 5"
        ),
        fields(b"x-forwarded-port: 5"),
    ),
    "the caller's own id, cut to what is safe": (
        field(b"x-ms-client-request-id: a<b"),
        fields(b"x-ms-client-request-id: ab"),
    ),
    "underscores": (
        field(b"x_a: 1", b"_: 2", b"x_forwarded_port: 3"),
        fields(b"x_a: 1", b"_: 2", b"x_forwarded_port: 3"),
    ),
    "namesakes of what the router says": (
        field(b"x_forwarded_for: 1", b"X_Request_Id: 2", b"x-ms_any: 3", b"azureml_model_deployment: red", b"a_b: c"),
        fields(b"a_b: c"),
    ),
    "a namesake of the length": (post(b"content_length: 3", body=b"abc"), BAD_REQUEST),
    "a namesake of the coding": (post(b"Transfer_Encoding: chunked", body=b"0\r\n\r\n"), BAD_REQUEST),
    "a trace goes on": (
        field(b"tracestate: a=b", b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", b"x: a"),
        fields(b"x: a", b"tracestate: a=b", b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ),
    "the state of no trace stays here": (field(b"tracestate: a=b", b"x: a"), fields(b"x: a")),
    "the state of a trace that is none": (field(b"tracestate: a=b", b"traceparent: 00-0-0-0"), PLAIN),
    "an expectation that the model may refuse": (field(b"Expect: a-miracle"), fields(b"Expect: a-miracle")),
    "an upgrade": (
        field(b"Connection: Upgrade", b"Upgrade: websocket"),
        fields(b"connection: upgrade", b"upgrade: websocket"),
    ),
    "an upgrade that Connection does not name": (field(b"Upgrade: websocket"), PLAIN),
    "an upgrade to h2c": (field(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: x"), PLAIN),
    "an upgrade with a body": (
        post(b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 3", body=b"abc"),
        posts(b"abc"),
    ),
}

LENGTHS: dict[str, Case] = {
    "a length": (post(b"Content-Length: 3", body=b"abc"), posts(b"abc")),
    "a length of nothing": (post(b"Content-Length: 0"), posts(b"")),
    "a length with white space": (post(b"Content-Length: \t3\t ", body=b"abc"), posts(b"abc")),
    "a length with zeros before": (post(b"Content-Length: 003", body=b"abc"), posts(b"abc")),
    "no length is no body": (POST + HOST + END, forwarded(b"POST /score HTTP/1.1\r\nhost: a\r\n\r\n")),
    "a body of GET": (
        field(b"Content-Length: 3") + b"abc",
        forwarded(b"GET /score HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc"),
    ),
    "a body that looks like a request": (post(b"Content-Length: %d" % len(GET), body=GET), posts(GET)),
    "two lengths": (post(b"Content-Length: 3", b"Content-Length: 4", body=b"abc"), BAD_REQUEST),
    "the same length twice": (post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"), BAD_REQUEST),
    "a list of lengths": (post(b"Content-Length: 3, 3", body=b"abc"), BAD_REQUEST),
    "an empty length": (post(b"Content-Length:", body=b"abc"), BAD_REQUEST),
    "a negative length": (post(b"Content-Length: -3", body=b"abc"), BAD_REQUEST),
    "a length with a plus": (post(b"Content-Length: +3", body=b"abc"), BAD_REQUEST),
    "a length in hexadecimal": (post(b"Content-Length: 0x3", body=b"abc"), BAD_REQUEST),
    "a length with an underscore": (post(b"Content-Length: 0_3", body=b"abc"), BAD_REQUEST),
    "a length with a fraction": (post(b"Content-Length: 3.0", body=b"abc"), BAD_REQUEST),
    "a length with an exponent": (post(b"Content-Length: 3e0", body=b"abc"), BAD_REQUEST),
    "a length in quotes": (post(b'Content-Length: "3"', body=b"abc"), BAD_REQUEST),
    "a length of two numbers": (post(b"Content-Length: 3 3", body=b"abc"), BAD_REQUEST),
    "a length with a semicolon": (post(b"Content-Length: 3;", body=b"abc"), BAD_REQUEST),
    "a length with a vertical tab": (post(b"Content-Length: \x0b3", body=b"abc"), BAD_REQUEST),
    "a length in digits of another script": (post("Content-Length: ٣".encode(), body=b"abc"), BAD_REQUEST),
    "a length of 2^64": (post(b"Content-Length: 18446744073709551616", body=b"abc"), BAD_REQUEST),
    "a length of 30 digits": (post(b"Content-Length: " + b"0" * 29 + b"3", body=b"abc"), BAD_REQUEST),
    "a length beyond the limit": (post(b"Content-Length: 104857601", body=b"abc"), BODY_TOO_LARGE),
}

CODINGS: dict[str, Case] = {
    "chunks": (CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", chunks(b"3\r\nabc\r\n0\r\n\r\n")),
    "chunked in capitals, with white space": (
        post(b"transfer-ENCODING: \tCHUNKED ", body=b"0\r\n\r\n"),
        chunks(b"0\r\n\r\n"),
    ),
    "length and chunks": (post(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), BAD_REQUEST),
    "chunks and length": (post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"), BAD_REQUEST),
    "chunks and an empty length": (
        post(b"Transfer-Encoding: chunked", b"Content-Length:", body=b"0\r\n\r\n"),
        BAD_REQUEST,
    ),
    "chunked twice": (post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"), BAD_REQUEST),
    "chunked on two lines": (post(*[b"Transfer-Encoding: chunked"] * 2, body=b"0\r\n\r\n"), BAD_REQUEST),
    "chunked and nothing": (post(b"Transfer-Encoding: chunked,", body=b"0\r\n\r\n"), BAD_REQUEST),
    "nothing and chunked": (post(b"Transfer-Encoding: , chunked", body=b"0\r\n\r\n"), BAD_REQUEST),
    "identity": (post(b"Transfer-Encoding: identity", body=b"abc"), BAD_REQUEST),
    "identity beside a length": (post(b"Transfer-Encoding: identity", b"Content-Length: 3", body=b"abc"), BAD_REQUEST),
    "identity and chunked": (post(b"Transfer-Encoding: identity, chunked", body=b"0\r\n\r\n"), BAD_REQUEST),
    "gzip and chunked": (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), BAD_REQUEST),
    "chunked and gzip": (post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"), BAD_REQUEST),
    "xchunked": (post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), BAD_REQUEST),
    "chunked with a parameter": (post(b"Transfer-Encoding: chunked;q=1", body=b"0\r\n\r\n"), BAD_REQUEST),
    "chunked in quotes": (post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"), BAD_REQUEST),
    "chunked behind a vertical tab": (post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), BAD_REQUEST),
    "chunked behind a no-break space": (post(b"Transfer-Encoding: \xa0chunked", body=b"0\r\n\r\n"), BAD_REQUEST),
    "chunk": (post(b"Transfer-Encoding: chunk", body=b"0\r\n\r\n"), BAD_REQUEST),
    "an empty coding": (post(b"Transfer-Encoding:", body=b"0\r\n\r\n"), BAD_REQUEST),
    "chunks of HTTP/1.0": (
        POST.replace(b"1.1", b"1.0") + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        BAD_REQUEST,
    ),
}

CHUNKS: dict[str, Case] = {
    "sizes in both cases, with zeros before": (
        CHUNKED + b"00a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n",
        chunks(b"00a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n"),
    ),
    "extensions end here": (
        CHUNKED + b'3;a=b;c="d;\\"e"\r\nabc\r\n3 ; f = g\r\nabc\r\n0;h\r\n\r\n',
        chunks(b"3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n"),
    ),
    "trailers": (CHUNKED + b"0\r\nX-Sum: 1\r\nx_b: 2\r\n\r\n", chunks(b"0\r\nX-Sum: 1\r\nx_b: 2\r\n\r\n")),
    "a chunk that looks like the end": (
        CHUNKED + b"5\r\n0\r\n\r\n\r\n0\r\n\r\n",
        chunks(b"5\r\n0\r\n\r\n\r\n0\r\n\r\n"),
    ),
    "no size": (CHUNKED + b"\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "a size that is none": (CHUNKED + b"x\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "a negative size": (CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "a size with a plus": (CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "a size with 0x": (CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "a size with an underscore": (CHUNKED + b"0_3\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "a space before the size": (CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "a space after the size": (CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "a size of 2^64 and 3": (CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "a size of -1 in 64 bits": (CHUNKED + b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "a chunk longer than its size": (CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", BAD_REQUEST),
    "a chunk shorter than its size": (CHUNKED + b"4\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "no line end after a chunk": (CHUNKED + b"3\r\nabc0\r\n\r\n", BAD_REQUEST),
    "LF alone after a size": (CHUNKED + b"3\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "CR alone after a size": (CHUNKED + b"3\rabc\r\n0\r\n\r\n", BAD_REQUEST),
    "LF alone after a chunk": (CHUNKED + b"3\r\nabc\n0\r\n\r\n", BAD_REQUEST),
    "LF alone at the end": (CHUNKED + b"0\r\n\n", BAD_REQUEST),
    "LF within an extension": (CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "CR within an extension": (CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "LF within quotes of an extension": (CHUNKED + b'3;a="\n"\r\nabc\r\n0\r\n\r\n', BAD_REQUEST),
    "NUL within an extension": (CHUNKED + b"3;a\0\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "an extension of 5 KiB": (CHUNKED + b"3;" + b"a" * 5000 + b"\r\nabc\r\n0\r\n\r\n", BAD_REQUEST),
    "a trailer that frames": (CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", BAD_REQUEST),
    "a trailer that routes": (CHUNKED + b"0\r\nHost: b\r\n\r\n", BAD_REQUEST),
    "a trailer that authorizes": (CHUNKED + b"0\r\nAuthorization: Bearer x\r\n\r\n", BAD_REQUEST),
    "a trailer that only the router says": (CHUNKED + b"0\r\nx_forwarded_for: 1\r\n\r\n", BAD_REQUEST),
    "a trailer with a space before the colon": (CHUNKED + b"0\r\nx : 1\r\n\r\n", BAD_REQUEST),
    "a trailer that is folded": (CHUNKED + b"0\r\nx: 1\r\n 2\r\n\r\n", BAD_REQUEST),
    "trailers of 20 KiB": (CHUNKED + b"0\r\nx: " + b"a" * 20000 + b"\r\n\r\n", BAD_REQUEST),
    "a request where trailers belong": (CHUNKED + b"0\r\n" + GET + HOST + END, BAD_REQUEST),
}

CONNECTIONS: dict[str, Case] = {
    "three requests at once": (
        GET + HOST + END + post(b"Content-Length: 3", body=b"abc") + CHUNKED + b"0\r\n\r\n",
        forwarded(*PLAIN.requests, *posts(b"abc").requests, *chunks(b"0\r\n\r\n").requests),
    ),
    "requests with empty lines between": (  # RFC 9112 section 2.2
        GET + HOST + END + END + END + GET + HOST + END,
        forwarded(*PLAIN.requests * 2),
    ),
    "close": (field(b"Connection: close"), last(*PLAIN.requests)),
    "close in capitals, among others": (field(b"Connection: x, CLOSE"), last(*PLAIN.requests)),
    "close behind another request": (GET + HOST + END + field(b"Connection: close"), last(*PLAIN.requests * 2)),
    "HTTP/1.0": (GET.replace(b"1.1", b"1.0") + HOST + END, last(*PLAIN.requests)),
    "HTTP/1.0 that stays": (
        GET.replace(b"1.1", b"1.0") + HOST + b"Connection: keep-alive\r\n\r\n",
        PLAIN,
    ),
    "HTTP/1.0 that stays, with a body": (
        POST.replace(b"1.1", b"1.0") + HOST + b"Connection: Keep-Alive\r\nContent-Length: 3\r\n\r\nabc",
        posts(b"abc"),
    ),
    "HTTP/1.0 that says both": (
        GET.replace(b"1.1", b"1.0") + HOST + b"Connection: keep-alive, close\r\n\r\n",
        last(*PLAIN.requests),
    ),
    "the router's own health": (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", Answered(200)),
    "an unknown path": (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", NOT_FOUND),
}

CASES = {
    f"{group}: {name}": case
    for group, cases in {
        "start line": START_LINES,
        "target": TARGETS,
        "host": HOSTS,
        "line": LINES,
        "passed on": PASSED_ON,
        "length": LENGTHS,
        "coding": CODINGS,
        "chunks": CHUNKS,
        "connection": CONNECTIONS,
    }.items()
    for name, case in cases.items()
}
