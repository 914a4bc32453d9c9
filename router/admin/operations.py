"""What one operation of the admin API is: path, method, what it takes, what it may answer, who may call it.

One table of these makes both the routes (`dispatch`) and the OpenAPI document (`openapi`), so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from router.admin import errors
from router.admin.errors import Code
from router.admin.gate import Access, Caller
from router.admin.parameters import Parameter
from router.admin.preconditions import Preconditions
from router.model.spec import EndpointKey

PREFIX: Final = "/api/v1"


class Scope(Enum):
    """What the gate is asked about."""

    ENDPOINT = "endpoint"
    """The one in the path."""
    NEW = "new"
    """The one in the body, which need not be there: its namespace."""
    SEVERAL = "several"
    """Those of a namespace, if one is given, or of all; or the one in the query."""
    OPEN = "open"
    """Nobody is asked."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that the gate has admitted, read."""

    caller: Caller
    access: Access
    key: EndpointKey
    """Of the endpoint in the path; of others only the namespace means anything."""
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    preconditions: Preconditions
    last_event_id: str | None
    only_head: bool
    """The method is HEAD: what would go on for ever need not begin."""
    admit: Callable[[Access], Awaitable[None]]
    """Asks the gate for more than the operation always needs. Raises NotAllowed."""

    @property
    def version(self) -> str:
        return self.path["version"]


@dataclass(frozen=True, slots=True)
class Body:
    """`schema`: its name in the document."""

    schema: str
    types: tuple[str, ...] = ("application/json",)
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One that is no refusal. `schema`: its name in the document, None for an answer without a body."""

    status: HTTPStatus
    description: str
    schema: str | None = None
    media_type: str = "application/json"
    etag: bool = False
    location: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    method: str
    path: str
    """With its parameters in braces: endpoint, version."""
    summary: str
    handle: Callable[[Call], Awaitable[Response]]
    answers: tuple[Answer, ...]
    verb: str = "get"
    part: str = ""
    scope: Scope = Scope.ENDPOINT
    query: tuple[Parameter, ...] = ()
    body: Body | None = None
    conditional: bool = False
    """Whether If-Match and If-None-Match count."""
    replays: bool = False
    """Whether Last-Event-ID counts."""
    refusals: tuple[Code, ...] = ()
    """Those of its own; which any has that takes so much is added by `all_refusals`."""

    def all_refusals(self) -> tuple[Code, ...]:
        """In the order of their statuses."""
        several = {errors.BAD_REQUEST, *self.refusals}
        if self.scope is not Scope.OPEN:
            several |= {errors.UNAUTHORIZED, errors.FORBIDDEN, errors.STORE_FAILED}
        if self.scope is Scope.ENDPOINT:
            several.add(errors.NOT_FOUND)
        if self.body is not None:
            several |= {errors.BODY_TOO_LARGE, errors.UNSUPPORTED_MEDIA_TYPE, errors.INVALID}
        if self.conditional:
            several.add(errors.CHANGED)
        return tuple(sorted(several, key=lambda code: (code.status, code.name)))
