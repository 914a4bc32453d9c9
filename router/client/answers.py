"""What an answer of the admin API says: its JSON, or the error that it is (RFC 9457)."""

from __future__ import annotations

import json
from typing import Any

from router.client.errors import NotUnderstood, Problem, refusal
from router.client.steps import Response


def require_ok(response: Response) -> Response:
    """The same answer. Raises the ClientError that it says, if its status is none of success."""
    if 200 <= response.status < 300:
        return response
    said = _object(response)
    inner = said.get("error")
    error: dict[str, Any] = inner if isinstance(inner, dict) else {}
    code = said.get("code") or error.get("code")
    if not isinstance(code, str):
        raise _stranger(response)
    raise refusal(response.status, code)(
        said.get("detail") or error.get("message") or said.get("title") or code,
        code=code,
        status=response.status,
        request_id=said.get("requestId") or error.get("requestId"),
        problems=[_problem(each) for each in said.get("problems") or ()],
    )


def json_of(response: Response, *required: str) -> dict[str, Any]:
    """The object that a successful answer holds, with these keys. Raises the ClientError that it is otherwise."""
    said = _object(require_ok(response))
    if any(key not in said for key in required):
        raise _stranger(response)
    return said


def _object(response: Response) -> dict[str, Any]:
    try:
        said = json.loads(response.content)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _problem(said: dict[str, Any]) -> Problem:
    value = said.get("value")
    return Problem(str(said.get("key") or ""), None if value is None else str(value), str(said.get("message") or ""))


def _stranger(response: Response) -> NotUnderstood:
    words = f"the answer with status {response.status} is none of maitre's admin API; is this its admin port?"
    return NotUnderstood(words, code="not_understood", status=response.status)
