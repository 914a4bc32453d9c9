"""The body of a request as JSON, or why it is none: bounded, of the right type, and with one meaning.

Strict where JSON leaves room for two readings (RFC 8259): a key given twice, numbers that are none, half of a surrogate
pair. Called by `dispatch` once the caller is known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.requests import Request

from router.admin.errors import BAD_REQUEST, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, RequestRefused

MAX_BYTES: Final = 1024 * 1024
"""Of a body; etcd takes little more of one resource."""

MAX_DEPTH: Final = 64
"""Of mappings and lists in each other; the schema has seven."""

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"


async def read_mapping(request: Request, types: tuple[str, ...], *, optional: bool = False) -> Mapping[str, Any]:
    """The body, which must be an object; empty where there may be none. Raises RequestRefused, ClientDisconnect."""
    content = await _content(request)
    if optional and not content:
        return {}
    _require_type(request, types)
    document = parse(content)
    if not isinstance(document, dict):
        raise RequestRefused(BAD_REQUEST, "the body must be a JSON object: {...}")
    return document


def parse(content: bytes) -> Any:
    """Raises RequestRefused."""
    try:
        orjson.loads(content)  # the stricter of the two; it takes the last of two equal keys, though
        document = json.loads(content, object_pairs_hook=_once_each)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise RequestRefused(BAD_REQUEST, f"the body is not JSON: {error}") from None
    _require_depth(document)
    return document


async def _content(request: Request) -> bytes:
    too_large = RequestRefused(BODY_TOO_LARGE, f"the body is too large: at most {MAX_BYTES // 1024**2} MiB")
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > MAX_BYTES):
        raise too_large
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_BYTES:
            raise too_large
    return bytes(content)


def _require_type(request: Request, types: tuple[str, ...]) -> None:
    given, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    encoded = request.headers.get("content-encoding", "identity").strip().lower()
    if given.strip().lower() in types and charset in {"", "charset=utf-8"} and encoded == "identity":
        return
    field = "accept-patch" if request.method == "PATCH" else "accept-post"
    message = f"the body must be {' or '.join(types)}, in UTF-8 and not compressed; content-type says which"
    raise RequestRefused(UNSUPPORTED_MEDIA_TYPE, message, {field: ", ".join(types)})


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise RequestRefused(BAD_REQUEST, f"the key {json.dumps(twice[:80])} is given twice in one object")
    return mapping


def _require_depth(document: Any) -> None:
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]


def _too_deep() -> RequestRefused:
    return RequestRefused(BAD_REQUEST, f"the body is nested too deeply: at most {MAX_DEPTH} levels")
