"""Objects as an API server returns them, made by hand."""

from __future__ import annotations

import base64
from typing import Any

from router.kube.resources import KeyEntries, KeySecret, SecretMetadata


def endpoint_resource(
    name: str,
    *,
    namespace: str = "default",
    uid: str | None = None,
    generation: int = 1,
    created: int = 0,
    **spec: Any,
) -> dict[str, Any]:
    """A ScoringEndpoint with one version on a workload of its own; `created` is a second of some minute."""
    workload = {"name": f"{name}-blue", "port": 5001}
    return {
        "apiVersion": "maitre.dev/v1alpha1",
        "kind": "ScoringEndpoint",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-of-{namespace}-{name}",
            "generation": generation,
            "resourceVersion": str(generation),
            "creationTimestamp": f"2026-01-01T00:00:{created:02}Z",
            "managedFields": [],
        },
        "spec": {"versions": [{"name": "blue", "target": {"deployment": workload}}], **spec},
    }


def key_secret(name: str, primary: str | None, secondary: str | None, *, namespace: str = "default") -> KeySecret:
    entries = KeyEntries(
        None if primary is None else encoded(primary), None if secondary is None else encoded(secondary)
    )
    return KeySecret(SecretMetadata(name, namespace, "1"), entries)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
