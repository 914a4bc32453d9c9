"""The work that every contender does, and the requests that ask for it: one definition, so that nobody gets less to do.

Work: let in who shows the key; pick one of two versions, 80 to 20, at random for each request; pick the replica of that
version with the fewest requests in flight; forward over a kept-alive connection without the credential, with a request
id; answer with the request id and the name of the version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ENDPOINT: Final = "digits"
PATH: Final = f"/api/v1/service/{ENDPOINT}/score"
SCORING_PATH: Final = "/score"
KEY: Final = "bench-key-0123456789abcdef0123456789abcdef"
BLUE_PERCENTILE: Final = 80
CONNECTIONS: Final = 32
"""Kept-alive connections of the load generator; so never more requests in flight than slots, and nobody queues."""
ANSWER: Final = b'{"predictions": [7], "probability": 0.98765, "took_ms": 1.2}'
"""60 bytes, like the mean of the request bodies in load.lua."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """Ports of the model stand-in on loopback, by version."""

    blue: tuple[int, int]
    green: tuple[int, int]

    @property
    def all(self) -> tuple[int, ...]:
        return (*self.blue, *self.green)
