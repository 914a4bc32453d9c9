"""The heads of HTTP/1.1 messages: a grammar that accepts or refuses, and a split that keeps raw bytes raw.

A head is understood in two regular expressions. The first is RFC 9112's grammar for the whole head, the way h11 writes
it: one match, or the message is refused; so no obs-fold, bare LF or CR, NUL, or space before a colon ever gets past it.
The second splits the header section at the few fields that a router must read or replace. What lies between them is
never taken apart: it goes on to the other side as the same bytes in the same order.

Invariants:
- `kept` holds only lines that the grammar accepted, each as CRLF + line, with no hop-by-hop field, no credential and no
  field that the router sets itself.
- `fields` has lower-cased names; a field that may stand only once stands once, or the head was refused.
- Framing (`length`, `chunked`) is unambiguous, or the head was refused. What is sent on is framed from these two,
  so both sides of the router agree on where a message ends.

Called by the protocol classes of `router.proxy`; pure. Why not llhttp: docs/decisions/0001-heads-by-grammar.md.
"""

from __future__ import annotations

import re
from typing import Final

from router.core.credentials import bearer_digest, text_digest
from router.errors import MalformedMessage, Outcome

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
# RFC 9110 section 5.5: visible characters, obs-text, space and tab; never a control character
_VALUE: Final = rb"[^\x00-\x08\x0a-\x1f\x7f]"
# possessive repeats: what a line matched is never tried again, so matching is linear in size
_FIELDS: Final = rb"((?:" + _TOKEN + rb"++:" + _VALUE + rb"*+\r\n)*+)\r\n"

_REQUEST_HEAD: Final = re.compile(rb"(" + _TOKEN + rb"++) ([\x21-\x7e]++) HTTP/1\.([01])\r\n" + _FIELDS)
_RESPONSE_HEAD: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: (" + _VALUE + rb"*+))?\r\n" + _FIELDS)

# Fields are found by the CRLF before them (a literal prefix, which the matcher searches fast), so the text that is
# split begins with the CRLF that ends the start line.
_REQUEST_FIELDS: Final = re.compile(
    rb"\r\n(?i:(host|content-length|transfer-encoding|connection|keep-alive|proxy-[a-z-]+|te|upgrade|authorization"
    rb"|azureml-model-deployment|x-request-id|x-ms-[^:]*|x-forwarded-(?:for|proto|host)|forwarded|traceparent))"
    rb":[ \t]*([^\r]*)"
)
_RESPONSE_FIELDS: Final = re.compile(
    rb"\r\n(?i:(content-length|transfer-encoding|connection|keep-alive|proxy-connection|upgrade|x-request-id"
    rb"|x-ms-request-id|x-ms-client-request-id|azureml-model-deployment)):[ \t]*([^\r]*)"
)

_ONCE: Final = frozenset(
    {b"host", b"content-length", b"authorization", b"azureml-model-deployment", b"transfer-encoding"}
)
_MAX_DIGITS: Final = 18
"""Of a Content-Length: far above any limit, far below what any integer type overflows at."""
_CONNECTION_OPTIONS: Final = frozenset({b"close", b"keep-alive", b"upgrade", b"te", b""})
_DOT, _PERCENT = b".%"
_DOT_SEGMENT: Final = re.compile(rb"(?i:/(?:\.|%2e){1,2}(?:[/#]|$))")
_NOT_IN_CLIENT_ID: Final = re.compile(rb"[^A-Za-z0-9_-]+")
MAX_CLIENT_ID: Final = 40
"""Characters of x-ms-client-request-id that are kept, as Azure's front end does."""
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#@]+)([/?#].*)?", re.DOTALL)
_IN_HOST: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~!$&'()*+,;=%:[]-"


_lower: Final = bytes.lower


