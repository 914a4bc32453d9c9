"""What mutation starts from, and what it puts in: valid messages, and what request smuggling is made of."""

from __future__ import annotations

from typing import Final

SCORE: Final = b"/api/v1/service/digits/score"
TRACE: Final = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

REQUESTS: Final = [
    b"GET " + SCORE + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST " + SCORE + b"?a=b HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello",
    b"POST " + SCORE + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /x/y%20z HTTP/1.1\r\nX-A: b\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4;a=b\r\nwiki\r\n0\r\nX-Sum: 1\r\n\r\n",
    b"PUT /a/b.c?d HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
    b"Accept: */*\r\nAccept: b\r\n\r\n",
    b"HEAD /h HTTP/1.1\r\nHost: example.com\r\nx_y: 1\r\nX-Forwarded-For: 1.2.3.4\r\nCookie: a_b=c\r\n\r\n",
    b"POST /p HTTP/1.0\r\nHost: example.com\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
    b"GET http://example.com/abs?q HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n",
    b"GET /t HTTP/1.1\r\nHost: example.com\r\ntraceparent: " + TRACE + b"\r\ntracestate: a=1\r\nTE: trailers\r\n\r\n",
    b"POST " + SCORE + b" HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer key\r\nazureml-model-deployment: blue\r\n"
    b"x-ms-client-request-id: me\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n42",
    b"GET /ws HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
]
ANSWERS: Final = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: a/b\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nwiki\r\n0\r\nX-Sum: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 201 Created\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\n42",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.1 500 Oops\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad",
    b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\nuntil the end",
    b"HTTP/1.1 200\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nx-request-id: 1\r\nContent-Length: 1\r\n\r\n1",
]

TELLING: Final = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b"\x0b", b"\x0c", b"\x85", b"\xa0", b"\xff", b"\x7f", b":", b",", b";",
    b"=", b'"', b"\\", b"/", b"%", b"%2e", b"%2f", b"%00", b"..", b"#", b"?", b"_", b"-", b"+", b"0", b"1", b"f",
    b"0x", b"@", b"\r\n\r\n", b"\r\n ", b"\r\r\n", b"\n\n", b"0\r\n\r\n",
]  # fmt: skip
LINES: Final = [
    b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: 05", b"Content-Length: 5, 5", b"Content-Length: +5",
    b"Content-Length: 6", b"content-length:5", b"Content-Length : 5", b"Content_Length: 5", b"Content-Length: 0x5",
    b"Content-Length: 99999999999999999999", b"Content-Length: 200000000", b"X: y\rContent-Length: 5",
    b"Content-Length:", b"Transfer-Encoding: chunked", b"transfer-encoding:\tCHUNKED ",
    b"Transfer-Encoding: xchunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: \x0bchunked",
    b"Transfer_Encoding: chunked", b" chunked", b"Transfer-Encoding:\r\n chunked",
    b"X: y\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked;a=b", b"Host: b", b"Host:",
    b"Host: example.com", b"Host: a b", b"Host: a@b", b"Host: [::1]:1", b"Connection: close",
    b"Connection: keep-alive", b"Connection: Content-Length", b"Connection: X-A, host, te", b"Connection: upgrade",
    b"Upgrade: websocket, h2c", b"HTTP2-Settings: x", b"Keep-Alive: 1", b"Proxy-Connection: close", b"TE: trailers",
    b"Trailer: X-Sum", b"Expect: 100-continue", b"Authorization: Bearer other", b"Proxy-Authorization: x",
    b"X-Forwarded-For: 6.6.6.6", b"x_forwarded_for: 6.6.6.6", b"X-Forwarded-Host: c", b"Forwarded: for=1",
    b"X-Request-Id: mine", b"x-ms-request-id: mine", b"x-ms-client-request-id: a<b>",
    b"azureml-model-deployment: red", b"azureml_model_deployment: red", b"traceparent: " + TRACE, b"traceparent: x",
    b"tracestate: c=2", b"a_b: c", b"x:", b"X-Long: " + b"v" * 300, b": x", b"x", b"x : y", b"\tx: y", b"x\0: y",
    b"GET /smuggled HTTP/1.1", b"",
]  # fmt: skip
CHUNK_LINES: Final = [
    b"0", b"00", b"5", b"05", b"5 ", b" 5", b"5;", b"5;a", b"5;a=b", b'5;a="b;c"', b"5 ;a", b"5;a\n", b"5\t", b"0x5",
    b"-5", b"+5", b"5_0", b"ffffffffffffffff", b"fffffffffffffff", b"10000000000000005", b"F", b"g", b"", b"5\r",
    b"0;a=b", b"5;a=\"b",
]  # fmt: skip
TARGETS: Final = [
    b"/", b"*", b"//x", b"/..", b"/a/%2e%2e/b", b"/..;/x", b"/..\\x", b"/..%2fx", b"/%zz", b"/%", b"/a#b", b"/a?#",
    b"/a?/../", b"http://example.com", b"http://example.com/x", b"HTTPS://b" + SCORE, b"http://u@b/", b"b:80",
    b"/healthz", b"/x", b"/api/v1/service/digits", b"/api/v1/service/other/score", b"/api/v1/service/digits/../x",
    b"/a;b/c", b"/%41",
]  # fmt: skip
