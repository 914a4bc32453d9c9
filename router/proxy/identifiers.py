"""Request ids and trace contexts.

A request id is a UUID (version 4 in form) whose first 80 bits are drawn once per worker and whose last 48 count up
from a random start: unique like a random one, at a tenth of the cost. It names a request; it is no secret.

Called once per request by `router.proxy.exchange`. Source of the trace format: W3C Trace Context, section 3.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_TRACEPARENT: Final = re.compile(
    rb"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]*)?"
)


class RequestIds:
    """A worker's source of request ids. `random_bits(n)` gives n random bits."""

    def __init__(self, random_bits: Callable[[int], int]) -> None:
        prefix = b"%020x" % random_bits(80)
        variant = b"89ab"[random_bits(2)]
        self._prefix = b"%b-%b-4%b-%c%b-" % (prefix[:8], prefix[8:12], prefix[12:15], variant, prefix[15:18])
        self._trace_prefix = self._prefix.replace(b"-", b"")
        self._next = random_bits(47)

    def next(self) -> bytes:
        self._next += 1
        return b"%b%012x" % (self._prefix, self._next & 0xFFFF_FFFF_FFFF)

    def traceparent(self, request_id: bytes, received: bytes | None) -> bytes:
        """What came in, if it is a valid trace context; else a new one whose trace id is the request id.

        A new one is marked as sampled, which leaves the decision to the model's own sampler, as if nobody stood before.
        """
        if received is not None and _TRACEPARENT.fullmatch(received := received.rstrip(b" \t")):
            return received
        suffix = request_id[24:]
        return b"00-%b%b-%b%b-01" % (self._trace_prefix, suffix, self._trace_prefix[:4], suffix)
