"""When the keys of an issuer are fetched: every hour or as it says, sooner for a key that nobody knows, and again and
again while it is down.

Keys that are known stay in force whatever becomes of the issuer. Tokens with unknown keys can be sent by anybody, so
all of them together cause one fetch a minute. Pure: `now` is monotonic seconds. Owned by `router.store.issuers`.
"""

from __future__ import annotations

from math import inf
from typing import Final

REFRESH_S: Final = 3600.0
"""Where the issuer says nothing of how long its keys may be kept."""
LEAST_S, MOST_S = 300.0, 86_400.0
"""What it says counts between these."""
UNKNOWN_S: Final = 60.0
"""Between two fetches for unknown keys."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0


class FetchPlan:
    """Of one issuer."""

    def __init__(self, now: float) -> None:
        """It is due at once."""
        self.due = now
        self._begun = -inf
        self._pause_s = FIRST_PAUSE_S

    def begin(self, now: float) -> None:
        """A fetch begins; until it has ended none is due."""
        self._begun = now
        self.due = inf

    def fetched(self, now: float, max_age_s: float | None) -> None:
        """`max_age_s`: how long the issuer says that its keys may be kept."""
        wait_s = REFRESH_S if max_age_s is None else min(max(max_age_s, LEAST_S), MOST_S)
        self.due = now + wait_s
        self._pause_s = FIRST_PAUSE_S

    def failed(self, now: float, u: float) -> None:
        """`u` is uniform in [0, 1): half of the pause is chance."""
        self.due = now + self._pause_s * (1 + u) / 2
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def unknown_key(self, now: float) -> bool:
        """A token names a key that nobody knows; returns whether the next fetch is sooner for it."""
        wanted = max(now, self._begun + UNKNOWN_S)
        if self.due == inf or wanted >= self.due:
            return False
        self.due = wanted
        return True

    def __repr__(self) -> str:
        return f"<FetchPlan due={self.due:.1f}>"