class RequestHead:
    """A request's head, understood. `target` is in origin-form; `host` is the authority as the client named it."""

    __slots__ = (
        "chunked",
        "client_id",
        "credential",
        "dot_segments",
        "fields",
        "host",
        "http11",
        "keep_alive",
        "kept",
        "length",
        "method",
        "passed_on",
        "target",
        "upgrade",
    )

    method: bytes
    target: bytes
    host: bytes
    http11: bool
    keep_alive: bool
    chunked: bool
    length: int
    """Bytes of body announced by Content-Length; 0 when none or when chunked."""
    fields: dict[bytes, bytes]
    """What the router reads or replaces; under `authorization` only a digest of what was there."""
    kept: bytes
    passed_on: bytes
    """What goes on to the replica of the header section: host, `kept`, framing; each line begun with CRLF."""
    credential: bytes | None
    """The digest of what Authorization carries (`router.core.credentials`); the text itself is in none of these."""
    dot_segments: bool
    """Whether a segment of the path is `.` or `..`, plain or percent-encoded, so that it could mean another path."""
    client_id: bytes
    """The line x-ms-client-request-id as far as it may be echoed, ended with CRLF; else empty."""
    upgrade: bytes
    """The protocols that the client asks to switch to and that the replica is told of; else empty."""

    def __repr__(self) -> str:
        return (
            f"<RequestHead {self.method.decode()} {self.target.decode()} length={self.length} chunked={self.chunked}>"
        )


def no_request() -> RequestHead:
    """Stands for the head of bytes that are no request: of nothing, from nobody, and nothing may follow."""
    head = RequestHead()
    head.method = head.target = head.host = head.kept = head.passed_on = head.client_id = head.upgrade = b""
    head.credential = None
    head.http11 = True
    head.keep_alive = head.chunked = head.dot_segments = False
    head.length = 0
    head.fields = {}
    return head


class ResponseHead:
    """A response's head, understood. `length` is None when Content-Length does not frame the body."""

    __slots__ = ("chunked", "fields", "keep_alive", "kept", "length", "passed_on", "reason", "status", "upgrade")

    status: int
    reason: bytes
    keep_alive: bool
    chunked: bool
    length: int | None
    fields: dict[bytes, bytes]
    kept: bytes
    passed_on: bytes
    """What goes on to the client: status line, `kept`, Content-Length; each line but the first begun with CRLF."""
    upgrade: bytes
    """Of a 101: the protocol that the replica speaks from here on; else empty."""

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status} length={self.length} chunked={self.chunked}>"


def refuse_early(beginning: bytes | bytearray) -> None:
    """Refuses the beginning of a head that no further bytes can mend, so that a client need not wait for a timeout."""
    if beginning.count(b"\n") != beginning.count(b"\r\n"):  # faster than a pattern: asked per segment
        raise MalformedMessage("a line ends with LF alone; HTTP/1.1 lines end with CRLF")


def parse_request(data: bytes, end: int, max_fields: int) -> RequestHead:
    """Understands the head in `data[:end]`, where `end` is just past the empty line.

    Raises MalformedMessage with the outcome to answer: bad_request, or head_too_large for more than `max_fields` lines.
    """
    match = _REQUEST_HEAD.fullmatch(data, 0, end)
    if match is None:
        raise MalformedMessage("the request's head is not HTTP/1.1 as RFC 9112 defines it")
    if data.count(b"\r\n", 0, end) - 2 > max_fields:
        raise MalformedMessage(f"more than {max_fields} header lines", Outcome.HEAD_TOO_LARGE)
    head = RequestHead()
    head.method, head.target, minor, _ = match.groups()
    head.http11 = minor == b"1"
    # the CRLF of the start line belongs to the text that is split, the empty line at the end does not
    parts = _REQUEST_FIELDS.split(data[match.start(4) - 2 : end - 4])
    head.kept = b"".join(parts[::3])
    fields = head.fields = _fields(parts)
    head.chunked = b"transfer-encoding" in fields and _is_chunked(fields, head.http11)
    head.length = _length(fields) or 0
    _resolve_target(head)
    head.keep_alive, head.kept = _connection(fields, head.http11, head.kept)
    if head.chunked:
        framing = b"\r\ntransfer-encoding: chunked"
    else:
        framing = b"\r\ncontent-length: %d" % head.length if b"content-length" in fields else b""
    head.upgrade = _upgrade(head, fields) if b"upgrade" in fields else b""
    if head.upgrade:
        framing += b"\r\nconnection: upgrade\r\nupgrade: " + head.upgrade
    head.passed_on = b"\r\nhost: %b%b%b" % (head.host, head.kept, framing)
    authorization = fields.get(b"authorization")
    if authorization is None:
        head.credential = None
    else:
        head.credential = bearer_digest(authorization)
        fields[b"authorization"] = head.credential or text_digest(authorization)
    client_id = fields.get(b"x-ms-client-request-id")
    head.client_id = _client_id_line(client_id) if client_id else b""
    head.dot_segments = has_dot_segment(head.target)
    return head


