"""What a client may send, how slowly, and how many clients there may be: one frozen object, bounded by default.

Settings of the process (contract, section 4); `router.proxy` keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """None of them is unbounded. Bytes and seconds."""

    head_bytes: int = 64 * 1024
    header_lines: int = 100
    body_bytes: int = 100 * 1024 * 1024
    head_s: float = 10.0
    """From a head's first byte to its last."""
    idle_s: float = 75.0
    """Between requests on a connection; nginx's keepalive_timeout."""
    tunnel_idle_s: float = 300.0
    """Without a byte in either direction of an upgraded connection; Envoy's stream_idle_timeout."""
    rate: int = 240
    """Bytes per second, at least, of a body that is being sent and of an answer that is being taken, over every
    `rate_window_s`; 0: as slowly as the deadlines allow. Kestrel's MinRequestBodyDataRate and MinResponseDataRate."""
    rate_window_s: float = 10.0
    linger_s: float = 2.0
    """How long a refused body is read and dropped, so that the client sees the answer and not a reset."""
    buffer_bytes: int = 64 * 1024
    """Body held for a request that has no replica or no answer yet, and bytes of pipelined requests; then the client
    has to wait, and what was let go cannot be sent again."""
    connections: int = 16_384
    """Of one worker. One more takes the place of one that is between requests, or is refused."""
