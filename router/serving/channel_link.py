"""The way to a worker in a process of its own: what is said takes its time to be heard, and so does the answer."""

from __future__ import annotations

from collections.abc import Callable

from router.core.leases import Group


class ChannelLink:
    """A `Link` to the worker `name`; `send` puts a message on its channel. Its words go to the crew by `workforce`."""

    def __init__(self, name: str, send: Callable[[object], None]) -> None:
        self.name = name
        self.send = send

    def refresh(self, group: Group) -> bool:
        """What it says takes its time to come."""
        return False
