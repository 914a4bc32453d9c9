"""The port by which the admin API tells who did what. Never told a key or a token.

Implemented by `audit`; told after a change has been kept, or refused by the gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from router.admin.gate import Access, Caller


class Audit(Protocol):
    def changed(
        self, caller: Caller, access: Access, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
    ) -> None:
        """An endpoint was made (`before` None), changed, or deleted (`after` None)."""

    def keys_made(self, caller: Caller, access: Access, which: Iterable[str]) -> None:
        """`which`: primary, secondary, or both are other ones now."""

    def token_issued(self, caller: Caller, access: Access) -> None:
        """Somebody has been given a token for the endpoint."""

    def refused(self, caller: Caller, access: Access, reason: str) -> None:
        """The gate did not admit it: 403."""
