"""In a cluster, RBAC on scoringendpoints decides who may do what on the admin port.

The API server says whose a token is (TokenReview), and whether that user may (SubjectAccessReview). Its answers hold
for a short while, refusals for a shorter one; so a right that is taken away is gone after ALLOWED_S at the most. An API
server that does not answer, or does not let the router ask, admits nobody: StoreFailed. Of a token only its digest is
kept. `ClusterOrToken` puts the local admin token before all this.

Made by the composition root; asked by the admin API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Final, TypeVar

from lightkube import AsyncClient
from lightkube.models.authentication_v1 import TokenReviewSpec, UserInfo
from lightkube.models.authorization_v1 import ResourceAttributes, SubjectAccessReviewSpec
from lightkube.resources.authentication_v1 import TokenReview
from lightkube.resources.authorization_v1 import SubjectAccessReview

from router.admin.admin_token import AdminToken, LocalAdmin
from router.admin.gate import Access, Caller, NotAllowed, NotIdentified
from router.admin.remembered import Remembered
from router.errors import StoreFailed
from router.kube.client import CALL_FAILED, explain
from router.model.spec import API_VERSION

ALLOWED_S: Final = 10.0
REFUSED_S: Final = 2.0
KNOWN: Final = 1024
"""Tokens, and accesses."""
ANSWER_S: Final = 5.0
"""How long a caller waits for the API server."""
AT_ONCE: Final = 8
"""Questions under way: who knocks with made-up tokens is no burst for the API server."""
MAX_TOKEN: Final = 16_384
"""Characters; tokens with many claims have some thousands."""

_GROUP, _VERSION = API_VERSION.split("/")
Review = TypeVar("Review", TokenReview, SubjectAccessReview)


class ClusterGate:
    """Implements `Gate`."""

    def __init__(self, client: AsyncClient, now: Callable[[], float]) -> None:
        """`client` is nobody else's, so that questions hold up no write. `now` is monotonic seconds."""
        self._client = client
        self._now = now
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._callers: Remembered[bytes, Caller | NotIdentified] = Remembered(KNOWN)
        self._verdicts: Remembered[tuple[Caller, Access], bool] = Remembered(KNOWN)

    async def identify(self, bearer: str | None) -> Caller:
        """Raises NotIdentified, StoreFailed."""
        if not bearer or len(bearer) > MAX_TOKEN or not bearer.isascii():
            raise NotIdentified(
                "the admin port wants a credential, Authorization: Bearer: the admin token, or a token of this cluster"
            )
        digest = sha256(bearer.encode("ascii")).digest()
        caller = self._callers.answer(digest, self._now())
        if caller is None:
            caller = await self._whose(bearer)
            holds_s = ALLOWED_S if isinstance(caller, Caller) else REFUSED_S
            self._callers.remember(digest, caller, self._now() + holds_s)
        if isinstance(caller, NotIdentified):
            raise NotIdentified(str(caller))
        return caller

    async def admit(self, caller: Caller, access: Access) -> None:
        """Raises NotAllowed, StoreFailed."""
        allowed = self._verdicts.answer((caller, access), self._now())
        if allowed is None:
            allowed = await self._may(caller, access)
            self._verdicts.remember((caller, access), allowed, self._now() + (ALLOWED_S if allowed else REFUSED_S))
        if not allowed:
            raise NotAllowed(f"{caller.name} may not {described(access)}")

    async def _whose(self, bearer: str) -> Caller | NotIdentified:
        review = await self._ask(TokenReview(spec=TokenReviewSpec(token=bearer)), "who this is")
        status = review.status
        if status is None or not status.authenticated or status.user is None or not status.user.username:
            return NotIdentified(
                "this is neither the admin token nor a token that the API server of this cluster knows"
            )
        return _caller(status.user)

    async def _may(self, caller: Caller, access: Access) -> bool:
        spec = SubjectAccessReviewSpec(
            user=caller.name,
            groups=list(caller.groups),
            uid=caller.uid or None,
            extra={name: list(values) for name, values in caller.extra} or None,
            resourceAttributes=ResourceAttributes(
                group=_GROUP,
                version=_VERSION,
                resource="scoringendpoints",
                subresource=access.part or None,
                verb=access.verb,
                namespace=access.namespace,
                name=access.name,
            ),
        )
        review = await self._ask(SubjectAccessReview(spec=spec), f"whether {caller.name} may {described(access)}")
        return review.status is not None and bool(review.status.allowed)

    async def _ask(self, review: Review, what: str) -> Review:
        try:
            async with asyncio.timeout(ANSWER_S), self._slots:
                return await self._client.create(review)
        except CALL_FAILED as error:
            raise StoreFailed(f"the API server cannot be asked {what}: {explain(error)}") from None


class ClusterOrToken:
    """The local admin token first, which needs no API server; then the cluster. Implements `Gate`."""

    def __init__(self, token: AdminToken, cluster: ClusterGate) -> None:
        self._token = token
        self._cluster = cluster

    async def identify(self, bearer: str | None) -> Caller:
        if bearer is not None and self._token.is_token(bearer):
            return await self._token.identify(bearer)
        return await self._cluster.identify(bearer)

    async def admit(self, caller: Caller, access: Access) -> None:
        """A user of the cluster who is called admin is asked about like any other."""
        if not isinstance(caller, LocalAdmin):
            await self._cluster.admit(caller, access)


def described(access: Access) -> str:
    """`update scoringendpoints/keys in namespace default`: what a role has to allow."""
    what = f"scoringendpoints/{access.part}" if access.part else "scoringendpoints"
    where = "all namespaces" if access.namespace is None else f"namespace {access.namespace}"
    return f"{access.verb} {what} in {where}"


def _caller(user: UserInfo) -> Caller:
    extra = tuple((name, tuple(values)) for name, values in sorted((user.extra or {}).items()))
    return Caller(user.username or "", tuple(user.groups or ()), user.uid or "", extra)
