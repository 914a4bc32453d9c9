"""What the router must do with bytes: the vocabulary of the tables in this directory.

The router's own lines (x-forwarded-*, ids, version, a trace context that it made) are the same in every message and
stay out of the tables; `without_own_lines` checks that they are there, once and in their place, and takes them out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

GET = b"GET /api/v1/service/digits/score HTTP/1.1\r\n"
POST = b"POST /api/v1/service/digits/score HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


@dataclass(frozen=True)
class Forwarded:
    """The model gets exactly these requests, and the client an answer to each."""

    requests: tuple[bytes, ...]
    closed: bool = False
    """Whether the connection ends after the answers."""


@dataclass(frozen=True)
class Answered:
    """The router answers itself; the model gets nothing, and the connection goes on."""

    status: int


@dataclass(frozen=True)
class Refused:
    """The router answers with an error and closes; the model gets no whole request, and nothing of what follows."""

    status: int
    outcome: str


@dataclass(frozen=True)
class Delivered:
    """The client gets exactly these bytes."""

    answer: bytes
    closed: bool = False


@dataclass(frozen=True)
class Cut:
    """The client gets these bytes, then the connection ends, so that it can tell that the answer is not whole."""

    beginning: bytes


def forwarded(*requests: bytes) -> Forwarded:
    return Forwarded(requests)


def last(*requests: bytes) -> Forwarded:
    return Forwarded(requests, closed=True)


BAD_REQUEST = Refused(400, "bad_request")
HEAD_TOO_LARGE = Refused(431, "head_too_large")
BODY_TOO_LARGE = Refused(413, "body_too_large")
BAD_GATEWAY = Refused(502, "upstream_error")
NOT_FOUND = Answered(404)

_TO_THE_MODEL = re.compile(
    rb"\r\nhost: ([^\r]*)(.*)\r\nx-forwarded-for: 127\.0\.0\.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: \1"
    rb"\r\nx-request-id: ([0-9a-f-]{36})\r\nx-ms-request-id: \3"
    rb"(\r\nx-ms-client-request-id: [^\r]+)?\r\ntraceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})",
    re.DOTALL,
)
_TO_THE_CLIENT = re.compile(
    rb"\r\nazureml-model-deployment: blue\r\nx-request-id: ([0-9a-f-]{36})\r\nx-ms-request-id: \1"
)


def without_own_lines(request: bytes) -> bytes:
    """Of one request as the model gets it."""
    head, end, body = request.partition(b"\r\n\r\n")
    start, line_end, fields = head.partition(b"\r\n")
    own = _TO_THE_MODEL.fullmatch(line_end + fields)
    assert own is not None, request
    host, kept, request_id, client_id, trace, parent, flags = own.groups()
    made = trace == request_id.replace(b"-", b"")
    context = b"" if made else b"\r\ntraceparent: 00-%b-%b-%b" % (trace, parent, flags)
    return b"%b\r\nhost: %b%b%b%b%b%b" % (start, host, kept, client_id or b"", context, end, body)


def without_version_and_ids(answers: bytes) -> bytes:
    """Of what a client gets of the model."""
    return _TO_THE_CLIENT.sub(b"", answers)
