"""Where endpoints are kept, who changes them there, and who may: of files, or in a cluster. Put together for `main`.

files     the user's own, changed in place; whoever has the admin token may do everything
cluster   ScoringEndpoint resources; RBAC on them decides, or the admin token where its file is named
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from router.admin import admin_token
from router.admin.gate import Gate
from router.serving.admin_status import Conditions
from router.settings import Settings
from router.store.configuration import Configuration
from router.store.file_writer import FileWriter
from router.store.files import FileStore
from router.store.keys import KeyFiles
from router.store.writing import EndpointWriter

if TYPE_CHECKING:
    from router.serving.cluster import Cluster


class Store(Protocol):
    """Where endpoints come from."""

    async def load(self) -> Configuration:
        """What is to be served now."""

    def changes(self) -> AsyncIterator[Configuration]:
        """What is to be served after each change, until cancelled."""


@dataclass(frozen=True, slots=True)
class Administration:
    store: Store
    writer: EndpointWriter
    gate: Gate
    conditions: Conditions | None = None
    """Of the resource, where there is one."""


def of_files(config: Path, settings: Settings) -> Administration:
    """Raises AdminTokenRefused."""
    keys = KeyFiles(settings.state_dir)
    store = FileStore(config, keys)
    gate = admin_token.opened(settings.state_dir, settings.admin_token_file)
    return Administration(store, FileWriter(config, store, keys), gate)


def of_cluster(cluster: Cluster, settings: Settings) -> Administration:
    """An admin token is only made where no API server says who may. Raises AdminTokenRefused."""
    from router.admin.cluster_gate import ClusterOrToken  # noqa: PLC0415  as `cluster` itself

    gate: Gate = cluster.gate
    if settings.admin_token_file is not None:
        gate = ClusterOrToken(admin_token.opened(settings.state_dir, settings.admin_token_file), cluster.gate)
    return Administration(cluster.store, cluster.writer, gate, cluster.conditions)
