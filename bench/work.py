"""The work that every contender does, and the requests that ask for it: one definition, so that nobody gets less to do.

Work: let in who shows the key; pick one of two versions, 80 to 20, at random for each request; pick the replica of that
version with the fewest requests in flight; forward over a kept-alive connection without the credential, with a request
id; try once more when a replica cannot be connected to; answer with the request id and the name of the version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ENDPOINT: Final = "digits"
PATH: Final = f"/api/v1/service/{ENDPOINT}/score"
SCORING_PATH: Final = "/score"
KEY: Final = "bench-key-0123456789abcdef0123456789abcdef"
BLUE_PERCENTILE: Final = 80
MOST_CONNECTIONS: Final = 256
"""Of the load generator, in any shape; every replica has that many slots, so nobody queues."""

SMALL: Final = 60
LARGE: Final = 10_240
"""Bytes of a request's body, in the mean, and of its answer, exactly."""
ANSWER: Final = b'{"predictions": [7], "probability": 0.98765, "took_ms": 1.2}'
PIECE: Final = b"0" * 3409
PIECES: Final = 3
LARGE_ANSWER: Final = b'{"image": "%b"}' % (PIECE * PIECES)
"""In pieces, because a word of nginx's configuration has at most 4 KB."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """Ports of the model stand-in on loopback, by version."""

    blue: tuple[int, int]
    green: tuple[int, int]

    @property
    def all(self) -> tuple[int, ...]:
        return (*self.blue, *self.green)


def answer_to(body_bytes: int) -> bytes:
    """What the stand-in answers: it returns about as much as it got."""
    return LARGE_ANSWER if body_bytes >= LARGE // 2 else ANSWER
