"""What deploy/namespaced lets the router do, made out to the service account of a test's namespace."""

import json
from collections.abc import Iterable
from typing import Any

from tests.deploy.objects import DEPLOY, read

ROLES = DEPLOY / "namespaced" / "grant" / "role.yaml", DEPLOY / "base" / "leader-role.yaml"


def rights(*kinds: tuple[str, str]) -> str:
    """Manifests for `serve_in_cluster(allowed=…)`. `kinds`: group and plural of targets that are no Deployments or
    StatefulSets, for which docs/kubernetes.md has two rules more."""
    objects = [each for path in ROLES for each in read(path.read_text())]
    for each in objects:
        each["metadata"]["namespace"] = "{namespace}"
        for subject in each.get("subjects", ()):
            subject["namespace"] = "{namespace}"
        if (each["kind"], each["metadata"]["name"]) == ("Role", "maitre"):
            each["rules"].extend(_rules(kinds))
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _rules(kinds: Iterable[tuple[str, str]]) -> Iterable[dict[str, Any]]:
    for group, plural in kinds:
        yield {"apiGroups": [group], "resources": [plural], "verbs": ["list", "watch"]}
        yield {"apiGroups": [group], "resources": [f"{plural}/scale"], "verbs": ["get", "update"]}
