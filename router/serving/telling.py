"""The port by which those who serve an endpoint tell its owner something. In a cluster `notices` is behind it."""

from __future__ import annotations

from typing import Protocol

from router.model.spec import EndpointKey


class Tell(Protocol):
    """Tells the owner of an endpoint what was found or done."""

    def __call__(self, endpoint: EndpointKey, reason: str, message: str, *, warning: bool = False) -> None:
        """`reason` is a word in CamelCase."""


def tell_nobody(endpoint: EndpointKey, reason: str, message: str, *, warning: bool = False) -> None:
    """Outside of a cluster the log is all there is, and it has been told."""
