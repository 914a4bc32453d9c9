"""The rights of the router, and what docs/kubernetes.md says of them, are the same."""

import re
from pathlib import Path

import pytest

from tests.deploy import objects
from tests.deploy.objects import DEPLOY, REPOSITORY, Object

Rule = tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]
"""API groups, resources, the names that they are restricted to, verbs."""

NAMES = re.compile(r"`([^`]+)`")
EVERYWHERE = DEPLOY / "cluster-wide" / "cluster-role.yaml"
IN_ONE = DEPLOY / "namespaced" / "grant" / "role.yaml"
OF_THE_LEASE = DEPLOY / "base" / "leader-role.yaml"
OF_ITS_PODS = DEPLOY / "router-pods" / "role.yaml"
OF_COORDINATION = DEPLOY / "coordination" / "role.yaml"
REVIEWING, ADMINISTERING = (DEPLOY / "admin-api" / name for name in ("reviewing.yaml", "role.yaml"))


def rules(path: Path) -> set[Rule]:
    return {given for each in objects.read(path.read_text()) for given in rules_of(each)}


def rules_of(each: Object) -> set[Rule]:
    def of(rule: Object, key: str) -> frozenset[str]:
        return frozenset(rule.get(key, ()))

    keys = ("apiGroups", "resources", "resourceNames", "verbs")
    return {tuple(of(rule, key) for key in keys) for rule in each.get("rules", ())}


def explained() -> list[set[Rule]]:
    """The rules of each table below the heading, in order."""
    page = (REPOSITORY / "docs" / "kubernetes.md").read_text()
    (section,) = re.findall(r"^## What the router may do$(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    tables = re.findall(r"^\| API group .*\n\|[-|]+\|\n((?:\|.*\n)+)", section, re.MULTILINE)
    return [{explanation(row) for row in table.splitlines()} for table in tables]


def explanation(row: str) -> Rule:
    group, resources, verbs, *_ = (cell.strip() for cell in row.strip("|").split("|"))
    what, _, named = resources.partition(" named ")
    groups = frozenset({""} if group == "core" else NAMES.findall(group))
    return groups, frozenset(NAMES.findall(what)), frozenset(NAMES.findall(named)), frozenset(verbs.split(", "))


def test_each_right_is_explained_and_no_other() -> None:
    of_the_api = rules(REVIEWING) | rules(ADMINISTERING)
    others = [rules(path) for path in (EVERYWHERE, OF_THE_LEASE, OF_ITS_PODS, OF_COORDINATION)]
    assert explained() == [*others, of_the_api]


def test_a_namespace_gets_the_rights_that_the_cluster_gets() -> None:
    assert rules(IN_ONE) == rules(EVERYWHERE)


@pytest.mark.parametrize(
    "path",
    [EVERYWHERE, IN_ONE, OF_THE_LEASE, OF_ITS_PODS, OF_COORDINATION, REVIEWING, ADMINISTERING],
    ids=lambda path: f"{path.parent.stem}/{path.stem}",
)
def test_no_rule_is_for_whatever_there_may_be(path: Path) -> None:
    assert not [rule for rule in rules(path) if any("*" in part for part in rule)]


def test_a_kind_of_the_user_gets_two_rules(helm: Path) -> None:
    values = ("rbac.extraKinds[0].apiGroup=example.com", "rbac.extraKinds[0].resource=models")
    rendered = objects.helm(helm, *(word for value in values for word in ("--set", value)))
    (role,) = (each for each in rendered if each["kind"] == "ClusterRole")
    more = {
        (frozenset({"example.com"}), frozenset({"models"}), frozenset(), frozenset({"list", "watch"})),
        (frozenset({"example.com"}), frozenset({"models/scale"}), frozenset(), frozenset({"get", "update"})),
    }
    assert rules_of(role) == rules(EVERYWHERE) | more
