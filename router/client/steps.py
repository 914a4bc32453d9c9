"""What an operation of the SDK is made of: it yields what it wants done, and is sent what came of it.

An operation is a generator, does no I/O itself and reads no clock, so that one source serves both kinds of client;
`driving.py` performs it, over blocking sockets or on an event loop. What fails is raised where the operation yielded.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """To be sent. Header and body stay out of the `repr`: a credential may be in them."""

    method: str
    url: str
    """Absolute."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)
    timeout_s: float = 30.0
    """Between two bytes of the answer, and for the connection."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, read in full. The names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    seconds: float = 0.0
    """From before the request was sent until the answer had been read."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is to be done for a while."""

    seconds: float


Steps: TypeAlias = Generator[Request | Pause, Response | None, T]
"""Yields Request (is sent a Response) or Pause (is sent None); returns T."""


def send(request: Request) -> Steps[Response]:
    """The one step that is a request."""
    response = yield request
    assert response is not None, "a request is answered or raises"  # noqa: S101  of the drivers, not of users
    return response
