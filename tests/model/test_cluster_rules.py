"""The rules in CEL, evaluated: they and the router must give the same verdict of the same resource."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given

pytest.importorskip("cel_expr_python", reason="cel-expr-python has no wheel for this machine")

from router.model.cluster_rules import CLUSTER_RULES
from router.model.crd import crd
from router.model.resource import interpret_resource
from tests.fakes.cel import CelRules
from tests.fakes.documents import SPECS, document
from tests.fakes.schema import stored

SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
RULES = CelRules(SCHEMA)
WORKLOAD = {"deployment": {"name": "digits-blue", "port": 5001}}
HTTPS = {"urls": ["https://10.0.0.1"]}
TOKEN = {"issuer": "https://id.example", "audience": "digits", "jwksUri": "https://id.example/keys"}


def judged(spec: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What the API server says of it, and the keys that the router finds fault with."""
    served = stored(spec, SCHEMA)
    return RULES.broken(served), [problem.key for problem in interpret_resource(document(served)).problems]


def auth(**values: Any) -> dict[str, Any]:
    return {"auth": values, "versions": [{"name": "blue", "target": WORKLOAD}]}


def versions(*several: dict[str, Any]) -> dict[str, Any]:
    names = ("blue", "green", "red")
    return {"versions": [{"name": name, "target": WORKLOAD, **one} for name, one in zip(names, several, strict=False)]}


BLUE, GREEN = "spec.versions[0](blue)", "spec.versions[1](green)"
BROKEN = [
    (auth(keysFile="keys.yaml"), "keysFile is not allowed in a cluster", "spec.auth.keysFile"),
    (auth(mode="none", secretName="mine"), "secretName is for mode key and for tokens", "spec.auth.secretName"),
    (
        auth(mode="token", token=TOKEN, secretName="mine"),
        "secretName is for mode key and for tokens",
        "spec.auth.secretName",
    ),
    (
        auth(mode="token", token={"issuer": "id.example", "audience": "digits"}),
        "without a jwksUri the issuer must be",
        "spec.auth.token.issuer",
    ),
    (auth(token=TOKEN), "token is for mode token", "spec.auth.token"),
    (versions({"isDefault": True}, {"isDefault": True}), "only one version is the default", f"{GREEN}.isDefault"),
    (versions({"type": "control"}, {"type": "control"}), "at most one version is the control", f"{GREEN}.type"),
    (versions({"mirrorPercentile": 1}), "at least one version must answer", "spec.versions"),
    (
        versions({"trafficPercentile": 60}, {"trafficPercentile": 40.000001}),
        "the percentiles may add up to 100 at most",
        f"{GREEN}.trafficPercentile",
    ),
    (
        versions({}, {"mirrorPercentile": 1, "isDefault": True}),
        "a version with a mirrorPercentile answers nobody and cannot be the default",
        f"{GREEN}.isDefault",
    ),
    (
        versions({}, {"mirrorPercentile": 1, "trafficPercentile": 1}),
        "a version with a mirrorPercentile gets copies only",
        f"{GREEN}.trafficPercentile",
    ),
    (versions({"target": HTTPS, "autoscale": {}}), "fixed urls are never scaled", f"{BLUE}.autoscale"),
    (
        versions({"target": HTTPS, "autoscale": {"enabled": False, "replicas": 1}}),
        "fixed urls are the replicas",
        f"{BLUE}.autoscale.replicas",
    ),
    (
        versions({"target": {"command": ["{port}"]}}),
        "command is not allowed in a cluster",
        f"{BLUE}.target.command",
    ),
    (versions({"target": {}}), "must have exactly one of deployment and urls", f"{BLUE}.target"),
    (versions({"target": {**WORKLOAD, **HTTPS}}), "must have exactly one of deployment and urls", f"{BLUE}.target"),
    (
        versions({"target": {"urls": ["https://10.0.0.1", "http://10.0.0.2"], "tls": {}}}),
        "with tls every URL begins with https://",
        f"{BLUE}.target.urls[1]",
    ),
    (
        versions({"target": {**HTTPS, "tls": {"keyFile": "k"}}}),
        "keyFile needs a certFile",
        f"{BLUE}.target.tls.keyFile",
    ),
    *(
        (
            versions({"target": {**HTTPS, "tls": {"certFile": "crt", key: path}}}),
            "is not allowed in a cluster: a relative path without .., below /etc/maitre/tls",
            f"{BLUE}.target.tls.{key}",
        )
        for key in ("caFile", "certFile", "keyFile")
        for path in ("/etc/passwd", "..", "../x", "x/..", "x/../y", "//x")
    ),
    (versions({"autoscale": {"minReplicas": 11}}), "minReplicas is more", f"{BLUE}.autoscale.minReplicas"),
    (versions({"autoscale": {"replicas": 1}}), "replicas is for a fixed size", f"{BLUE}.autoscale.replicas"),
]


@pytest.mark.parametrize(("spec", "says", "key"), BROKEN, ids=[f"{key}: {says}" for _, says, key in BROKEN])
def test_each_rule_is_broken_alone_and_the_router_finds_fault_with_the_same(
    spec: dict[str, Any], says: str, key: str
) -> None:
    (message,), keys = judged(spec)
    assert message.startswith(says)
    assert keys == [key]


def test_every_rule_is_broken_by_one_of_these() -> None:
    told = {message for spec, _, _ in BROKEN for message in judged(spec)[0]}
    assert told == {rule.message for rule in CLUSTER_RULES}


@pytest.mark.parametrize(
    "spec",
    [
        auth(),
        auth(mode="token", token=TOKEN),
        auth(secretName="mine"),
        auth(mode="token", secretName="mine"),
        auth(mode="token", token={"issuer": "https://id.example/realms/a", "audience": "digits"}),
        auth(
            mode="token",
            token={**TOKEN, "algorithms": ["PS256"], "requiredScopes": ["score"], "requiredClaims": {"tid": "7"}},
        ),
        versions({"trafficPercentile": 33.3}, {"trafficPercentile": 33.3}, {"trafficPercentile": 33.4}),
        versions({"trafficPercentile": 60}, {"trafficPercentile": 40}, {"mirrorPercentile": 100}),
        versions({"isDefault": True, "type": "control"}, {"type": "treatment"}),
        versions({"target": {**HTTPS, "tls": {"caFile": "..data/ca.pem", "certFile": "a../b", "keyFile": "./k"}}}),
        versions({"target": HTTPS, "autoscale": {"enabled": False}}),
        versions({"autoscale": {"enabled": False, "replicas": 2}}),
        versions({"autoscale": {"minReplicas": 10}}),
    ],
)
def test_what_is_right_breaks_none(spec: dict[str, Any]) -> None:
    assert judged(spec) == ([], [])


@given(SPECS)
@example(versions({"trafficPercentile": 0.1}, {"trafficPercentile": 0.2}, {"trafficPercentile": 99.7}))
def test_api_server_and_router_agree(spec: dict[str, Any]) -> None:
    names = [version["name"] for version in spec["versions"]]
    twice = len(set(names)) < len(names)  # which the API server sees without a rule: the list is a map
    broken, keys = judged(spec)
    assert (bool(broken) or twice) == bool(keys), (broken, keys)
