"""Clients that hardly move: a body that trickles in, an answer that is hardly taken.

Looked at in windows: over each, a body must bring at least so many bytes, and so must a client take that has answers
waiting for it; a window in which the router itself stopped reading counts for nothing. An average over the whole body
would let a client that sent much at first hold a slot for long.

Each connection has one `Pace`; it costs nothing until a body does not come together with its head, or an answer is not
taken at once. Called by `router.proxy.downstream`, which does what is to be done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.proxy.deadlines import Deadline

if TYPE_CHECKING:
    from router.proxy.downstream import Downstream


class Pace:
    """One connection's windows."""

    __slots__ = ("_client", "_deadline", "_excused", "_received", "_untaken")

    def __init__(self, client: Downstream) -> None:
        self._client = client
        self._deadline = Deadline(client.plane.wheel, self._window_over)
        self._received = -1  # of the body, when the window began; -1: there was none
        self._untaken = -1  # of answers, when the window began; -1: nothing waited
        self._excused = False

    def watch(self) -> None:
        """A body begins, or an answer waits to be taken. A window that is under way goes on."""
        if self._received < 0 and self._untaken < 0:
            self._begin(self._client.plane.now())

    def excuse(self) -> None:
        """The router stopped reading: for this window the client cannot be blamed for its body."""
        self._excused = True

    def taken(self) -> None:
        """The client took what waited for it."""
        self._untaken = -1

    def close(self) -> None:
        self._deadline.close()

    def _begin(self, now: float) -> None:
        client, limits = self._client, self._client.plane.limits
        body = client.unread_body
        self._received = -1 if body is None else body.received
        self._untaken = client.untaken() if client.write_blocked else -1
        self._excused = client.paused
        if limits.rate and (body is not None or client.write_blocked):
            self._deadline.set(now + limits.rate_window_s)

    def _window_over(self, now: float) -> None:
        client, limits = self._client, self._client.plane.limits
        least = limits.rate * limits.rate_window_s
        body, received, before = client.unread_body, self._received, self._untaken
        self._received = self._untaken = -1
        if body is not None and not self._excused and received >= 0 and body.received - received < least:
            client.sends_too_slowly()
        elif client.write_blocked and before >= 0 and before - client.untaken() < least:
            client.takes_too_slowly()
        else:
            self._begin(now)
