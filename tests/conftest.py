"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A deadline in time would fail on a busy machine; derandomized, so that a failure can be seen again.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")