def has_dot_segment(target: bytes) -> bool:
    """Whether a segment of the path is `.` or `..`, plain or percent-encoded."""
    if _DOT not in target and _PERCENT not in target:
        return False
    return _DOT_SEGMENT.search(target.partition(b"?")[0]) is not None


def _client_id_line(value: bytes) -> bytes:
    echoed = _NOT_IN_CLIENT_ID.sub(b"", value)[:MAX_CLIENT_ID]
    return b"x-ms-client-request-id: %b\r\n" % echoed if echoed else b""


def parse_response(data: bytes, end: int) -> ResponseHead:
    """Understands the head of a replica's response in `data[:end]`. Raises MalformedMessage."""
    match = _RESPONSE_HEAD.fullmatch(data, 0, end)
    if match is None:
        raise MalformedMessage("the response's head is not HTTP/1.1 as RFC 9112 defines it", Outcome.UPSTREAM_ERROR)
    head = ResponseHead()
    minor, status, reason, _ = match.groups()
    head.status = int(status)
    head.reason = reason or b""
    parts = _RESPONSE_FIELDS.split(data[match.start(4) - 2 : end - 4])
    head.kept = b"".join(parts[::3])
    fields = head.fields = _fields(parts)
    # RFC 9112 section 6.1, RFC 9110 section 8.6: 204 is framed by nothing, and must not say that it is
    head.chunked = b"transfer-encoding" in fields and _is_chunked(fields, http11=True) and head.status != 204
    head.length = _length(fields)
    http11 = minor == b"1"
    persists, head.kept = _connection(fields, http11, head.kept)
    # RFC 9112 section 6.1: an HTTP/1.0 sender that says chunked may not know what it says; the connection ends with it
    head.keep_alive = persists and (http11 or not head.chunked)
    # azureml-fe answers 502 for a model's 500; every other status passes through
    start = b"%d %b" % (head.status, head.reason) if head.status != 500 else b"502 Bad Gateway"
    bodiless = head.status == 204 or head.status < 200  # RFC 9110 section 8.6: these bear no Content-Length
    length = b"" if head.length is None or bodiless else b"\r\ncontent-length: %d" % head.length
    head.upgrade = fields.get(b"upgrade", b"").rstrip(b" \t") if head.status == 101 else b""
    if head.upgrade:
        length = b"\r\nconnection: upgrade\r\nupgrade: " + head.upgrade
    head.passed_on = b"HTTP/1.1 %b%b%b" % (start, head.kept, length)
    return head


def _fields(parts: list[bytes]) -> dict[bytes, bytes]:
    """Names and values out of a split; trailing white space is left to whoever compares a value."""
    fields = dict(zip(map(_lower, parts[1::3]), parts[2::3]))  # noqa: B905  a split gives as many values as names
    if len(fields) * 3 + 1 != len(parts):
        fields = _combine_repeated(parts)
    return fields


