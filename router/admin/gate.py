"""Who may do what on the admin port: what the API asks before it does anything.

Implemented by `admin_token` (who has the token may do everything) and, in a cluster, by `cluster_gate` (RBAC on
scoringendpoints decides). Called by `router.admin.api` once per request.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from router.errors import MaitreError


class Caller(NamedTuple):
    """Who asks; the name stands in the audit log."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What else an API server knows of who asks; nobody but its authorizers looks at it."""


class Access(NamedTuple):
    """What is asked for, in the words of RBAC on scoringendpoints."""

    verb: str
    """get, list, watch, create, update, patch, delete."""
    namespace: str | None = None
    """None: all."""
    name: str | None = None
    part: str = ""
    """The subresource: keys, token, status or log; empty: the endpoint itself."""


class NotIdentified(MaitreError):
    """There is no credential, or one that nobody knows: 401. The message never has what was given."""


class NotAllowed(MaitreError):
    """403. The message names the verb that is missing, and on what."""


class Gate(Protocol):
    async def identify(self, bearer: str | None) -> Caller:
        """`bearer`: what stands behind `Bearer` in the Authorization header. Raises NotIdentified."""

    async def admit(self, caller: Caller, access: Access) -> None:
        """Raises NotAllowed."""
