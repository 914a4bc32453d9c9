"""What deploy/namespaced lets the router do, made out to the service account of a test's namespace.

All of it, or without one pair of resource and verb; with more for kinds of the user.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tests.deploy.objects import DEPLOY, read

FOR_THE_ADMIN_API = [DEPLOY / "admin-api" / name for name in ("reviewing.yaml", "role.yaml", "binding.yaml")]
ROLES = DEPLOY / "namespaced" / "grant" / "role.yaml", DEPLOY / "base" / "leader-role.yaml"

Rule = dict[str, Any]


class Pair(NamedTuple):
    """One verb on one resource; a subresource after a slash."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


def pairs() -> list[Pair]:
    """All that is given."""
    return [_pair(rule) for each in _objects(*ROLES) for rule in _one_by_one(each.get("rules", ()))]


def rights(*kinds: tuple[str, str], without: Pair | None = None, more: Iterable[Path] = ()) -> str:
    """Manifests for `serve_in_cluster(allowed=…)`. `kinds`: group and plural of targets that are no Deployments or
    StatefulSets, for which docs/kubernetes.md has two rules more. `more`: manifests of roles beside these."""
    objects = _objects(*ROLES, *more)
    for each in objects:
        if not each["kind"].startswith("Cluster"):
            each["metadata"]["namespace"] = "{namespace}"
        for subject in each.get("subjects", ()):
            subject["namespace"] = "{namespace}"
        if "rules" in each:
            each["rules"] = [rule for rule in _one_by_one(each["rules"]) if _pair(rule) != without]
        if (each["kind"], each["metadata"]["name"]) == ("Role", "maitre"):
            each["rules"].extend(_rules(kinds))
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _objects(*paths: Path) -> list[dict[str, Any]]:
    return [each for path in paths for each in read(path.read_text())]


def _one_by_one(rules: Iterable[Rule]) -> Iterable[Rule]:
    """The same rights, a rule for each pair."""
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield {**rule, "apiGroups": [group], "resources": [resource], "verbs": [verb]}


def _pair(rule: Rule) -> Pair:
    (group,), (resource,), (verb,) = rule["apiGroups"], rule["resources"], rule["verbs"]
    return Pair(group, resource, verb)


def _rules(kinds: Iterable[tuple[str, str]]) -> Iterable[Rule]:
    for group, plural in kinds:
        yield {"apiGroups": [group], "resources": [plural], "verbs": ["list", "watch"]}
        yield {"apiGroups": [group], "resources": [f"{plural}/scale"], "verbs": ["get", "update"]}
