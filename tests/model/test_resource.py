"""Resources as an API server returns them: what a file means, less what would reach into the router's pod."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from router.model.crd import crd
from router.model.interpreting import endpoint_from, interpret
from router.model.problems import Problem
from router.model.resource import interpret_resource, secret_name
from tests.fakes import documents
from tests.fakes.schema import stored as defaulted

WORKLOAD = {"deployment": {"name": "digits-blue", "port": 5001}}
SOURCE = "scoringendpoint models/digits"
SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


def document(target: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """As somebody writes it."""
    return {
        "apiVersion": "maitre.dev/v1alpha1",
        "kind": "ScoringEndpoint",
        "metadata": {"name": "digits", "namespace": "models", "labels": {"team": "vision"}},
        "spec": {"versions": [{"name": "blue", "target": target}], **spec},
    }


def stored(written: dict[str, Any]) -> dict[str, Any]:
    """With what an API server and kubectl add to it."""
    metadata = {
        **written["metadata"],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "owner": "me"},
        "uid": "7f0c6a52-9d5c-4a35-9c1e-6d5a0f2f4f11",
        "resourceVersion": "1234",
        "generation": 3,
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {}}}],
        "ownerReferences": [],
        "finalizers": ["example.com/keep"],
    }
    return {**written, "metadata": metadata, "status": {"observedGeneration": 2, "ready": "1/1"}}


def problems(target: dict[str, Any], **spec: Any) -> tuple[Problem, ...]:
    interpreted = interpret_resource(stored(document(target, **spec)))
    assert (interpreted.endpoint is None) == bool(interpreted.problems)
    return interpreted.problems


def test_what_the_api_server_adds_is_no_part_of_the_endpoint() -> None:
    written = document(WORKLOAD)
    written["metadata"]["annotations"] = {"owner": "me"}
    assert interpret_resource(stored(written)).endpoint == endpoint_from(written, "a file")


@given(documents.LAWFUL_SPECS)
def test_what_a_file_means_a_resource_means_with_all_defaults_written_out(spec: dict[str, Any]) -> None:
    written = documents.document(spec)
    resource = documents.document(defaulted(spec, SCHEMA))
    assert interpret_resource(stored(resource)).endpoint == endpoint_from(
        {**written, "metadata": {**written["metadata"], "annotations": {"owner": "me"}}}, "a file"
    )


@given(documents.SPECS)
def test_what_a_file_may_not_say_a_resource_may_not_say_either(spec: dict[str, Any]) -> None:
    resource = documents.document(defaulted(spec, SCHEMA))
    if interpret(documents.document(spec), "a file").endpoint is None:
        assert interpret_resource(resource).endpoint is None


def test_the_resource_is_left_as_it_is() -> None:
    resource = stored(document(WORKLOAD))
    interpret_resource(resource)
    assert resource == stored(document(WORKLOAD))


def test_what_no_endpoint_may_have_is_refused_as_in_a_file() -> None:
    (problem,) = problems(WORKLOAD, serverTiming="on")
    assert str(problem) == f'{SOURCE}: spec.serverTiming: "on" is not allowed: true or false'
    (problem,) = problems({**WORKLOAD, "urls": ["http://10.0.0.1"]})
    assert problem.message == "must have exactly one of deployment, command and urls; found deployment and urls"


@pytest.mark.parametrize("missing", ["apiVersion", "kind", "spec"])
def test_what_is_missing_is_a_problem(missing: str) -> None:
    resource = stored(document(WORKLOAD))
    del resource[missing]
    (problem,) = interpret_resource(resource).problems
    assert problem.key == missing


def test_a_name_that_only_kubernetes_allows_is_refused() -> None:
    resource = stored(document(WORKLOAD))
    resource["metadata"]["name"] = "digits.v2"
    (problem,) = interpret_resource(resource).problems
    assert problem.source == "scoringendpoint models/digits.v2"
    assert (problem.key, problem.message[:26]) == ("metadata.name", '"digits.v2" is not allowed')


def test_a_resource_starts_no_processes() -> None:
    (problem,) = problems({"command": ["sh", "-c", "{port}"]})
    assert problem.key == "spec.versions[0](blue).target.command"
    assert problem.message == "is not allowed in a cluster: deployment or urls; a resource starts no processes"
    assert "sh" not in str(problem)


def test_a_resource_names_no_file_of_keys() -> None:
    (problem,) = problems(WORKLOAD, auth={"keysFile": "keys.yaml"})
    assert (problem.key, problem.value) == ("spec.auth.keysFile", '"keys.yaml"')
    assert problem.message == "is not allowed in a cluster: secretName, the Secret with primaryKey and secondaryKey"


@pytest.mark.parametrize("name", ["/etc/passwd", "../ca.pem", "digits/../../ca.pem", "..", "//ca.pem"])
@pytest.mark.parametrize("key", ["caFile", "certFile", "keyFile"])
def test_tls_files_lie_below_their_directory(key: str, name: str) -> None:
    tls = {"certFile": "digits/tls.crt", "keyFile": "digits/tls.key", key: name}
    (problem,) = problems({**WORKLOAD, "tls": tls})
    assert (problem.key, problem.value) == (f"spec.versions[0](blue).target.tls.{key}", f'"{name}"')
    assert problem.message == "is not allowed in a cluster: a relative path without .., below /etc/maitre/tls"


@pytest.mark.parametrize("name", ["ca.pem", "digits/ca.pem", "..data/ca.pem", "./ca.pem"])
def test_tls_files_below_their_directory_are_taken(name: str) -> None:
    assert problems({**WORKLOAD, "tls": {"caFile": name}}) == ()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.8.9.10", "localhost", "a.localhost", "[::1]", "0.0.0.0", "169.254.169.254", "[fe80::1]",
     "[::ffff:169.254.169.254]", "[::ffff:127.0.0.1]"],
)  # fmt: skip
def test_urls_name_neither_the_router_nor_what_only_its_node_may_ask(host: str) -> None:
    (problem,) = problems({"urls": ["http://10.0.0.1:5001", f"http://{host}:5001"]})
    assert problem.key == "spec.versions[0](blue).target.urls[1]"
    assert "the router's own host or link-local" in problem.message


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.1", "models.example.com", "blue.models.svc", "[fd00::1]"])
def test_other_urls_are_taken(host: str) -> None:
    assert problems({"urls": [f"http://{host}:5001"]}) == ()


def test_every_version_is_looked_at() -> None:
    versions = [{"name": name, "target": {"command": ["{port}"]}} for name in ("blue", "green")]
    assert [problem.key for problem in problems({}, versions=versions)] == [
        "spec.versions[0](blue).target.command",
        "spec.versions[1](green).target.command",
    ]


@pytest.mark.parametrize(("auth", "name"), [({}, "digits-keys"), ({"secretName": "mine"}, "mine")])
def test_the_keys_are_in_a_secret(auth: dict[str, str], name: str) -> None:
    assert secret_name(endpoint_from(document(WORKLOAD, auth=auth), "x")) == name
