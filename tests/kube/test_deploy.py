"""What deploy/ installs, on a real API server: it takes every object, and grants what docs/kubernetes.md says."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio
from lightkube import AsyncClient
from lightkube.resources.authorization_v1 import SubjectAccessReview

from tests.deploy import objects, programs
from tests.deploy.objects import CHART, DEPLOY, Object
from tests.kube.control_plane import ControlPlane

SHARING = ("coordination.enabled=true", "coordination.secretName=maitre-coordination")
ROUTER = "system:serviceaccount:maitre-system:maitre"
CONFINED = "system:serviceaccount:maitre-system:confined"
NEWER = {("policy/v1", "PodDisruptionBudget"), ("apiextensions.k8s.io/v1", "CustomResourceDefinition")}
"""What deploy/ has not for a server of 1.20, but kubernetes-1.20 has: a version, and a definition without rules."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installed(assets: Path) -> AsyncIterator[tuple[ControlPlane, str]]:
    """A control plane of its own, since what is installed is not of one namespace; and what kubectl said of it."""
    async with ControlPlane(assets) as plane:
        yield plane, await plane.kubectl("apply", "-k", str(DEPLOY / "kubernetes-1.20"))


@pytest.fixture
def plane(installed: tuple[ControlPlane, str]) -> ControlPlane:
    return installed[0]


@pytest.fixture
def helm() -> Path:
    program = programs.helm()
    if program is None:
        pytest.skip("there is no helm (`make helm` fetches one)")
    return program


async def tried(plane: ControlPlane, rendered: Iterable[Object]) -> int:
    """How many objects the server would take, and it has to take all that it has a version for."""
    items = [each for each in rendered if (each["apiVersion"], each["kind"]) not in NEWER]
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    output = await plane.kubectl("apply", "--dry-run=server", "--filename=-", "--output=name", stdin=content)
    assert len(output.split()) == len(items), output
    return len(items)


def test_it_is_accepted(installed: tuple[ControlPlane, str]) -> None:
    lines = installed[1].splitlines()
    assert len(lines) == 12
    assert all(line.endswith(" created") for line in lines), installed[1]


async def test_once_more_changes_nothing(plane: ControlPlane) -> None:
    lines = (await plane.kubectl("apply", "-k", str(DEPLOY / "kubernetes-1.20"))).splitlines()
    assert [line for line in lines if not line.endswith(" unchanged")] == []


@pytest.mark.parametrize("folder", [".", "namespaced", "tls"])
async def test_each_object_of_kustomize_is_accepted(plane: ControlPlane, folder: str) -> None:
    kubectl = programs.kubectl()
    if kubectl is None:
        pytest.skip("there is no kubectl of our days (`make helm` fetches one)")
    assert await tried(plane, objects.kustomize(kubectl, DEPLOY / folder)) == 10


@pytest.mark.parametrize(
    ("values", "count"),
    [((), 9), (("namespaces={default}",), 9), (("tls.secretName=maitre-tls",), 9), (SHARING, 11)],  # no namespace
)
async def test_each_object_of_the_chart_is_accepted(
    plane: ControlPlane, helm: Path, values: tuple[str, ...], count: int
) -> None:
    arguments = [word for value in values for word in ("--set", value)]
    assert await tried(plane, objects.helm(helm, *arguments)) == count


async def test_without_kubectls_own_checks_the_rules_in_the_definition_do_no_harm(plane: ControlPlane) -> None:
    definition = str(DEPLOY / "base" / "crd.yaml")
    output = await plane.kubectl("apply", "--dry-run=server", "--validate=false", f"--filename={definition}")
    assert output.startswith("customresourcedefinition.apiextensions.k8s.io/scoringendpoints.maitre.dev ")


async def test_the_example_is_accepted(plane: ControlPlane) -> None:
    output = await plane.kubectl("apply", "--dry-run=server", "--namespace=default", "-k", str(DEPLOY / "example"))
    assert len(output.splitlines()) == 3


