"""How a call of the SDK fails: one tree, whose messages say what to do.

    ClientError
    ├── Misused               the SDK was given something that it cannot send; nothing was sent
    ├── Unreachable           no connection, or it broke off; whether a change was made is unknown if one was asked for
    ├── TimedOut              no answer in time; likewise
    ├── NotUnderstood         who answered does not speak the admin API
    ├── Refused               the admin API said no, and nothing was changed
    │   ├── Unauthorized      401: no admin token, or a wrong one
    │   ├── Forbidden         403: the message names the verb that is missing
    │   ├── NotFound          404: no such endpoint or version
    │   ├── Conflict          409: what stands is in the way; the code says what
    │   │   └── Exists        there is one of this name
    │   ├── Changed           412: somebody else was faster; `refresh()`, and decide again
    │   ├── Invalid           422: rules of the schema are broken; `problems` has each
    │   └── Failed            5xx: the router could not do it
    ├── ScoringFailed         a scoring request was not answered with 2xx
    └── NotDeployed           an endpoint is not able to answer, or was not in time

No credential is ever in one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from router.errors import MaitreError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with what was sent."""

    key: str
    """Dotted, with list index and version name: `spec.versions[1](green).trafficPercentile`."""
    value: str | None
    """As it was sent; None where there is none, or it might be a secret."""
    message: str
    """What is wrong and what is allowed."""

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


class ClientError(MaitreError):
    """Root of all that the SDK raises. `code` is a word for programs, `str()` of it a sentence for people."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None = None,
        request_id: str | None = None,
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        """Of the answer; None where there was none."""
        self.request_id = request_id
        """By which the router's log knows the request."""
        self.problems = tuple(problems)


class Misused(ClientError):
    """Nothing was sent; the message says what would be understood."""


class Unreachable(ClientError):
    """There was no connection, or it broke off."""


class TimedOut(ClientError):
    """There was no answer in time."""


class NotUnderstood(ClientError):
    """There was an answer, but not one of the admin API."""


class Refused(ClientError):
    """The admin API refuses; nothing was changed."""


class Unauthorized(Refused):
    """No admin token was given, or one that is not known."""


class Forbidden(Refused):
    """Who calls may not do this."""


class NotFound(Refused):
    """There is no such endpoint or version."""


class Conflict(Refused):
    """What stands is in the way: `default_version`, `last_version`, `no_keys`, `no_tokens`, `exists`."""


class Exists(Conflict):
    """There is one of this name already."""


class Changed(Refused):
    """Somebody else has changed it since it was read."""


class Invalid(Refused):
    """What was sent breaks rules of the schema; `problems` has each."""


class Failed(Refused):
    """The router could not do it, for reasons of its own."""


class ScoringFailed(ClientError):
    """A scoring request was not answered with 2xx. `code` is the outcome if the router answered, else model_status."""

    def __init__(self, message: str, *, content: bytes = b"", version: str | None = None, **rest: Any) -> None:
        super().__init__(message, **rest)
        self.content = content
        """The body of the answer."""
        self.version = version
        """That answered; None where none did."""


class NotDeployed(ClientError):
    """An endpoint cannot answer; the message says what each version lacks."""


_BY_CODE: Final[Mapping[str, type[Refused]]] = {"exists": Exists}
_BY_STATUS: Final[Mapping[int, type[Refused]]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Changed,
    422: Invalid,
}


def refusal(status: int, code: str) -> type[Refused]:
    """The class for an answer of the admin API with this status, 400 or above, and code."""
    return _BY_CODE.get(code) or _BY_STATUS.get(status) or (Failed if status >= 500 else Refused)
