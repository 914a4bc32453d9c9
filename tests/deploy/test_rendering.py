"""Helm and kustomize render the same objects."""

import base64
import os
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from router.coord.handshake import KEY_BYTES
from tests.deploy import objects
from tests.deploy.objects import DEPLOY, Key, Object

OF_HELM = {"app.kubernetes.io/managed-by", "helm.sh/chart"}
VARIANTS = {
    "default": (["."], []),
    "namespaced": (["namespaced"], ["--set", "namespaces={default}"]),
    "pod monitor": ([".", "monitoring"], ["--set", "monitoring.kind=PodMonitor"]),
    "service monitor": ([".", "monitoring/by-service"], ["--set", "monitoring.kind=ServiceMonitor"]),
    "tls": (["tls"], ["--set", "tls.secretName=maitre-tls"]),
}
COORDINATION = ["--set", "coordination.enabled=true"]
OWN_SECRET = [*COORDINATION, "--set", "coordination.secretName=maitre-coordination"]
OVERLAY = """
resources: [{folder}/{variant}]
components: [{folder}/coordination, {folder}/router-pods]
"""


def same(rendered: list[Object]) -> dict[Key, Object]:
    """Without what is Helm's own business: its labels, and the namespace, which it does not make."""
    found = objects.by_key(each for each in rendered if each["kind"] != "Namespace")
    for each in found.values():
        labels = each["metadata"].get("labels", {})
        each["metadata"]["labels"] = {label: value for label, value in labels.items() if label not in OF_HELM}
    return {key: by_name(each) for key, each in found.items()}


def by_name(value: Any) -> Any:
    """Variables, volumes and their likes, which go by name, in the order of their names; other lists as they are."""
    if isinstance(value, dict):
        return {key: by_name(part) for key, part in value.items()}
    if not isinstance(value, list):
        return value
    parts = [by_name(part) for part in value]
    named = all(isinstance(part, dict) and "name" in part for part in parts)
    return sorted(parts, key=itemgetter("name")) if named else parts


@pytest.mark.parametrize("variant", VARIANTS)
def test_helm_renders_what_kustomize_renders(helm: Path, kubectl: Path, variant: str) -> None:
    folders, values = VARIANTS[variant]
    kustomized = same([each for folder in folders for each in objects.kustomize(kubectl, DEPLOY / folder)])
    helmed = same(objects.helm(helm, *values))
    assert helmed.keys() == kustomized.keys()
    for key, expected in kustomized.items():
        assert helmed[key] == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_helm_adds_what_the_component_adds(helm: Path, kubectl: Path, tmp_path: Path, variant: str) -> None:
    folders, values = VARIANTS[variant]
    kustomized = same(objects.kustomize(kubectl, overlay(tmp_path, folders, "coordination")))
    assert same(objects.helm(helm, *values, *OWN_SECRET)) == kustomized


@pytest.mark.parametrize("variant", VARIANTS)
def test_helm_gives_the_admin_api_the_rights_that_its_component_gives(
    helm: Path, kubectl: Path, tmp_path: Path, variant: str
) -> None:
    folders, values = VARIANTS[variant]
    kustomized = same(objects.kustomize(kubectl, overlay(tmp_path, folders, "admin-api")))
    helmed = same(objects.helm(helm, *values, "--set", "adminApi.enabled=true"))
    if variant == "namespaced":  # there the chart knows in which namespaces
        everywhere = kustomized.pop(("ClusterRoleBinding", None, "maitre-admin-api"))
        in_one = helmed.pop(("RoleBinding", "default", "maitre-admin-api"))
        assert [in_one[part] for part in ("roleRef", "subjects")] == [
            everywhere[part] for part in ("roleRef", "subjects")
        ]
    assert helmed == kustomized


def overlay(folder: Path, resources: list[str], component: str) -> Path:
    """As a user writes one."""
    there = [os.path.relpath(DEPLOY / each, folder.resolve()) for each in (*resources, component)]
    (folder / "kustomization.yaml").write_text(f"resources: {there[:-1]}\ncomponents: {there[-1:]}\n")
    return folder


def test_helm_makes_a_key_that_is_long_enough_where_none_is_named(helm: Path) -> None:
    named, made = (objects.by_key(objects.helm(helm, *values)) for values in (OWN_SECRET, COORDINATION))
    key = ("Secret", "maitre-system", "maitre-coordination")
    secret = made.pop(key)
    assert made == named
    assert len(base64.b64decode(secret["data"]["key"])) >= KEY_BYTES
    assert objects.by_key(objects.helm(helm, *COORDINATION))[key]["data"] != secret["data"]


@pytest.mark.parametrize(("variant", "values"), [(".", []), ("namespaced", ["--set", "namespaces={default}"])])
def test_a_router_that_scales_its_pods_is_the_same_from_both(
    helm: Path, kubectl: Path, tmp_path: Path, variant: str, values: list[str]
) -> None:
    folder = os.path.relpath(DEPLOY, tmp_path)  # kustomize takes no absolute paths
    (tmp_path / "kustomization.yaml").write_text(OVERLAY.format(folder=folder, variant=variant))
    kustomized = same(objects.kustomize(kubectl, tmp_path))
    assert same(objects.helm(helm, "--set", "routerPods.max=3", *OWN_SECRET, *values)) == kustomized
    deployment = kustomized["Deployment", "maitre-system", "maitre"]
    assert "replicas" not in deployment["spec"], "an apply would set the size back"
    assert ("Role", "maitre-system", "maitre-router-pods") in kustomized


def test_more_router_pods_than_one_share_out_slots(helm: Path) -> None:
    with pytest.raises(AssertionError, match=r"needs coordination\.enabled"):
        objects.helm(helm, "--set", "routerPods.max=2")


@pytest.mark.parametrize("folder", [".", "monitoring", "monitoring/by-service", "kubernetes-1.20", "example"])
def test_the_kustomize_of_kubectl_1_20_renders_the_same(kubectl: Path, old_kubectl: Path, folder: str) -> None:
    new = objects.by_key(objects.kustomize(kubectl, DEPLOY / folder))
    assert objects.by_key(objects.kustomize(old_kubectl, DEPLOY / folder)) == new


def test_the_whole_is_the_base_with_rights_in_the_cluster(kubectl: Path) -> None:
    parts = [*objects.kustomize(kubectl, DEPLOY / "base"), *objects.kustomize(kubectl, DEPLOY / "cluster-wide")]
    assert objects.by_key(objects.kustomize(kubectl, DEPLOY)) == objects.by_key(parts)


def test_nothing_but_namespaces_that_are_served_gets_rights(kubectl: Path) -> None:
    kinds = {kind for kind, _, _ in objects.by_key(objects.kustomize(kubectl, DEPLOY / "namespaced"))}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}


def test_before_1_23_it_is_the_whole_without_rules_in_the_definition(kubectl: Path) -> None:
    whole = objects.by_key(objects.kustomize(kubectl, DEPLOY))
    old = objects.by_key(objects.kustomize(kubectl, DEPLOY / "kubernetes-1.20"))
    definition = ("CustomResourceDefinition", None, "scoringendpoints.maitre.dev")
    budget = ("PodDisruptionBudget", "maitre-system", "maitre")
    expected = {
        definition: without(whole[definition], "x-kubernetes-validations"),
        budget: whole[budget] | {"apiVersion": "policy/v1beta1"},
    }
    assert old == whole | expected


def without(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {each: without(part, key) for each, part in value.items() if each != key}
    return [without(part, key) for part in value] if isinstance(value, list) else value
