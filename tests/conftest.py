"""What all tests share."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# A deadline in time would fail on a busy machine; derandomized, so that a failure can be seen again.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")

# A shell without job control starts what runs in its background with SIGINT ignored, which processes inherit: the ones
# that tests interrupt would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
