"""Cross-origin calls from browsers, answered by the router: who may, and what is said (Fetch standard, section 3.2).

An endpoint with `cors` answers preflights itself: they bear no credential, so the model must not see them, and they are
no scoring requests, so nothing counts them. What the model says about origins is replaced by the endpoint's
configuration. This tells browsers what pages may do; it keeps nobody out, credentials do.

Pure; `router.serving` makes one per endpoint that has `cors`, `router.proxy.exchange` asks it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from router.core.field import FieldOf
from router.core.heads import RequestHead

MAX_AGE_S: Final = 7200
"""How long a browser may remember a preflight; Chromium takes no more."""
EXPOSED: Final = (
    b"x-request-id, x-ms-request-id, x-ms-client-request-id, azureml-model-deployment, server-timing, retry-after"
)
"""What the router adds to answers and pages may read."""

_ORIGIN: Final = FieldOf("origin")
_METHOD: Final = FieldOf("access-control-request-method")
_HEADERS: Final = FieldOf("access-control-request-headers")
_ANSWERED: Final = re.compile(rb"\r\n(?i:access-control-[a-z-]+):[^\r]*")


class CorsPolicy:
    """`allow_origins` are origins as browsers send them, or `*` for every one."""

    __slots__ = ("_any", "_origins")

    def __init__(self, allow_origins: Iterable[str]) -> None:
        self._origins = {origin.lower().encode() for origin in allow_origins}
        self._any = b"*" in self._origins

    def preflight(self, head: RequestHead) -> bytes | None:
        """The lines that answer a preflight, each ended with CRLF; None when the request is none.

        An origin that may not call gets no permission, which is how the standard says no.
        """
        method = _METHOD.value(head)
        if head.method != b"OPTIONS" or method is None or _ORIGIN.value(head) is None:
            return None
        lines, allowed = self._permission(head)
        if allowed:
            lines += b"access-control-allow-methods: %b\r\n" % method
            # `*` would leave out Authorization
            if (headers := _HEADERS.value(head)) is not None:
                lines += b"access-control-allow-headers: %b\r\n" % headers
            lines += b"access-control-max-age: %d\r\n" % MAX_AGE_S
        return lines

    def lines(self, head: RequestHead) -> bytes:
        """What an answer to this request says, each line ended with CRLF."""
        lines, allowed = self._permission(head)
        return lines + b"access-control-expose-headers: %b\r\n" % EXPOSED if allowed else lines

    def _permission(self, head: RequestHead) -> tuple[bytes, bool]:
        origin = _ORIGIN.value(head)
        if self._any:
            return (b"", False) if origin is None else (b"access-control-allow-origin: *\r\n", True)
        # a cache must not give one origin's answer to another
        if origin is None or origin.lower() not in self._origins:
            return b"vary: origin\r\n", False
        return b"access-control-allow-origin: %b\r\nvary: origin\r\n" % origin, True


def without_cors(passed_on: bytes) -> bytes:
    """A response's head without what the model says about origins."""
    return _ANSWERED.sub(b"", passed_on)
