"""Errors of the admin port: problem details (RFC 9457), with the form of error bodies elsewhere in maitre inside.

    {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "...", "code": "not_found",
     "requestId": "...", "error": {"code": "not_found", "message": "...", "requestId": "..."}}

The codes of the admin port are its own list (`ANSWERS`), beside the outcomes of scoring requests. What is wrong with a
configuration stands in `problems`, each with key, value and message as `maitre check` has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from router import errors
from router.admin.changes import DefaultVersion, LastVersion, NewDefaultUnknown
from router.admin.gate import NotAllowed, NotIdentified
from router.errors import MaitreError
from router.model.problems import ConfigurationRefused, Problem

MEDIA_TYPE: Final = "application/problem+json"


class Code(NamedTuple):
    """How a refusal is answered."""

    name: str
    status: HTTPStatus


BAD_REQUEST: Final = Code("bad_request", HTTPStatus.BAD_REQUEST)
UNAUTHORIZED: Final = Code("unauthorized", HTTPStatus.UNAUTHORIZED)
FORBIDDEN: Final = Code("forbidden", HTTPStatus.FORBIDDEN)
NOT_FOUND: Final = Code("not_found", HTTPStatus.NOT_FOUND)
METHOD_NOT_ALLOWED: Final = Code("method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED)
EXISTS: Final = Code("exists", HTTPStatus.CONFLICT)
DEFAULT_VERSION: Final = Code("default_version", HTTPStatus.CONFLICT)
LAST_VERSION: Final = Code("last_version", HTTPStatus.CONFLICT)
NO_KEYS: Final = Code("no_keys", HTTPStatus.CONFLICT)
NO_TOKENS: Final = Code("no_tokens", HTTPStatus.CONFLICT)
NO_LOGS: Final = Code("no_logs", HTTPStatus.CONFLICT)
CHANGED: Final = Code("changed", HTTPStatus.PRECONDITION_FAILED)
BODY_TOO_LARGE: Final = Code("body_too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
UNSUPPORTED_MEDIA_TYPE: Final = Code("unsupported_media_type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
INVALID: Final = Code("invalid", HTTPStatus.UNPROCESSABLE_ENTITY)
STORE_FAILED: Final = Code("store_failed", HTTPStatus.SERVICE_UNAVAILABLE)
INTERNAL: Final = Code("internal_error", HTTPStatus.INTERNAL_SERVER_ERROR)

ANSWERS: Final[Mapping[type[MaitreError], Code]] = {
    ConfigurationRefused: INVALID,
    errors.EndpointUnknown: NOT_FOUND,
    errors.VersionUnknown: NOT_FOUND,
    errors.EndpointExists: EXISTS,
    errors.EndpointChanged: CHANGED,
    errors.KeysUnknown: NO_KEYS,
    errors.NoTokens: NO_TOKENS,
    errors.NoLogs: NO_LOGS,
    errors.StoreFailed: STORE_FAILED,
    DefaultVersion: DEFAULT_VERSION,
    LastVersion: LAST_VERSION,
    NewDefaultUnknown: BAD_REQUEST,
    NotIdentified: UNAUTHORIZED,
    NotAllowed: FORBIDDEN,
}
"""What each error of the parts that the API asks becomes."""


class RequestRefused(MaitreError):
    """The request itself cannot be taken; the message says what to send instead."""

    def __init__(self, code: Code, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.headers = dict(headers or {})


def refusal(error: MaitreError) -> Response | None:
    """The answer to an error that the API expects; None for any other, which is a bug."""
    match error:
        case RequestRefused():
            return error_response(error.code, str(error), error.headers)
        case ConfigurationRefused():
            return error_response(INVALID, _sentences(error.problems), problems=error.problems)
        case NotIdentified():
            return error_response(UNAUTHORIZED, str(error), {"www-authenticate": "Bearer"})
    code = next((code for kind, code in ANSWERS.items() if isinstance(error, kind)), None)
    return None if code is None else error_response(code, str(error))


async def http_exception(request: Request, error: Exception) -> Response:
    """What Starlette's router raises: no such path, or not with this method."""
    assert isinstance(error, HTTPException)  # noqa: S101  Starlette calls it for these only
    allowed = (error.headers or {}).get("Allow")
    if error.status_code == NOT_FOUND.status:
        return error_response(NOT_FOUND, "nothing is at this path of the admin port")
    if allowed is not None:
        return error_response(METHOD_NOT_ALLOWED, f"this path takes {allowed}, not {request.method}", error.headers)
    return error_response(Code("bad_request", HTTPStatus(error.status_code)), str(error.detail), error.headers)


async def unexpected(_request: Request, _error: Exception) -> Response:
    """A bug of ours: told in the log with its stack (the server does that), not to the client."""
    return error_response(INTERNAL, "the router failed; its log says why")


def error_response(
    code: Code, message: str, headers: Mapping[str, str] | None = None, *, problems: Sequence[Problem] = ()
) -> JSONResponse:
    """The response with the error's body; its request id is also in the header `x-request-id`."""
    request_id = str(uuid4())
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": code.status.phrase,
        "status": code.status.value,
        "detail": message,
        "code": code.name,
        "requestId": request_id,
        "error": {"code": code.name, "message": message, "requestId": request_id},
    }
    if problems:
        body["problems"] = [_shown(problem) for problem in problems]
    return JSONResponse(
        body, status_code=code.status, headers={**(headers or {}), "x-request-id": request_id}, media_type=MEDIA_TYPE
    )


def _shown(problem: Problem) -> dict[str, Any]:
    shown: dict[str, Any] = {"key": problem.key, "value": problem.value, "message": problem.message}
    return shown if problem.line is None else {**shown, "line": problem.line}


def _sentences(problems: Sequence[Problem]) -> str:
    return "; ".join(": ".join(part for part in (problem.key, problem.message) if part) for problem in problems)
