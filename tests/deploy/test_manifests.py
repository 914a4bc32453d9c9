"""What deploy/ says, held against Kubernetes' own types, the options of serve, and the schema of endpoints."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from lightkube import codecs
from typer.testing import CliRunner

import router
from router.cli import serve
from router.model.resource import interpret_resource
from router.settings import Settings
from tests.deploy import objects
from tests.deploy.objects import CHART, DEPLOY, REPOSITORY, Object

FOLDERS = ("base", "cluster-wide", "namespaced/grant", "router-pods", "monitoring", "monitoring/by-service", "example")
PATCHES = (
    "namespaced/served.yaml",
    "tls/deployment.yaml",
    "coordination/deployment.yaml",
    "router-pods/deployment.yaml",
)
FOREIGN = {"CustomResourceDefinition", "ScoringEndpoint", "PodMonitor", "ServiceMonitor"}
"""What Kubernetes has no types for, and the definition, which has tests of its own."""


def manifests() -> Iterator[Object]:
    for folder in FOLDERS:
        for path in sorted((DEPLOY / folder).glob("*.yaml")):
            if path.name != "kustomization.yaml" and str(path.relative_to(DEPLOY)) not in PATCHES:
                yield from objects.read(path.read_text())


def deployments() -> dict[str, Object]:
    return {each["metadata"]["name"]: each["spec"] for each in manifests() if each["kind"] == "Deployment"}


def pod(name: str) -> Object:
    return deployments()[name]["template"]["spec"]


def the_router() -> Object:
    (container,) = pod("maitre")["containers"]
    return container


def variables(container: Object) -> dict[str, str]:
    """As the kubelet would set them, with a word for each field of the pod."""
    return {each["name"]: each.get("value", "a-field") for each in container["env"]}


@pytest.mark.parametrize(
    "manifest",
    [each for each in manifests() if each["kind"] not in FOREIGN],
    ids=lambda each: f"{each['kind']} {each['metadata']['name']}",
)
def test_kubernetes_knows_each_field(manifest: Object) -> None:
    assert codecs.from_dict(manifest).to_dict() == manifest


@pytest.mark.parametrize("name", deployments())
def test_pods_keep_to_the_restricted_standard(name: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    own = pod(name)["securityContext"]
    assert own["runAsNonRoot"]
    assert own["runAsUser"] != 0
    assert own["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod(name).keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert all(volume.keys() - {"name"} <= {"emptyDir", "secret"} for volume in pod(name).get("volumes", ()))
    for container in pod(name)["containers"]:
        assert not any("hostPort" in port for port in container["ports"])
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_a_pod_may_take_its_time_to_end() -> None:
    container = the_router()
    *_, script = container["lifecycle"]["preStop"]["exec"]["command"]
    assert script == "import time; time.sleep(5)"
    end = 5 + int(variables(container)["MAITRE_DRAIN_SECONDS"])
    grace = pod("maitre")["terminationGracePeriodSeconds"]
    liveness = container["livenessProbe"]
    assert end < grace < liveness["periodSeconds"] * liveness["failureThreshold"]


@pytest.mark.parametrize("patch", [None, *PATCHES])
def test_serve_understands_what_it_is_told(patch: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    container = the_router()
    told = variables(container)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    if patch is not None:
        patched = objects.router(objects.read((DEPLOY / patch).read_text()))
        told |= variables(patched)
        ports |= {port["name"]: port["containerPort"] for port in patched.get("ports", ())}
    if patch == PATCHES[3]:
        told["MAITRE_COORDINATION_KEY_FILE"] = "a-file"  # routers that are several share out slots
    given: list[Settings] = []
    monkeypatch.setattr(serve, "_run", given.append)
    app = typer.Typer()
    app.command()(serve.serve)
    program, command, *arguments = container["command"]
    assert (program, command) == ("maitre", "serve")
    result = CliRunner().invoke(app, arguments, env=told)
    assert result.exit_code == 0, result.output
    (settings,) = given
    assert settings.kubernetes is not None
    assert settings.default_namespace == settings.kubernetes.own_namespace == "a-field"
    expected = {"data": settings.port, "admin": settings.admin_port}
    coordination = settings.kubernetes.coordination
    assert (coordination is not None) == (patch in PATCHES[2:])
    if coordination is not None and patch == PATCHES[2]:
        assert (coordination.host, coordination.advertise) == ("a-field", None), "the pod's own address, and no other"
        assert settings.kubernetes.pod_uid == "a-field"
        expected["coordination"] = coordination.port
    assert ports == expected
    assert settings.host == settings.admin_host == "0.0.0.0"
    assert settings.kubernetes.namespaces == (("default",) if patch == PATCHES[0] else ())
    assert (settings.tls is not None) == (patch == PATCHES[1])
    assert (settings.kubernetes.router_pods is not None) == (patch == PATCHES[3])


def test_the_key_that_routers_share_is_where_they_look_for_it() -> None:
    (patch,) = objects.read((DEPLOY / "coordination" / "deployment.yaml").read_text())
    container = objects.router([patch])
    (mount,) = container["volumeMounts"]
    assert variables(container)["MAITRE_COORDINATION_KEY_FILE"] == f"{mount['mountPath']}/key"
    (volume,) = patch["spec"]["template"]["spec"]["volumes"]
    assert volume["name"] == mount["name"]
    secret = volume["secret"]["secretName"]
    for page in (DEPLOY / "coordination" / "kustomization.yaml", REPOSITORY / "docs" / "kubernetes.md"):
        assert f"create secret generic {secret} --from-literal=key=" in page.read_text()


def test_serve_has_each_of_the_options() -> None:
    app = typer.Typer()
    app.command()(serve.serve)
    known = {parameter.envvar for parameter in typer.main.get_command(app).params}
    containers = [the_router(), *(objects.router(objects.read((DEPLOY / path).read_text())) for path in PATCHES)]
    assert {name for container in containers for name in variables(container)} <= known


def test_the_images_are_of_this_version() -> None:
    images = {container["image"] for name in deployments() for container in pod(name)["containers"]}
    assert images == {f"maitre:{router.__version__}"}
    (chart,) = objects.read((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == router.__version__


def test_the_endpoint_of_the_example_is_right_and_has_its_workloads() -> None:
    (resource,) = (each for each in manifests() if each["kind"] == "ScoringEndpoint")
    interpreted = interpret_resource(resource)
    assert interpreted.problems == ()
    assert interpreted.endpoint is not None
    for version in interpreted.endpoint.spec.versions:
        target = version.target.deployment
        assert target is not None
        workload = deployments()[target.name]
        assert "replicas" not in workload, "an apply would set the size back"
        (container,) = pod(target.name)["containers"]
        assert [port["containerPort"] for port in container["ports"]] == [target.port]
        assert f"--port={target.port}" in container["command"]


def test_the_chart_refuses_a_value_that_it_does_not_know(helm: Any) -> None:
    with pytest.raises(AssertionError, match="replica' not allowed"):
        objects.helm(helm, "--set", "replica=3")
