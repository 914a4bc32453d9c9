"""Which trace contexts that come in are kept: those that W3C Trace Context, section 3.2, calls valid.

Pure; called by `router.core.heads`, once per head that is not remembered. New ones are made by
`router.proxy.identifiers`.
"""

from __future__ import annotations

import re
from typing import Final

# version 00 has four parts; a later one is read as far as it is known; ff is forbidden, and so are ids of zeros
_TRACEPARENT: Final = re.compile(
    rb"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]*)?"
)


def valid_traceparent(received: bytes) -> bytes | None:
    """The value without trailing white space, if it is a valid trace context."""
    value = received.rstrip(b" \t")
    return value if _TRACEPARENT.fullmatch(value) else None
