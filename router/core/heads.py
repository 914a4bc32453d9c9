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
- `target` names one path, however a model decodes it: what could be read as a dot segment was refused.

Called by the protocol classes of `router.proxy`; pure. Why not llhttp: docs/decisions/0001-heads-by-grammar.md.
"""

from __future__ import annotations

import re
from typing import Final

from router.core.credentials import bearer_digest, text_digest
from router.core.tracecontext import valid_traceparent
from router.errors import MalformedMessage, Outcome

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
# RFC 9110 section 5.5: visible characters, obs-text, space and tab; never a control character
_VALUE: Final = rb"[^\x00-\x08\x0a-\x1f\x7f]"
# possessive repeats: what a line matched is never tried again, so matching is linear in size
_FIELDS: Final = rb"((?:" + _TOKEN + rb"++:" + _VALUE + rb"*+\r\n)*+)\r\n"

# a target has no fragment (RFC 9112 section 3.2), so "#" is no part of one: servers differ in where they cut it
_TARGET: Final = rb"[\x21\x22\x24-\x7e]"
_REQUEST_HEAD: Final = re.compile(rb"(" + _TOKEN + rb"++) (" + _TARGET + rb"++) HTTP/1\.([01])\r\n" + _FIELDS)
_RESPONSE_HEAD: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: (" + _VALUE + rb"*+))?\r\n" + _FIELDS)

# Fields are found by the CRLF before them (a literal prefix, which the matcher searches fast), so the text that is
# split begins with the CRLF that ends the start line.
_SETTLED_HERE: Final = (
    rb"host|content-length|transfer-encoding|connection|keep-alive|proxy-[^:]+|te|upgrade|authorization"
    rb"|azureml-model-deployment|x-request-id|x-ms-[^:]*|x-forwarded-(?:for|proto|host)|forwarded|trace(?:parent|state)"
)
_REQUEST_FIELDS: Final = re.compile(rb"\r\n(?i:(" + _SETTLED_HERE + rb")):[ \t]*([^\r]*)")
# CGI (RFC 3875 section 4.1.18) and WSGI turn "-" into "_", so that a model would take one of these for its namesake
_NAMESAKES: Final = re.compile(rb"\r\n(?i:(" + _SETTLED_HERE.replace(b"-", b"[-_]") + rb")):[^\r]*")
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
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_UNDERSCORE, _SLASH, _DOT, _PERCENT = b"_/.%"
# "\\" parts segments for some servers, as "/" does, and ";" ends what servlet containers compare (RFC 3986 section 3.3)
_PARTING: Final = rb"/|\\|%2f|%5c"
_DOT_SEGMENT: Final = re.compile(rb"(?i:(?:" + _PARTING + rb")(?:\.|%2e){1,2}(?:" + _PARTING + rb"|;|%3b|\Z))")
_BAD_ESCAPE: Final = re.compile(rb"%(?:00|(?![0-9A-Fa-f]{2}))")
_EXPECTS_CONTINUE: Final = re.compile(rb"\r\n(?i:expect):[ \t]*(?i:100-continue)")
_NOT_IN_CLIENT_ID: Final = re.compile(rb"[^A-Za-z0-9_-]+")
MAX_CLIENT_ID: Final = 40
"""Characters of x-ms-client-request-id that are kept, as Azure's front end does."""
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?@]+)([/?].*)?", re.DOTALL)
# RFC 9112 section 3.2: uri-host [":" port], as RFC 3986 section 3.2.2 has it
_HOST: Final = re.compile(
    rb"[A-Za-z0-9._~!$&'()*+,;=-]*+(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._~!$&'()*+,;=-]*+)*+(?::[0-9]*+)?+"
    rb"|\[[0-9A-Fa-f:.]++\](?::[0-9]*+)?+"
)


_lower: Final = bytes.lower


