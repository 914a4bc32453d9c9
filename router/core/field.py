"""One field of requests, found by its name: for what an endpoint's configuration reads and a router does not.

Pure; `router.core.routes` reads the sticky header with it, `router.core.cors` what browsers say.
"""

from __future__ import annotations

import re

from router.core.heads import RequestHead


class FieldOf:
    """Finds one field in heads, whether the router reads it anyway (`fields`) or only passes it on (`kept`)."""

    __slots__ = ("_line", "_name")

    def __init__(self, name: str) -> None:
        self._name = name.lower().encode()
        self._line = re.compile(rb"\r\n(?i:" + re.escape(self._name) + rb"):[ \t]*([^\r]*)")

    def value(self, head: RequestHead) -> bytes | None:
        """Without white space around it, the first where it is repeated; None where there is none."""
        value: bytes | None = head.fields.get(self._name)
        if value is None:
            line = self._line.search(head.kept)
            value = line[1] if line else None
        return value if value is None else value.rstrip(b" \t")
