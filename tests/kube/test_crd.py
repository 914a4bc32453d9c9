"""The definition of the resource, on a real API server: taken, obeyed, and shown by kubectl."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from router.model.crd import crd
from router.model.interpreting import endpoint_from
from router.model.resource import interpret_resource
from router.model.status import Condition, EndpointStatus, VersionStatus
from tests.fakes.schema import stored
from tests.kube.control_plane import ControlPlane

DEFINITION = Path(__file__).parents[2] / "deploy" / "base" / "crd.yaml"
SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
WORKLOAD = {"deployment": {"name": "digits-blue", "port": 5001}}


def one_version(**values: Any) -> dict[str, Any]:
    return {"versions": [{"name": "blue", "target": WORKLOAD, **values}]}


CONTRACT = {
    "auth": {"mode": "key", "secretName": "digits-keys"},
    "hosts": ["digits.example.com"],
    "cors": {"allowOrigins": ["https://app.example.com"]},
    "sticky": {"header": "X-User-Id"},
    "serverTiming": False,
    "versions": [
        {
            "name": "blue",
            "trafficPercentile": 80,
            "isDefault": True,
            "type": "control",
            "target": {
                "deployment": {"name": "digits-blue", "port": 5001},
                "tls": {"caFile": "ca.pem", "certFile": "tls.crt", "keyFile": "tls.key", "serverName": "digits"},
            },
            "scoringPath": "/score",
            "readinessPath": "/",
            "maxConcurrentRequestsPerReplica": 1,
            "maxQueueWaitMs": 500,
            "maxQueueLength": 1000,
            "scoringTimeoutMs": 60000,
            "coldStartTimeoutMs": 60000,
            "autoscale": {
                "enabled": True,
                "minReplicas": 1,
                "maxReplicas": 10,
                "targetUtilization": 70,
                "refreshPeriodSeconds": 1,
                "scaleDownWindowSeconds": 60,
            },
            "collectData": False,
            "mirrorPercentile": 0,
        }
    ],
}
GOOD = {
    "the contract": CONTRACT,
    "the least": one_version(),
    "fixed urls": one_version(target={"urls": ["https://10.0.0.1:8443"], "tls": {}}),
    "a fixed size": {
        "versions": [{"name": "blue", "target": WORKLOAD, "autoscale": {"enabled": False, "replicas": 2}}]
    },
    "part of autoscale": {"versions": [{"name": "blue", "target": WORKLOAD, "autoscale": {"maxReplicas": 5}}]},
    "nulls": {
        "auth": {"token": None},
        "cors": None,
        "versions": [{"name": "blue", "target": {**WORKLOAD, "tls": None}, "type": "control"}],
    },
    "decimals": {
        "versions": [
            {"name": "blue", "target": WORKLOAD, "trafficPercentile": 33.333333},
            {"name": "green", "target": {"deployment": {"name": "g", "port": 1, "kind": "StatefulSet"}}},
        ]
    },
}


def workload(**values: Any) -> dict[str, Any]:
    return one_version(target={"deployment": {"name": "digits-blue", "port": 5001, **values}})


WRONG = [
    ({}, "spec.versions", "Required value"),
    ({"versions": []}, "spec.versions", "should have at least 1 items"),
    (
        {"versions": [{"name": f"version-{n}", "target": WORKLOAD} for n in range(7)]},
        "spec.versions",
        "(should|must) have at most 6 items",
    ),
    ({"versions": [{"target": WORKLOAD}]}, "spec.versions.name", "Required value"),
    ({"versions": [{"name": "blue"}]}, "spec.versions.target", "Required value"),
    ({"versions": 2 * [{"name": "blue", "target": WORKLOAD}]}, "spec.versions", "Duplicate value"),
    (one_version(name="Blue"), "spec.versions.name", r"should match '\^\[a-z\]"),
    (one_version(name="ab"), "spec.versions.name", "should be at least 3 chars long"),
    (one_version(name="a" * 33), "spec.versions.name", "(should be at most|may not be longer than) 32"),
    (one_version(trafficPercentile=101), "spec.versions.trafficPercentile", "should be less than or equal to 100"),
    (one_version(trafficPercentile=-0.1), "spec.versions.trafficPercentile", "should be greater than or equal to 0"),
    (one_version(trafficPercentile="20"), "spec.versions.trafficPercentile", "must be of type number"),
    (one_version(isDefault="yes"), "spec.versions.isDefault", "must be of type boolean"),
    (one_version(type="blue"), "spec.versions.type", 'supported values: "control", "treatment"'),
    (one_version(scoringPath="score"), "spec.versions.scoringPath", "should match '\\^/"),
    (one_version(maxConcurrentRequestsPerReplica=0), "spec.versions.maxConcurrentRequestsPerReplica", "equal to 1"),
    (one_version(maxQueueWaitMs=86_400_001), "spec.versions.maxQueueWaitMs", "less than or equal to 8"),
    (one_version(maxQueueLength=1.5), "spec.versions.maxQueueLength", "must be of type integer"),
    (one_version(autoscale={"maxReplicas": 0}), "spec.versions.autoscale.maxReplicas", "greater than or equal to 1"),
    (
        one_version(autoscale={"targetUtilization": 101}),
        "spec.versions.autoscale.targetUtilization",
        "less than or equal to 100",
    ),
    (
        one_version(autoscale={"refreshPeriodSeconds": 0.01}),
        "spec.versions.autoscale.refreshPeriodSeconds",
        "equal to 0.05",
    ),
    (workload(port=65_536), "spec.versions.target.deployment.port", "less than or equal to 65535"),
    (workload(kind="deployment"), "spec.versions.target.deployment.kind", r"should match '\^\[A-Z\]"),
    (workload(name="Digits"), "spec.versions.target.deployment.name", "should match"),
    (one_version(target={"urls": []}), "spec.versions.target.urls", "should have at least 1 items"),
    (one_version(target={"urls": 2 * ["http://10.0.0.1"]}), "spec.versions.target.urls", "Duplicate value"),
    (one_version(target={"urls": ["ftp://10.0.0.1"]}), "spec.versions.target.urls", r"should match '\^https"),
    ({**one_version(), "auth": {"mode": "basic"}}, "spec.auth.mode", 'supported values: "key", "token", "none"'),
    ({**one_version(), "auth": {"token": {"issuer": "x"}}}, "spec.auth.token.audience", "Required value"),
    ({**one_version(), "hosts": ["Digits.example"]}, "spec.hosts", "should match"),
    ({**one_version(), "hosts": 2 * ["digits.example"]}, "spec.hosts", "Duplicate value"),
    ({**one_version(), "cors": {"allowOrigins": ["app.example"]}}, "spec.cors.allowOrigins", "should match"),
    ({**one_version(), "sticky": {"header": "x y"}}, "spec.sticky.header", "should match"),
]


def document(spec: dict[str, Any], name: str = "digits") -> dict[str, Any]:
    return {
        "apiVersion": "maitre.dev/v1alpha1",
        "kind": "ScoringEndpoint",
        "metadata": {"name": name},
        "spec": spec,
    }


def stream(documents: list[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(document) for document in documents)


@pytest.fixture
async def cluster(control_plane: ControlPlane, namespace: str) -> ControlPlane:
    """One that knows the resource."""
    # kubectl 1.22 and older knows no rules and would not send them; see deploy/kubernetes-1.20
    await control_plane.kubectl("apply", "--validate=false", "-f", str(DEFINITION))
    await control_plane.kubectl("wait", "--for=condition=Established", "crd/scoringendpoints.maitre.dev")
    return control_plane


async def refusals(cluster: ControlPlane, namespace: str, documents: list[dict[str, Any]], *options: str) -> str:
    """What kubectl complains of, with list indices left out, which API servers before 1.24 do not tell."""
    with pytest.raises(AssertionError) as caught:
        await cluster.kubectl("create", "-n", namespace, *options, "-f", "-", stdin=stream(documents))
    return re.sub(r"\[\d+\]", "", str(caught.value))


async def test_the_definition_is_taken_without_objection(cluster: ControlPlane) -> None:
    definition = json.loads(await cluster.kubectl("get", "crd", "scoringendpoints.maitre.dev", "-o", "json"))
    conditions = {one["type"]: one["status"] for one in definition["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}  # NonStructuralSchema would be here


async def test_what_is_stored_means_what_the_file_means(cluster: ControlPlane, namespace: str) -> None:
    documents = [document(spec, f"good-{number}") for number, spec in enumerate(GOOD.values())]
    await cluster.kubectl("create", "-n", namespace, "--validate=false", "-f", "-", stdin=stream(documents))
    answer = json.loads(await cluster.kubectl("get", "sep", "-n", namespace, "-o", "json"))
    resources = {resource["metadata"]["name"]: resource for resource in answer["items"]}
    for written in documents:
        resource = resources[written["metadata"]["name"]]
        assert resource["spec"] == stored(written["spec"], SCHEMA)
        written["metadata"]["namespace"] = namespace
        assert interpret_resource(resource).endpoint == endpoint_from(written, "a file")


async def test_what_is_wrong_is_refused_with_key_and_range(cluster: ControlPlane, namespace: str) -> None:
    documents = [document(spec, f"wrong-{number}") for number, (spec, _, _) in enumerate(WRONG)]
    complaint = await refusals(cluster, namespace, documents, "--validate=false")
    told = dict(re.findall(r'"(wrong-\d+)" is invalid: (.*(?:\n\*.*)*)', complaint))
    expected = {f"wrong-{number}": rf"\b{re.escape(key)}: .*{says}" for number, (_, key, says) in enumerate(WRONG)}
    assert {name: told.get(name) for name, words in expected.items() if not re.search(words, told.get(name, ""))} == {}


async def test_a_name_that_is_no_word_of_a_url_is_refused(cluster: ControlPlane, namespace: str) -> None:
    documents = [document(GOOD["the least"], name) for name in ("digits.v2", "di", "9digits", "d" * 33)]
    complaint = await refusals(cluster, namespace, documents)
    assert complaint.count("metadata.name: Invalid value") + complaint.count("metadata.name: Too long") == 4


async def test_kubectl_refuses_unknown_keys_and_the_api_server_drops_them(
    cluster: ControlPlane, namespace: str
) -> None:
    written = document(one_version(maxQueueLenght=5))
    assert "maxQueueLenght" in await refusals(cluster, namespace, [written])
    await cluster.kubectl("create", "-n", namespace, "--validate=false", "-f", "-", stdin=stream([written]))
    resource = json.loads(await cluster.kubectl("get", "sep", "digits", "-n", namespace, "-o", "json"))
    assert resource["spec"] == stored(one_version(), SCHEMA)


async def test_kubectl_shows_the_status(cluster: ControlPlane, namespace: str) -> None:
    await cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=stream([document(CONTRACT)]))
    status = EndpointStatus(
        observed_generation=1,
        conditions=(
            Condition(
                type="Accepted",
                status="True",
                reason="Valid",
                message="in force",
                last_transition_time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
                observed_generation=1,
            ),
        ),
        versions=(VersionStatus(name="blue", traffic=100, ready=3, desired=4, busy=2),),
        version_names="blue",
        default_version="blue",
        ready="3/4",
        busy=2,
        rps="12.5",
    )
    body = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    path = f"/apis/maitre.dev/v1alpha1/namespaces/{namespace}/scoringendpoints/digits/status"
    async with cluster.http() as http:
        content = json.dumps({"status": body})
        patched = await http.patch(path, content=content, headers={"content-type": "application/merge-patch+json"})
    assert patched.raise_for_status().json()["status"] == body
    title, row = (await cluster.kubectl("get", "sep", "-n", namespace)).splitlines()
    assert title.split() == ["NAME", "VERSIONS", "DEFAULT", "READY", "BUSY", "RPS", "AGE"]
    assert row.split()[:-1] == ["digits", "blue", "blue", "3/4", "2", "12.5"]
