"""Before it is measured, every contender proves that it does the work of `bench.work`."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from email.message import Message
from http.client import HTTPException
from typing import Final

from bench.work import ANSWER, BLUE_PERCENTILE, KEY, LARGE, LARGE_ANSWER, PATH, SCORING_PATH

REQUESTS: Final = 200
SHARE: Final = range(BLUE_PERCENTILE - 16, BLUE_PERCENTILE + 16)
"""Percent of REQUESTS for blue: by chance outside of this less often than once in ten million times."""


class Unfit(Exception):
    """A contender did not start, did not do the work, or failed under load."""


def prove(name: str, port: int) -> None:
    """Raises Unfit unless the contender does the work."""
    try:
        _refuses(name, port)
        _forwards(name, port, b'{"data": []}', ANSWER)
        _forwards(name, port, b"0" * LARGE, LARGE_ANSWER)
        _splits(name, port)
    except (OSError, HTTPException) as error:
        raise Unfit(f"{name} does not answer: {error!r}") from error


def _refuses(name: str, port: int) -> None:
    for key in ("not-the-key", None):
        status, _, _ = score(port, key)
        if status != 401:
            raise Unfit(f"{name} answers {status} to {'a wrong' if key else 'no'} key")


def _forwards(name: str, port: int, body: bytes, answer: bytes) -> str | None:
    """Returns the version that answered. The stand-in says in `x-saw` what reached it."""
    status, headers, got = score(port, KEY, body)
    saw, request_id = headers.get("x-saw", ""), headers.get("x-request-id") or "missing"
    if (status, got) != (200, answer) or saw != f"authorization= request-id={request_id} path={SCORING_PATH}":
        raise Unfit(f"{name} does not do the work: {status}, the replica saw {saw!r}, the answer has {headers.items()}")
    return headers.get("azureml-model-deployment")


def _splits(name: str, port: int) -> None:
    versions = Counter(_forwards(name, port, b'{"data": []}', ANSWER) for _ in range(REQUESTS))
    if set(versions) != {"blue", "green"} or versions["blue"] * 100 // REQUESTS not in SHARE:
        raise Unfit(f"{name} does not split {BLUE_PERCENTILE} to {100 - BLUE_PERCENTILE}: {dict(versions)}")


def score(port: int, key: str | None, body: bytes = b'{"data": []}') -> tuple[int, Message, bytes]:
    headers = {"Content-Type": "application/json", "x-show": "yes"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(f"http://127.0.0.1:{port}{PATH}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers, refused.read()
