"""What is followed in the API server under types of our own; everything else is lightkube's.

Used by the stores, by whoever writes the status of an endpoint, and by tests.
"""

from __future__ import annotations

from typing import Final

import msgspec
from lightkube.core.resource import NamespacedResourceG
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.core_v1 import Secret

from router.model.spec import API_VERSION, KIND

_GROUP, _VERSION = API_VERSION.split("/")

ScoringEndpoints: Final = create_namespaced_resource(_GROUP, _VERSION, KIND, "scoringendpoints")
"""A dictionary, as the API server has it: what is in it is for `router.model.resource` to judge."""

WITH_KEYS: Final = "type!=kubernetes.io/service-account-token,type!=helm.sh/release.v1"
"""Field selector of the Secrets that may hold keys. The others are the many and the large ones: they stay away."""


class SecretMetadata(msgspec.Struct):
    """All there is to know about a Secret that is only read. A bookmark has a version and no name."""

    name: str = ""
    namespace: str = ""
    resourceVersion: str | None = None  # noqa: N815


class KeyEntries(msgspec.Struct, rename="camel"):
    """In base64."""

    primary_key: str | None = None
    secondary_key: str | None = None

    def __repr__(self) -> str:
        return "<KeyEntries>"


class KeySecret(NamespacedResourceG, msgspec.Struct):
    """A Secret without anything that is no key: other people's data is skipped while the answer is decoded."""

    _api_info = Secret._api_info

    metadata: SecretMetadata
    data: KeyEntries | None = None
