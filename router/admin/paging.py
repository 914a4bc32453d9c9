"""A long list in pages: each but the last names where the next one begins, in a token that only this module reads.

The token is the key of the last endpoint of its page, so that what comes and goes meanwhile moves nobody from one page
to another. Pure; called by `endpoint_operations`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from router.admin.errors import BAD_REQUEST, RequestRefused
from router.model.spec import EndpointKey
from router.store.writing import Stored

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500


class Page(NamedTuple):
    items: Sequence[Stored]
    next: str | None
    """The token of the next one; None: this was the last."""


def page(stored: Sequence[Stored], token: str | None, limit: int) -> Page:
    """`stored` in the order of keys. Raises RequestRefused for a token that is none of ours."""
    after = None if token is None else _key(token)
    rest = [each for each in stored if after is None or each.key > after]
    items = rest[:limit]
    return Page(items, _token(items[-1].key) if len(rest) > limit else None)


def _token(key: EndpointKey) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _key(token: str) -> EndpointKey:
    try:
        read = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error):
        read = None
    match read:
        case [str(namespace), str(name)]:
            return namespace, name
    raise RequestRefused(BAD_REQUEST, "continue is the word that the page before gave; begin again without it")
