"""Which replica is missed least when one has to go. Pure; the one rule for local processes and pods.

Used by `lifecycle` and `shrinking`.
"""

from __future__ import annotations


def loss(ready: bool, held: int, born: float) -> tuple[bool, int, float]:
    """What ending it loses, least first: nothing served yet, nothing running, little running; then the newest.

    `held`: requests that it runs; `born` grows with each replica that was made.
    """
    return ready, held if ready else 0, -born