async def release(plane: ControlPlane, helm: Path, folder: Path, command: str, name: str, *values: str) -> None:
    """`helm install` or `helm upgrade`, into a namespace of that name."""
    own = {**os.environ, "HELM_CACHE_HOME": str(folder), "HELM_CONFIG_HOME": str(folder)}
    process = await asyncio.create_subprocess_exec(
        *(helm, command, name, CHART, f"--namespace={name}", "--skip-crds"),
        *(word for value in values for word in ("--set", value)),
        f"--kubeconfig={plane.admin_kubeconfig}",
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def test_helm_installs_it(plane: ControlPlane, helm: Path, tmp_path: Path) -> None:
    """A release beside what is there, the definition included. Helm asks the server which budgets it has."""
    await plane.kubectl("create", "namespace", "second")
    await release(plane, helm, tmp_path, "install", "second")
    names = await plane.kubectl("get", "deployments,services,pdb", "--namespace=second", "--output=name")
    assert names.split() == [
        "deployment.apps/second-maitre",
        "service/second-maitre",
        "service/second-maitre-admin",
        "poddisruptionbudget.policy/second-maitre",
    ]


async def test_an_upgrade_keeps_the_key_that_routers_share(plane: ControlPlane, helm: Path, tmp_path: Path) -> None:
    async def key() -> str:
        return await plane.kubectl("get", "secret/third-maitre-coordination", "--namespace=third", "-ojsonpath={.data}")

    await plane.kubectl("create", "namespace", "third")
    await release(plane, helm, tmp_path, "install", "third", "coordination.enabled=true")
    made = await key()
    await release(plane, helm, tmp_path, "upgrade", "third", "coordination.enabled=true", "replicas=3")
    assert await key() == made
    assert (
        await plane.kubectl("get", "deployment/third-maitre", "--namespace=third", "-ojsonpath={.spec.replicas}") == "3"
    )


VERBS = (
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "impersonate",
    "bind",
    "escalate",
)
RESOURCES = (
    *("maitre.dev/scoringendpoints", "maitre.dev/scoringendpoints/status"),
    *(
        "/secrets",
        "/pods",
        "/pods/exec",
        "/pods/eviction",
        "/pods/log",
        "/events",
        "/configmaps",
        "/services",
        "/nodes",
    ),
    *("/serviceaccounts", "/serviceaccounts/token", "/namespaces"),
    *("apps/deployments", "apps/deployments/scale", "apps/statefulsets", "apps/statefulsets/scale"),
    *("apps/replicasets", "apps/daemonsets", "autoscaling/horizontalpodautoscalers"),
    *("coordination.k8s.io/leases", "rbac.authorization.k8s.io/roles", "rbac.authorization.k8s.io/clusterroles"),
)
EVERYWHERE = {
    "maitre.dev/scoringendpoints": "list watch",
    "maitre.dev/scoringendpoints/status": "patch",
    "/secrets": "list watch create",
    "/pods": "list watch patch",
    "/events": "create",
    "apps/deployments": "list watch",
    "apps/deployments/scale": "get update",
    "apps/statefulsets": "list watch",
    "apps/statefulsets/scale": "get update",
    "autoscaling/horizontalpodautoscalers": "list watch",
}
OF_THE_LEASE = {"coordination.k8s.io/leases": "get create update"}


@pytest.fixture
async def admin(plane: ControlPlane) -> AsyncIterator[AsyncClient]:
    async with plane.client() as client:
        yield client


async def granted(admin: AsyncClient, account: str, namespace: str, name: str = "maitre") -> dict[str, str]:
    """What the authorizer lets the account do there, with objects of that name."""

    async def may(verb: str, resource: str) -> bool:
        group, what, sub = f"{resource}/".split("/")[:3]
        asked = {"verb": verb, "group": group, "resource": what, "subresource": sub}
        spec = {"user": account, "resourceAttributes": asked | {"namespace": namespace, "name": name}}
        review = await admin.create(SubjectAccessReview.from_dict({"spec": spec}))
        assert review.status is not None
        return review.status.allowed

    found: dict[str, str] = {}
    for resource in RESOURCES:
        answers = await asyncio.gather(*(may(verb, resource) for verb in VERBS))
        if any(answers):
            found[resource] = " ".join(verb for verb, answer in zip(VERBS, answers, strict=True) if answer)
    return found


async def test_the_router_may_do_what_it_has_to_and_nothing_else(admin: AsyncClient) -> None:
    assert await granted(admin, ROUTER, "default") == EVERYWHERE
    assert await granted(admin, ROUTER, "maitre-system") == EVERYWHERE | OF_THE_LEASE
    others = await granted(admin, ROUTER, "maitre-system", name="another")
    assert others == EVERYWHERE | {"coordination.k8s.io/leases": "create"}


async def test_in_the_namespaced_variant_it_may_do_so_there_alone(plane: ControlPlane, admin: AsyncClient) -> None:
    grant = (DEPLOY / "namespaced" / "grant" / "role.yaml").read_text()
    confined = grant.replace("kind: ServiceAccount\n    name: maitre\n", "kind: ServiceAccount\n    name: confined\n")
    assert confined != grant
    await plane.kubectl("create", "namespace", "served")
    await plane.kubectl("apply", "--namespace=served", "--filename=-", stdin=confined)
    assert await granted(admin, CONFINED, "served") == EVERYWHERE
    assert await granted(admin, CONFINED, "default") == {}
    assert await granted(admin, CONFINED, "maitre-system") == {}
