"""The heads that the router sends: the other side's own bytes, with the router's fields put in place of theirs.

Rules (contract, section 4). To the replica: no credential, no hop-by-hop field; x-forwarded-*, request ids and trace
context added. To the client: ids and the version that answered added. Framing is written anew from what was understood,
so that both sides of the router agree on where a message ends.

Pure; called once or twice per request by `router.proxy.exchange`.
"""

from __future__ import annotations

from typing import Final

from router.core.heads import RequestHead, ResponseHead
from router.proxy.identifiers import client_request_id

CLOSE: Final = b"connection: close\r\n"
KEEP_ALIVE_10: Final = b"connection: keep-alive\r\n"


def request_head(head: RequestHead, path: bytes, forwarded: bytes, request_id: bytes, traceparent: bytes) -> bytes:
    """What the replica gets. `forwarded` is the x-forwarded lines, each begun with CRLF."""
    return b"%b %b HTTP/1.1\r\nhost: %b%b%b%b\r\n%b%btraceparent: %b\r\n\r\n" % (
        head.method,
        path,
        head.host,
        head.kept,
        _request_framing(head),
        forwarded,
        id_lines(request_id),
        client_id_line(head),
        traceparent,
    )


def response_head(
    head: ResponseHead, framing: bytes, version: bytes, request_id: bytes, client_id: bytes, last: bytes
) -> bytes:
    """What the client gets. `framing` and `version` are lines begun with CRLF; `client_id` and `last` end with it."""
    # azureml-fe answers 502 for a model's 500; every other status passes through
    start = b"%d %b" % (head.status, head.reason) if head.status != 500 else b"502 Bad Gateway"
    return b"HTTP/1.1 %b%b%b%b\r\n%b%b%b\r\n" % (
        start,
        head.kept,
        framing,
        version,
        id_lines(request_id),
        client_id,
        last,
    )


def response_framing(head: ResponseHead, http11: bool, until_close: bool) -> bytes:
    """How the body is framed for the client. HTTP/1.0 knows no chunks: there the connection's end is the body's."""
    if head.status == 204:  # RFC 9110 section 8.6: no Content-Length
        return b""
    if head.length is not None:
        return b"\r\ncontent-length: %d" % head.length
    if http11 and (head.chunked or until_close):
        return b"\r\ntransfer-encoding: chunked"
    return b""


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


def id_lines(request_id: bytes) -> bytes:
    return b"x-request-id: %b\r\nx-ms-request-id: %b\r\n" % (request_id, request_id)


def client_id_line(head: RequestHead) -> bytes:
    """The caller's own id, as far as it may be echoed."""
    value = head.fields.get(b"x-ms-client-request-id")
    if value is None:
        return b""
    echoed = client_request_id(value)
    return b"x-ms-client-request-id: %b\r\n" % echoed if echoed else b""


def _request_framing(head: RequestHead) -> bytes:
    if head.chunked:
        return b"\r\ntransfer-encoding: chunked"
    return b"\r\ncontent-length: %d" % head.length if b"content-length" in head.fields else b""
