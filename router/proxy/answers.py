"""Answers of the router itself: the JSON error body of the contract's section 5, health, and preflights of browsers.

Pure; called by `router.proxy.exchange`.
"""

from __future__ import annotations

from http import HTTPStatus

import orjson

from router.errors import STATUS, Outcome
from router.proxy.rewriting import CLOSE, id_lines

RETRY_AFTER_S = 1
"""What Retry-After says: by then the autoscaler has decided."""

_EXTRA = {
    Outcome.UNAUTHORIZED: b"www-authenticate: Bearer\r\n",
    Outcome.QUEUE_TIMEOUT: b"retry-after: %d\r\n" % RETRY_AFTER_S,
    Outcome.QUEUE_FULL: b"retry-after: %d\r\n" % RETRY_AFTER_S,
}


def status_of(outcome: Outcome) -> HTTPStatus:
    """What the router itself answers with. Raises ValueError for an outcome that is not the router's to answer."""
    status = STATUS[outcome]
    if status is None:
        raise ValueError(f"{outcome} is not answered by the router")
    return status


def error(
    outcome: Outcome, message: str, request_id: bytes, *, lines: bytes, keep_alive: bool, head_only: bool
) -> bytes:
    """A whole response. `lines` is more header lines, each ended by CRLF. `head_only`: the request was HEAD."""
    body = orjson.dumps({"error": {"code": outcome, "message": message, "requestId": request_id.decode()}})
    lines = id_lines(request_id) + lines + _EXTRA.get(outcome, b"")
    return _response(status_of(outcome), lines, body, keep_alive, head_only)


def health(draining: bool, keep_alive: bool, head_only: bool) -> bytes:
    status = HTTPStatus.SERVICE_UNAVAILABLE if draining else HTTPStatus.OK
    return _response(status, b"", b'{"status":"draining"}' if draining else b'{"status":"ok"}', keep_alive, head_only)


def preflight(lines: bytes, keep_alive: bool) -> bytes:
    """The answer to a preflight of a browser. `lines` is header lines, each ended by CRLF."""
    return b"HTTP/1.1 204 No Content\r\n%b%b\r\n" % (lines, b"" if keep_alive else CLOSE)


def _response(status: HTTPStatus, lines: bytes, body: bytes, keep_alive: bool, head_only: bool) -> bytes:
    return b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%b%b\r\n%b" % (
        status,
        status.phrase.encode(),
        len(body),
        lines,
        b"" if keep_alive else CLOSE,
        b"" if head_only else body,
    )
