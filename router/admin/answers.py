"""Answers that several operations have in common: an endpoint with its etag, and where it is found."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from router.admin.operations import PREFIX
from router.admin.preconditions import quoted
from router.store.writing import Stored


def shown(stored: Stored, part: Any = None) -> Response:
    """The endpoint, or a part of it."""
    return JSONResponse(dict(stored.resource) if part is None else part, headers={"etag": quoted(stored.etag)})


def made(stored: Stored, version: str | None = None) -> Response:
    """The endpoint, which was not there before, or this version of it."""
    namespace, name = stored.key
    place = f"{PREFIX}/endpoints/{name}" + ("" if version is None else f"/versions/{version}")
    headers = {"etag": quoted(stored.etag), "location": f"{place}?{urlencode({'namespace': namespace})}"}
    return JSONResponse(dict(stored.resource), HTTPStatus.CREATED, headers)


def gone() -> Response:
    return Response(status_code=HTTPStatus.NO_CONTENT)
