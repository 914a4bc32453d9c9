"""Errors of the admin port as JSON, in the one form that error bodies have everywhere in maitre:

    {"error": {"code": "not_found", "message": "...", "requestId": "..."}}

The codes of the admin port are its own short list, beside the outcomes of scoring requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_CODES: Final = {HTTPStatus.NOT_FOUND: "not_found", HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed"}


async def http_exception(request: Request, error: Exception) -> Response:
    """What Starlette's router raises: no such path, or not with this method."""
    assert isinstance(error, HTTPException)  # noqa: S101  Starlette calls it for these only
    status = HTTPStatus(error.status_code)
    allowed = (error.headers or {}).get("Allow")
    if status is HTTPStatus.NOT_FOUND:
        message = "nothing is at this path of the admin port"
    elif allowed is not None:
        message = f"this path takes {allowed}, not {request.method}"
    else:
        message = str(error.detail)
    return error_response(status, _CODES.get(status, "bad_request"), message, error.headers)


async def unexpected(_request: Request, _error: Exception) -> Response:
    """A bug of ours: told in the log with its stack (the server does that), not to the client."""
    return error_response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "the router failed; its log says why")


def error_response(
    status: HTTPStatus, code: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The response with the error's body; its request id is also in the header `x-request-id`."""
    request_id = str(uuid4())
    body = {"error": {"code": code, "message": message, "requestId": request_id}}
    return JSONResponse(body, status_code=status, headers={**(headers or {}), "x-request-id": request_id})
