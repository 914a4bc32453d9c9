"""The access log: one JSON object per request and line, for those who ask for it with `--access-log`.

What a line holds is fixed here, and so is what it never holds: query strings, header values and bodies, which may be
secrets. Whatever bytes a client sends as its path, the line is one line of printable JSON.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote_from_bytes

import orjson

from router.errors import Outcome
from router.telemetry.log_file import LogFile

_PRINTABLE_ASCII = bytes(range(0x21, 0x7F)).decode()


class AccessEntry(NamedTuple):
    """One request that has ended. Durations in seconds; negative, or None in the log, where there was none."""

    request_id: str
    client_request_id: str | None
    endpoint: str  # "" when none matched
    version: str  # "" when none was picked
    replica: str | None  # its address; None when no slot was reached
    method: str
    path: bytes  # as it came; what follows a "?" is left out
    status: int  # 0 when none was sent
    outcome: Outcome
    bytes_in: int  # of the request's body
    bytes_out: int  # of the response's body
    total_s: float
    queue_s: float
    upstream_s: float
    router_s: float
    peer: str  # the client's address


class AccessLog:
    """Writes entries to `file`. The data plane calls it at the end of every request."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def write(self, entry: AccessEntry) -> None:
        self._file.append(json_line(entry, datetime.now(UTC)))


def json_line(entry: AccessEntry, now: datetime) -> bytes:
    """`entry` as a line, its line end included; `now` is when the request ended, in UTC."""
    content = {
        "time": now.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z",
        "requestId": entry.request_id,
        "clientRequestId": entry.client_request_id,
        "endpoint": entry.endpoint,
        "version": entry.version,
        "replica": entry.replica,
        "method": entry.method,
        "path": printable_path(entry.path),
        "status": entry.status,
        "outcome": entry.outcome.value,
        "bytesIn": entry.bytes_in,
        "bytesOut": entry.bytes_out,
        "totalMs": _milliseconds(entry.total_s),
        "queueMs": _milliseconds(entry.queue_s),
        "upstreamMs": _milliseconds(entry.upstream_s),
        "routerMs": _milliseconds(entry.router_s),
        "peer": entry.peer,
    }
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def printable_path(target: bytes) -> str:
    """The path of a request target, without its query; bytes that are not printable ASCII are percent-encoded."""
    path = target.partition(b"?")[0]
    if path.isascii():
        text = path.decode("ascii")
        if text.isprintable() and " " not in text:
            return text
    return quote_from_bytes(path, safe=_PRINTABLE_ASCII)


def _milliseconds(duration_s: float) -> float | None:
    return round(duration_s * 1000.0, 3) if duration_s >= 0.0 else None