def _combine_repeated(parts: list[bytes]) -> dict[bytes, bytes]:
    """RFC 9110 section 5.3: repeated list fields are one list; others make the message ambiguous."""
    fields: dict[bytes, bytes] = {}
    for name, value in zip(map(bytes.lower, parts[1::3]), parts[2::3], strict=True):
        if name not in fields:
            fields[name] = value
        elif name in _ONCE:
            raise MalformedMessage(f"header {name.decode('latin-1')} is repeated")
        else:
            fields[name] += b", " + value
    return fields


def _is_chunked(fields: dict[bytes, bytes], http11: bool) -> bool:
    coding = fields[b"transfer-encoding"]
    # RFC 9112 section 6.1: with Content-Length beside it, or from HTTP/1.0, the framing is in doubt
    if b"content-length" in fields:
        raise MalformedMessage("both Transfer-Encoding and Content-Length are given")
    if not http11:
        raise MalformedMessage("Transfer-Encoding in an HTTP/1.0 message")
    if coding.rstrip(b" \t").lower() != b"chunked":
        raise MalformedMessage("the only transfer coding accepted is chunked")
    return True


def _length(fields: dict[bytes, bytes]) -> int | None:
    value = fields.get(b"content-length")
    if value is None:
        return None
    if not value.isdigit():
        value = value.rstrip(b" \t")
    if not value.isdigit() or len(value) > _MAX_DIGITS:
        raise MalformedMessage("Content-Length is not a number of bytes")
    return int(value)


def _resolve_target(head: RequestHead) -> None:
    """Brings the target into origin-form and settles the host (RFC 9112 sections 3.2 and 3.2.2)."""
    host = head.fields.get(b"host")
    if host is None:
        if head.http11:
            raise MalformedMessage("header Host is missing")
        host = b""
    host = host.rstrip(b" \t")
    target = head.target
    if target[:1] != b"/":
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None:
            raise MalformedMessage("the request target is neither a path nor an http URL")
        # the authority in the target replaces what Host says; an empty path is "/"
        host, rest = absolute.groups(default=b"")
        head.target = rest if rest[:1] == b"/" else b"/" + rest
    if host.translate(None, _IN_HOST):
        raise MalformedMessage("header Host is not a host name")
    head.host = host


def _upgrade(head: RequestHead, fields: dict[bytes, bytes]) -> bytes:
    """What the client may switch to (RFC 9110 section 7.8).

    Connection must name the field, and HTTP/1.0 knows no upgrade. Ignored, as a server may: with a body, because where
    it ends and the other protocol begins would be a matter of opinion; and h2c, because requests inside such a tunnel
    would reach the model without their credential or path ever being looked at.
    """
    options = fields.get(b"connection", b"").lower().split(b",")
    if not head.http11 or head.chunked or head.length or b"upgrade" not in [option.strip(b" \t") for option in options]:
        return b""
    protocols = [protocol.strip(b" \t") for protocol in fields[b"upgrade"].split(b",")]
    return b", ".join(protocol for protocol in protocols if protocol and protocol.lower() != b"h2c")


def _connection(fields: dict[bytes, bytes], http11: bool, kept: bytes) -> tuple[bool, bytes]:
    """Whether the connection persists (RFC 9112 section 9.3), and `kept` without the fields that Connection names."""
    value = fields.get(b"connection")
    if value is None:
        return http11, kept
    if value == b"keep-alive":  # what nearly all who say something say
        return True, kept
    options = {option.strip(b" \t") for option in value.lower().split(b",")}
    if named := options - _CONNECTION_OPTIONS:
        kept = _without(kept, named)
        for name in named - _ONCE:
            fields.pop(name, None)
    if b"close" in options:
        return False, kept
    return http11 or b"keep-alive" in options, kept


def _without(kept: bytes, names: set[bytes]) -> bytes:
    """`kept` without the lines of these fields; one pass, however many names a hostile Connection lists."""
    lines = kept.split(b"\r\n")
    return b"\r\n".join(line for line in lines if line.partition(b":")[0].lower() not in names)
