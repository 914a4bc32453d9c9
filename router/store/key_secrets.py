"""The Secret with the keys of one endpoint, read and changed on behalf of whoever manages them.

Only the two entries are ever looked at or written; what else the Secret holds stays. A Secret that is not there is the
leader's to make (`key_maker`). Used by `ResourceWriter`, which says what happens when somebody else was faster; calls
raise what lightkube raises (`CALL_FAILED`), but for what is said here.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from lightkube import ApiError, AsyncClient
from lightkube.resources.core_v1 import Secret
from lightkube.types import PatchType

from router.errors import KeysUnknown, StoreFailed
from router.kube.resources import KeySecret
from router.model.problems import Problem
from router.model.resource import secret_name
from router.model.spec import ScoringEndpoint
from router.store.key_maker import encoded
from router.store.keys import KeyPair, require_keys
from router.store.secrets import pair_in


class HeldKeys(NamedTuple):
    """A pair, and the version of the Secret that it was read at."""

    pair: KeyPair
    version: str | None


class KeySecrets:
    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def read(self, endpoint: ScoringEndpoint) -> HeldKeys:
        """Raises KeysUnknown."""
        require_keys(endpoint)
        try:
            secret = await self._client.get(KeySecret, secret_name(endpoint), namespace=endpoint.namespace)
        except ApiError as error:
            if error.status.code != HTTPStatus.NOT_FOUND:
                raise
            raise KeysUnknown(
                f"there is no Secret {_label(endpoint)} yet; the router that leads makes it: try again"
            ) from None
        pair = pair_in(secret)
        if isinstance(pair, Problem):
            raise KeysUnknown(str(pair))
        return HeldKeys(pair, secret.metadata.resourceVersion)

    async def write(self, endpoint: ScoringEndpoint, pair: KeyPair, version: str | None) -> None:
        """On that version, else the API server says 409. Raises StoreFailed for a Secret that can never change."""
        data = {"primaryKey": encoded(pair.primary), "secondaryKey": encoded(pair.secondary)}
        change = {"metadata": {"resourceVersion": version}, "data": data}
        name, namespace = secret_name(endpoint), endpoint.namespace
        try:
            await self._client.patch(Secret, name, change, namespace=namespace, patch_type=PatchType.MERGE)
        except ApiError as error:
            if error.status.code != HTTPStatus.UNPROCESSABLE_ENTITY or "immutable" not in (error.status.message or ""):
                raise
            raise StoreFailed(
                f"the Secret {_label(endpoint)} is immutable: make another one and name it in spec.auth.secretName"
            ) from None


def _label(endpoint: ScoringEndpoint) -> str:
    return f"{endpoint.namespace}/{secret_name(endpoint)}"
