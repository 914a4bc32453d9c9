"""One log record as one line of `key=value` pairs, whatever is in it.

    time=2026-11-23T10:00:00.123Z level=info logger=maitre.scale msg="scaled up" endpoint=digits version=blue

Invariant: a line is printable text and nothing else. Line ends, escape sequences, directional marks and lone surrogates
are written as escapes: no path, header value or word of a replica can forge a line or drive a terminal.
Fields come with a record as `logger.info("scaled up", extra={"fields": {"endpoint": "digits"}})`.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import Final

_BARE: Final = re.compile(r"[^\s\"=\\]+")
_NOT_IN_KEYS: Final = re.compile(r"[^A-Za-z0-9_.-]")
_OURS: Final = frozenset({"time", "level", "logger", "msg", "error", "trace"})
_SHORT_ESCAPES: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


class LogfmtFormatter(logging.Formatter):
    """Times are UTC with milliseconds. An exception adds `error` (type and words) and `trace` (the stack)."""

    def format(self, record: logging.LogRecord) -> str:
        pairs = [
            f"time={_timestamp(record.created)}",
            f"level={record.levelname.lower()}",
            f"logger={value(record.name)}",
            f"msg={value(record.getMessage())}",
        ]
        fields = getattr(record, "fields", None) or {}
        pairs += [f"{_key(name)}={value(each)}" for name, each in fields.items()]
        if record.exc_info and record.exc_info[1] is not None:
            failure = record.exc_info[1]
            pairs.append(f"error={value(f'{type(failure).__name__}: {failure}')}")
            pairs.append(f"trace={value(self.formatException(record.exc_info))}")
        return " ".join(pairs)


def value(content: object) -> str:
    """`content` as the right side of a pair: bare where it can be, else in double quotes with backslash escapes."""
    if isinstance(content, bool):
        return "true" if content else "false"
    text = "" if content is None else str(content)
    if _BARE.fullmatch(text) and text.isprintable():
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _key(name: object) -> str:
    """A field cannot take the name of one of ours, nor hold what would end a key."""
    key = _NOT_IN_KEYS.sub("_", str(name)) or "_"
    return f"{key}_" if key in _OURS else key


def _timestamp(created_s: float) -> str:
    return datetime.fromtimestamp(created_s, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
