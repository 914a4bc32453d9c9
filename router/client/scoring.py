"""A scoring request with the right credential. Called by `Endpoint.run`, which keeps the `Access` between calls.

The credential is that of the endpoint's `auth.mode`: the primary key, a token of maitre's own, or none. A 401 has it
fetched anew, once: keys are regenerated, tokens end, and a mode may have changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from router.client.admin_api import AdminApi, Name
from router.client.errors import ScoringFailed
from router.client.steps import Request, Response, Steps, send
from router.client.values import Answer, Status

PIN = "azureml-model-deployment"


@dataclass(frozen=True, slots=True)
class Access:
    """Where to score, and with what."""

    uri: str
    credential: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Scoring:
    """What is asked of the model."""

    content: bytes = field(repr=False)
    headers: Mapping[str, str]
    timeout_s: float


def scoring(data: Any, version: str | None, headers: Mapping[str, str] | None, timeout_s: float) -> Scoring:
    """Bytes and text go as they are, anything else as JSON. `version` pins one."""
    content = data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else json.dumps(data).encode()
    fields = {"content-type": "application/json"} | {name.lower(): value for name, value in (headers or {}).items()}
    return Scoring(content, fields if version is None else fields | {PIN: version}, timeout_s)


def find_access(api: AdminApi, which: Name) -> Steps[Access]:
    """Raises ScoringFailed where the endpoint has no address to score at, Conflict where its tokens are another's."""
    status = yield from api.status(which)
    uri = _address(status)
    match status.auth_mode:
        case "none":
            return Access(uri, None)
        case "token":
            return Access(uri, (yield from api.token(which, None)).access_token)
        case _:
            return Access(uri, (yield from api.keys(which)).primary)


def find_address(api: AdminApi, which: Name) -> Steps[str]:
    """Raises ScoringFailed where there is none."""
    return _address((yield from api.status(which)))


def _address(status: Status) -> str:
    if not status.scoring_uri:
        raise ScoringFailed(f"the router does not serve {status.name} at any address yet", code="not_served")
    return status.scoring_uri


def score(access: Access, asked: Scoring) -> Steps[Response]:
    credential = {} if access.credential is None else {"authorization": f"Bearer {access.credential}"}
    request = Request("POST", access.uri, {**asked.headers, **credential}, asked.content, asked.timeout_s)
    return (yield from send(request))


def answer(response: Response) -> Answer:
    """Raises ScoringFailed where the status is none of success."""
    version, request_id = response.headers.get(PIN), response.headers.get("x-request-id")
    if 200 <= response.status < 300:
        timing = _server_timing(response.headers.get("server-timing", ""))
        return Answer(response.content, response.status, version, response.seconds * 1000, request_id, timing)
    code, words, failed_id = _what_failed(response, version)
    raise ScoringFailed(
        words,
        code=code,
        status=response.status,
        request_id=failed_id or request_id,
        content=response.content,
        version=version,
    )


def _what_failed(response: Response, version: str | None) -> tuple[str, str, str | None]:
    """Code, message and request id: the router's own words, or what is left to say of a model's answer."""
    try:
        error = json.loads(response.content)["error"]
        return str(error["code"]), str(error["message"]), error.get("requestId")
    except (ValueError, TypeError, LookupError, AttributeError):
        who = f"version {version}" if version else "the endpoint"
        return "model_status", f"{who} answered with status {response.status}", None


def _server_timing(field: str) -> dict[str, float]:
    """`queue;dur=0.1, upstream;dur=2` as milliseconds by name; what is not like that is left out."""
    found = {}
    for entry in field.split(","):
        name, _, duration = entry.strip().partition(";dur=")
        try:
            found[name] = float(duration)
        except ValueError:
            continue
    return found
