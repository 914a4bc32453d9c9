"""The clock that elections are timed by: seconds since some point, which go on while the machine is suspended.

Linux's monotonic clock stands still during a suspend: a leader that was suspended for an hour would think that its term
goes on, while another one leads. Where the system offers no other clock, it is the monotonic one.
"""

from __future__ import annotations

import time
from typing import Final

_CLOCK: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed_s() -> float:
    return time.clock_gettime(_CLOCK)
