"""The leader's part in keys: makes the Secrets that endpoints name and that are not there, owned by those endpoints.

What the user or another leader makes first stands (409). A Secret that is deleted is made anew with new keys, which is
how to be rid of both at once; but whoever deletes it in order to replace it is given time to. What the API server
refuses (RBAC, a quota) is told once, as a problem of the endpoints, and tried again with growing pauses. A pair that
was made is kept nowhere: it comes back as an event of the Secret, like everybody else's.

`Plan` decides, `KeyMaker` performs. Made and run by `router.main`.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

from lightkube import ApiError, AsyncClient
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.core_v1 import Secret

from router.kube.client import CALL_FAILED, explain
from router.model.spec import API_VERSION, KIND, EndpointKey
from router.store.keys import KeyPair, new_pair
from router.store.keys_in_force import MissingSecret, Owner
from router.store.secrets import SecretKey

log = logging.getLogger("maitre.store")

AT_ONCE: Final = 8
"""Calls under way: a thousand endpoints at the first start are no burst for the API server."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
ECHO_S: Final = 15.0
"""A Secret that was made comes back as an event within this time, or it is made again."""

REPLACED_S: Final = 5.0
"""`kubectl replace --force`, and tools that do as it does, need a second or two between deleting and creating."""


@dataclass(slots=True)
class _Try:
    missing: MissingSecret
    due: float
    pause_s: float = FIRST_PAUSE_S


class Plan:
    """What is to be made, and when. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._tries: dict[SecretKey, _Try] = {}

    def want(self, missing: Sequence[MissingSecret], now: float) -> None:
        """These are all. Those that were wanted before go on where they were."""
        tries: dict[SecretKey, _Try] = {}
        for each in missing:
            known = self._tries.get(each.key)
            if known is None or (each.urgent and not known.missing.urgent):
                known = _Try(each, now if each.urgent else now + REPLACED_S)
            known.missing = each  # its owners may be others
            tries[each.key] = known
        self._tries = tries

    def due(self, now: float) -> list[MissingSecret]:
        return [each.missing for each in self._tries.values() if each.due <= now]

    def wait_s(self, now: float) -> float | None:
        """Until the next is due; None: nothing is wanted."""
        return min((max(0.0, each.due - now) for each in self._tries.values()), default=None)

    def made(self, key: SecretKey, now: float) -> None:
        if (each := self._tries.get(key)) is not None:
            each.due, each.pause_s = now + ECHO_S, FIRST_PAUSE_S

    def failed(self, key: SecretKey, now: float, u: float) -> None:
        """`u` is uniform in [0, 1): half of the pause is chance."""
        if (each := self._tries.get(key)) is not None:
            each.due = now + each.pause_s * (1 + u) / 2
            each.pause_s = min(2 * each.pause_s, LONGEST_PAUSE_S)

    def __repr__(self) -> str:
        return f"<Plan wanted={len(self._tries)}>"


class Needs(Protocol):
    """What the maker wants of the store."""

    @property
    def news(self) -> asyncio.Event:
        """Set when `missing_secrets` may give something else; cleared by the maker."""

    def missing_secrets(self) -> Sequence[MissingSecret]: ...

    def could_not_make(self, key: SecretKey, reason: str | None) -> None: ...


class Tell(Protocol):
    """An Event about an endpoint."""

    def __call__(self, endpoint: EndpointKey, reason: str, message: str, /) -> None: ...


class KeyMaker:
    def __init__(
        self,
        client: AsyncClient,
        needs: Needs,
        *,
        tell: Tell,
        now: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
        wait: Callable[[Coroutine[Any, Any, object], float | None], Awaitable[object]] = asyncio.wait_for,
    ) -> None:
        """`draw` gives numbers in [0, 1); `wait` raises TimeoutError when its seconds are over."""
        self._client = client
        self._needs = needs
        self._tell = tell
        self._now = now
        self._draw = draw
        self._wait = wait
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """While leading, until cancelled."""
        plan = Plan()
        while True:
            self._needs.news.clear()
            plan.want(self._needs.missing_secrets(), self._now())
            async with asyncio.TaskGroup() as calls:
                for missing in plan.due(self._now()):
                    calls.create_task(self._make(plan, missing))
            with suppress(TimeoutError):  # one of those that failed is due
                await self._wait(self._needs.news.wait(), plan.wait_s(self._now()))

    async def _make(self, plan: Plan, missing: MissingSecret) -> None:
        try:
            async with self._slots:
                await self._client.create(secret_of(missing, new_pair()))
        except CALL_FAILED as error:
            if not (isinstance(error, ApiError) and error.status.code == HTTPStatus.CONFLICT):
                plan.failed(missing.key, self._now(), self._draw())
                self._needs.could_not_make(missing.key, explain(error))
                return
        else:
            self._tell_made(missing)
        plan.made(missing.key, self._now())
        self._needs.could_not_make(missing.key, None)

    def _tell_made(self, missing: MissingSecret) -> None:
        log.info("keys made", extra={"fields": {"secret": "/".join(missing.key)}})
        for owner in missing.owners:
            self._tell(owner.key, "KeysMade", f"the Secret {missing.key[1]} with two new keys")


def secret_of(missing: MissingSecret, pair: KeyPair) -> Secret:
    """The object to create. It goes with the last of its owners, and keeps none of them from going."""
    namespace, name = missing.key
    return Secret(
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            labels={"app.kubernetes.io/managed-by": "maitre"},
            ownerReferences=[_reference(owner) for owner in missing.owners],
        ),
        type="Opaque",
        data={"primaryKey": encoded(pair.primary), "secondaryKey": encoded(pair.secondary)},
    )


def _reference(owner: Owner) -> OwnerReference:
    return OwnerReference(
        apiVersion=API_VERSION, kind=KIND, name=owner.key[1], uid=owner.uid, blockOwnerDeletion=False, controller=False
    )


def encoded(text: str) -> str:
    """As a Secret has its entries."""
    return base64.b64encode(text.encode()).decode()
