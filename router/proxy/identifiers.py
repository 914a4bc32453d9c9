"""Request ids and trace contexts.

A request id is a UUID (version 4 in form) whose first 80 bits are drawn once per worker and whose last 48 count up
from a random start: unique like a random one, at a tenth of the cost. It names a request; it is no secret.

Called once per request by `router.proxy.exchange`. Which traces of clients go on: `router.core.tracecontext`.
"""

from __future__ import annotations

from collections.abc import Callable


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

    def traceparent(self, request_id: bytes) -> bytes:
        """A new trace context, whose trace id is the request id, for a request that came without a valid one.

        It is marked as sampled, which leaves the decision to the model's own sampler, as if nobody stood before.
        """
        suffix = request_id[24:]
        return b"00-%b%b-%b%b-01" % (self._trace_prefix, suffix, self._trace_prefix[:4], suffix)
