"""The ports by which those who serve an endpoint tell of it: its owner (in a cluster `notices` is behind it), and who
follows the events of the admin API (`events`)."""

from __future__ import annotations

from typing import Any, Protocol

from router.model.spec import EndpointKey


class Tell(Protocol):
    """Tells the owner of an endpoint what was found or done."""

    def __call__(self, endpoint: EndpointKey, reason: str, message: str, *, warning: bool = False) -> None:
        """`reason` is a word in CamelCase."""


def tell_nobody(endpoint: EndpointKey, reason: str, message: str, *, warning: bool = False) -> None:
    """Outside of a cluster the log is all there is, and it has been told."""


class Happened(Protocol):
    """Tells who follows the events that something has happened."""

    def __call__(self, type: str, endpoint: EndpointKey | None, /, **data: Any) -> None:
        """`type`: decision, configuration or ejection. `endpoint` None: it is about none, or about all."""


def nobody_follows(type: str, endpoint: EndpointKey | None, /, **data: Any) -> None:
    """There is nobody who could."""
