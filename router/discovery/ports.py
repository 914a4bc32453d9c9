"""Free loopback ports for local replicas; one object for all versions, so that no two living replicas share one.

A port is found by binding to port 0 and letting go, so somebody else may take it before the replica binds it. The
replica then ends, and its next start gets another port. The kernel makes that rare: it gives port 0 and outgoing
connections ports of different parity while both last.
"""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


class Ports:
    """The ports that local replicas have now."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self) -> int:
        """A port that is free and not promised to another replica. OSError when the system has none left."""
        refused: list[socket.socket] = []  # kept bound until the end, or the kernel might offer the same one for ever
        try:
            while True:
                probe = socket.socket()
                refused.append(probe)
                probe.bind((LOOPBACK, 0))
                port: int = probe.getsockname()[1]
                if port not in self._taken:
                    self._taken.add(port)
                    return port
        finally:
            for probe in refused:
                probe.close()

    def give_back(self, port: int) -> None:
        """The replica that had it is gone."""
        self._taken.remove(port)

    def __repr__(self) -> str:
        return f"<Ports taken={sorted(self._taken)}>"
