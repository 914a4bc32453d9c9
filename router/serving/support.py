"""What a configuration may say that this maitre cannot do yet, or not in this mode: said aloud, never passed over.

The schema accepts all of the contract, so that a file written for it needs no change later. Where something has no
effect the log warns; where having no effect would let somebody in or send requests in the clear, the endpoint is closed
instead (nobody is admitted, no replica is used).
"""

from __future__ import annotations

from collections.abc import Iterator

from router.model.spec import ScoringEndpoint


def limitations(endpoint: ScoringEndpoint, *, in_cluster: bool) -> Iterator[str]:
    """One sentence for each part of the configuration without effect."""
    spec = endpoint.spec
    for version in spec.versions:
        name = f"version {version.name}"
        if version.target.deployment is not None and not in_cluster:
            yield f"{name}: target.deployment needs a cluster (serve --kubernetes): it has no replicas"
        if version.collect_data:
            yield f"{name}: collectData is not supported yet: it has no effect"
