"""What may have been meant by a name that nobody has: near ones, or the same one in another namespace.

Asked after a refusal, so whatever goes wrong here is not told: the refusal is.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from router.client.errors import ClientError, NotFound
from router.client.maitre import Maitre


def suggestion(maitre: Maitre, error: ClientError, said: Mapping[str, Any]) -> str | None:
    """A line, or None. `said`: the arguments of the command; `name`, `namespace` and `version` are looked at."""
    if not isinstance(error, NotFound) or "name" not in said:
        return None
    try:
        return _suggestion(maitre, said["name"], said.get("namespace"), said.get("version"))
    except ClientError:
        return None


def _suggestion(maitre: Maitre, name: str, namespace: str | None, version: str | None) -> str | None:
    try:
        endpoint = maitre.endpoint(name, namespace)
    except NotFound:
        everywhere = maitre.list()
        here = [each.name for each in everywhere if namespace in (None, each.namespace)]
        elsewhere = [each.namespace for each in everywhere if each.name == name]
        return f"there is one in namespace {elsewhere[0]}: -n {elsewhere[0]}" if elsewhere else _near(name, here)
    return None if version is None else _near(version, list(endpoint.versions))


def _near(name: str, known: list[str]) -> str | None:
    near = get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else None
