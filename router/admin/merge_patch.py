"""JSON Merge Patch (RFC 7386): what a PATCH says becomes of what is there.

Pure: both arguments stay as they were. Lists are replaced whole. Called by `router.admin.changes`, and for whole
endpoints by `endpoint_operations`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge(target: Any, patch: Any) -> Any:
    """`target` with `patch` applied (RFC 7386, section 2). Recurses as deep as `patch` is nested."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged
