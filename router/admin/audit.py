"""The audit log: who changed what through the admin API, and who was not allowed to. One line each, never a secret.

    level=info logger=maitre.audit msg=changed who=alice verb=patch endpoint=default/digits changes="spec.versions[…"

The lines are written whatever the level of the log is. Called by the admin API after a change has been kept, or refused
by the gate.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from router.admin.difference import difference
from router.admin.gate import Access, Caller

MAX_CHANGES: Final = 250
"""Of one line: more than six versions with all that can be said of them have."""
_READING: Final = frozenset({"get", "list", "watch"})

log = logging.getLogger("maitre.audit")


class Audit:
    """Writes the lines."""

    def changed(
        self, caller: Caller, access: Access, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
    ) -> None:
        """An endpoint was made (`before` None), changed, or deleted (`after` None)."""
        changes = difference(before, after)
        told = "; ".join(map(str, islice(changes, MAX_CHANGES)))
        more = sum(1 for _ in changes)
        self._write("changed", caller, access, {"changes": f"{told}; and {more} more" if more else told})

    def keys_made(self, caller: Caller, access: Access, which: Iterable[str]) -> None:
        """`which`: primary, secondary, or both are other ones now."""
        self._write("keys made anew", caller, access, {"keys": ",".join(which)})

    def token_issued(self, caller: Caller, access: Access) -> None:
        """Somebody has been given a token for the endpoint."""
        self._write("token issued", caller, access, {})

    def refused(self, caller: Caller, access: Access, reason: str) -> None:
        """The gate did not admit it: 403. Whoever only wanted to look is not told of."""
        if access.verb not in _READING:
            self._write("change refused", caller, access, {"reason": reason}, logging.WARNING)

    def _write(
        self, message: str, caller: Caller, access: Access, more: Mapping[str, str], level: int = logging.INFO
    ) -> None:
        log.log(level, message, extra={"fields": {**_who(caller), **_what(access), **more}})


def _who(caller: Caller) -> dict[str, str]:
    return {"who": caller.name, **({"uid": caller.uid} if caller.uid else {})}


def _what(access: Access) -> dict[str, str]:
    endpoint = "/".join((access.namespace or "*", access.name or "*"))
    return {"verb": access.verb, "endpoint": endpoint, **({"part": access.part} if access.part else {})}
