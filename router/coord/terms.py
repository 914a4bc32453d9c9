"""The durations that members and coordinators agree on, in seconds, and why these.

A member's term begins when a heartbeat that was answered was sent; the coordinator counts from when it came, later.
"""

from __future__ import annotations

from typing import Final

LEASE_S: Final = 10.0
"""How long a member may use what it is leased after its last answered heartbeat: long enough for another router to lead
(5 s) and the members to come to it."""

HEARTBEAT_S: Final = 1.0
SILENT_S: Final = 3.0
"""Who has said nothing, or not answered, for so long is cut off: two heartbeats may be late."""

MARGIN_S: Final = 2.0
"""For clocks that do not run alike, and timers that are late."""

MEET_S: Final = 3.0
"""How long a coordinator waits for a router that is away before it has the others leave its share to it."""

CUT_OFF_S: Final = 35.0
"""From a member's last answered heartbeat until all others have been told to leave its share to it, at most. It goes on
sending for SILENT_S; three of its heartbeats may come up to SILENT_S late each; then the coordinator waits SILENT_S, a
second for the connection to end, and MEET_S: 19 s. If that one fails just then, another one is found by a member that
has its leases yet, within LEASE_S, and waits MEET_S: 32 s."""