class RequestHead:
    """A request's head, understood. `target` is in origin-form; `host` is the authority as the client named it."""

    __slots__ = (
        "chunked",
        "client_id",
        "credential",
        "fields",
        "host",
        "http11",
        "keep_alive",
        "kept",
        "length",
        "method",
        "passed_on",
        "target",
        "traceparent",
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
    """What goes on to the replica of the header section: host, `kept`, tracestate, framing; all begun with CRLF."""
    credential: bytes | None
    """The digest of what Authorization carries (`router.core.credentials`); the text itself is in none of these."""
    client_id: bytes
    """The line x-ms-client-request-id as far as it may be echoed, ended with CRLF; else empty."""
    traceparent: bytes | None
    """The trace context that came in, if it is valid."""
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
    head.credential = head.traceparent = None
    head.http11 = True
    head.keep_alive = head.chunked = False
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
    if _UNDERSCORE in head.kept:
        head.kept = _without_namesakes(head.kept)
    if head.chunked:
        framing = b"\r\ntransfer-encoding: chunked"
    else:
        framing = b"\r\ncontent-length: %d" % head.length if b"content-length" in fields else b""
    head.traceparent = None
    if b"traceparent" in fields:
        framing = _trace_context(head) + framing
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
    return head


def expects_continue(head: RequestHead) -> bool:
    """Whether the client may wait for a 100 before it sends the body (RFC 9110 section 10.1.1)."""
    return head.http11 and _EXPECTS_CONTINUE.search(head.kept) is not None


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
    # RFC 9112 section 6.1, RFC 9110 section 8.6: 1xx and 204 are framed by nothing, and must not say that they are
    framed = head.status >= 200 and head.status != 204
    head.chunked = b"transfer-encoding" in fields and _is_chunked(fields, http11=True) and framed
    head.length = _length(fields)
    http11 = minor == b"1"
    persists, head.kept = _connection(fields, http11, head.kept)
    # RFC 9112 section 6.1: an HTTP/1.0 sender that says chunked may not know what it says; the connection ends with it
    head.keep_alive = persists and (http11 or not head.chunked)
    # azureml-fe answers 502 for a model's 500; every other status passes through
    start = b"%d %b" % (head.status, head.reason) if head.status != 500 else b"502 Bad Gateway"
    length = b"" if head.length is None or not framed else b"\r\ncontent-length: %d" % head.length
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
    values: dict[bytes, list[bytes]] = {}
    for name, value in zip(map(bytes.lower, parts[1::3]), parts[2::3], strict=True):
        values.setdefault(name, []).append(value)
    for name, listed in values.items():
        if len(listed) > 1 and name in _ONCE:
            raise MalformedMessage(f"header {name.decode('latin-1')} is repeated")
    return {name: b", ".join(listed) for name, listed in values.items()}


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
    target = head.target
    if head.method == b"CONNECT":
        raise MalformedMessage("CONNECT asks for a tunnel, and this is no forward proxy")
    if target[0] != _SLASH:
        host, target = _authority_and_path(head.method, target)
        head.target = target
    if _DOT in target or _PERCENT in target:
        _check_path(target.partition(b"?")[0])
    if _HOST.fullmatch(host) is None and _HOST.fullmatch(host := host.rstrip(b" \t")) is None:
        raise MalformedMessage("header Host is not a host name")
    head.host = host


def _authority_and_path(method: bytes, target: bytes) -> tuple[bytes, bytes]:
    """Of a target in absolute-form: its authority, which replaces what Host says, and the rest in origin-form."""
    if target == b"*":
        raise MalformedMessage("the target * asks about the server as a whole; name a path")
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise MalformedMessage("the request target is neither a path nor an http URL")
    authority, rest = absolute.groups(default=b"")
    if method == b"OPTIONS" and not rest:  # RFC 9112 section 3.2.4: the last proxy would make it *
        raise MalformedMessage("OPTIONS of a URL without a path asks about the server as a whole; name a path")
    return authority, rest if rest[:1] == b"/" else b"/" + rest


def _check_path(path: bytes) -> None:
    """Refuses what a model may take for another path than the router does."""
    if _DOT_SEGMENT.search(path) is not None:
        raise MalformedMessage("the path has dot segments; send it without them")
    if _BAD_ESCAPE.search(path) is not None:
        raise MalformedMessage("the path has a % that begins no escape, or an encoded NUL")


def _without_namesakes(kept: bytes) -> bytes:
    """`kept` without the fields whose names equal, with `_` read as `-`, that of a field that the router settles."""
    parts = _NAMESAKES.split(kept)
    for name in parts[1::2]:
        if name.lower().replace(b"_", b"-") in _FRAMING:
            raise MalformedMessage(f"header {name.decode()} could be read as {name.decode().replace('_', '-')}")
    return b"".join(parts[::2])


def _trace_context(head: RequestHead) -> bytes:
    """Settles `traceparent`; returns the line tracestate, which says something only beside a valid one.

    W3C Trace Context, section 3.3: where traceparent cannot be parsed, tracestate must not be.
    """
    head.traceparent = valid_traceparent(head.fields[b"traceparent"])
    tracestate = head.fields.get(b"tracestate")
    return b"" if head.traceparent is None or tracestate is None else b"\r\ntracestate: " + tracestate


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
