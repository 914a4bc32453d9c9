"""The heads that the router sends: the other side's own bytes, with the router's fields put in place of theirs.

Rules (contract, section 4). To the replica: no credential, no hop-by-hop field; x-forwarded-*, request ids and trace
context added. To the client: ids and the version that answered added. Framing is written anew from what was understood,
so that both sides of the router agree on where a message ends.

Pure; called once or twice per request by `router.proxy.exchange`.
"""

from __future__ import annotations

import re
from typing import Final

from router.core.heads import RequestHead

CLOSE: Final = b"connection: close\r\n"
CHUNKED: Final = b"\r\ntransfer-encoding: chunked"
KEEP_ALIVE_10: Final = b"connection: keep-alive\r\n"
_EXPECT: Final = re.compile(rb"\r\n(?i:expect):[^\r]*")


def request_head(head: RequestHead, path: bytes, forwarded: bytes, request_id: bytes, traceparent: bytes) -> bytes:
    """What the replica gets. `forwarded` is the x-forwarded lines, each begun with CRLF."""
    return b"%b %b HTTP/1.1%b%b\r\nx-request-id: %b\r\nx-ms-request-id: %b\r\n%btraceparent: %b\r\n\r\n" % (
        head.method,
        path,
        head.passed_on,
        forwarded,
        request_id,
        request_id,
        head.client_id,
        traceparent,
    )


def copied_head(rewritten: bytes, path: bytes) -> bytes:
    """What a mirror gets for a request whose replica gets `rewritten`: the same at its own path, without Expect.

    A copy is sent with its whole body, so there is nothing left to ask for (RFC 9110 section 10.1.1).
    """
    method, _, rest = rewritten.split(b" ", 2)
    return _EXPECT.sub(b"", b"%b %b %b" % (method, path, rest))


def response_head(passed_on: bytes, chunked: bool, version: bytes, request_id: bytes, last: bytes) -> bytes:
    """What the client gets. `passed_on` is the replica's head as far as it goes on, `version` a line begun with CRLF,
    `last` more lines, each ended with it."""
    return b"%b%b%b\r\nx-request-id: %b\r\nx-ms-request-id: %b\r\n%b\r\n" % (
        passed_on,
        CHUNKED if chunked else b"",
        version,
        request_id,
        request_id,
        last,
    )


def chunk(data: bytes, last: bool) -> bytes:
    """`data` in chunked coding; `last` ends the body."""
    framed = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    return framed + b"0\r\n\r\n" if last else framed


def forwarded_by_trusted(head: RequestHead, peer: bytes, scheme: bytes) -> bytes:
    """The x-forwarded lines of a request from a trusted proxy: what it said is kept, and it is added to the chain."""
    fields = head.fields
    chain = fields.get(b"x-forwarded-for")
    return b"\r\nx-forwarded-for: %b\r\nx-forwarded-proto: %b\r\nx-forwarded-host: %b" % (
        chain + b", " + peer if chain else peer,
        fields.get(b"x-forwarded-proto", scheme),
        fields.get(b"x-forwarded-host", head.host),
    )


def server_timing(queue_s: float, upstream_s: float, router_s: float) -> bytes:
    """Where the time went (W3C Server Timing; its unit is milliseconds), as a line ended with CRLF."""
    return b"server-timing: queue;dur=%.3f, upstream;dur=%.3f, router;dur=%.3f\r\n" % (
        queue_s * 1000,
        upstream_s * 1000,
        router_s * 1000,
    )


def id_lines(request_id: bytes) -> bytes:
    return b"x-request-id: %b\r\nx-ms-request-id: %b\r\n" % (request_id, request_id)
