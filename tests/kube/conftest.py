"""A cluster for tests: a real API server, and a kubelet that is played. Skipped where no API server is installed.

One control plane serves all tests of a run, each in a namespace of its own. A test that stops or compacts it takes
one of its own (`own_control_plane`), and asks for it before anything else.
"""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lightkube import AsyncClient
from lightkube.codecs import from_dict
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Namespace, ServiceAccount

from tests.e2e.conftest import Maitre, until_ready
from tests.kube import manifests
from tests.kube.clearing import clear
from tests.kube.control_plane import ControlPlane
from tests.kube.daemon import TETHER
from tests.kube.kubelet import Kubelet
from tests.kube.replica_sets import ReplicaSets
from tests.kube.resources import Resource
from tests.kube.rights import rights
from tests.kube.sizes import Sizes

HERE = Path(__file__).parent
DEPLOY = Path(__file__).parents[2] / "deploy"
DEFINITION = DEPLOY / "base" / "crd.yaml"


TAKING_LONG = {"own_control_plane", "kubelet", "controllers", "serve_in_cluster"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever takes a control plane of its own, or starts pods or routers, is among the long ones, but for the test of
    the whole: each takes 5 to 20 s, and together they would take most of the time that `make test` has."""
    for item in items:
        ours = item.path.parent == HERE and item.path.name != "test_serve.py"
        if ours and TAKING_LONG & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder with the programs of a control plane."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        pytest.skip("KUBEBUILDER_ASSETS is not set (a folder with kube-apiserver, etcd, kubectl)")
    return Path(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_control_plane(assets: Path) -> AsyncIterator[ControlPlane]:
    async with ControlPlane(assets) as plane:
        yield plane


@pytest.fixture(scope="session")
def numbers() -> Callable[[], int]:
    """A number that no other test of this run gets."""
    return itertools.count(1).__next__


@pytest.fixture
def control_plane(request: pytest.FixtureRequest) -> ControlPlane:
    """The run's; or the test's own, when it has one."""
    own = "own_control_plane" in request.fixturenames
    plane = request.getfixturevalue("own_control_plane" if own else "shared_control_plane")
    assert plane.api_server.running, f"the API server has ended\n{plane.api_server.last_words()}"
    return plane


@pytest.fixture
async def own_control_plane(assets: Path) -> AsyncIterator[ControlPlane]:
    """To be stopped, paused and compacted; takes some seconds. All other fixtures of the test then work on this one."""
    async with ControlPlane(assets) as plane:
        yield plane


@pytest.fixture
async def admin(control_plane: ControlPlane) -> AsyncIterator[AsyncClient]:
    """Who may do everything."""
    async with control_plane.client() as client:
        yield client


@pytest.fixture
async def namespace(control_plane: ControlPlane, admin: AsyncClient, numbers: Callable[[], int]) -> AsyncIterator[str]:
    """The test's own; emptied afterwards."""
    name = f"test-{numbers()}"
    await admin.create(Namespace(metadata=ObjectMeta(name=name)))
    yield name
    if control_plane.api_server.running:
        async with control_plane.http() as http:
            await clear(http, name)


@pytest.fixture
async def kubelet(admin: AsyncClient, namespace: str, tmp_path: Path) -> AsyncIterator[Kubelet]:
    """Runs the pods of the test's namespace."""
    async with Kubelet(admin, namespace, tmp_path) as playing:
        yield playing


@pytest.fixture
async def replica_sets(admin: AsyncClient, namespace: str) -> AsyncIterator[ReplicaSets]:
    """Gives Deployments of the test's namespace their pods."""
    async with ReplicaSets(admin, namespace, Deployment) as playing:
        yield playing


@pytest.fixture
async def controllers(control_plane: ControlPlane) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Starts real controllers for the test, in all namespaces: `await controllers("statefulset")`.

    Not `deployment` beside the fixtures `replica_sets` and `workload`, which play it.
    """
    yield control_plane.start_controllers
    await control_plane.stop_controllers()


@pytest.fixture
def workload(
    admin: AsyncClient, namespace: str, kubelet: Kubelet, replica_sets: ReplicaSets
) -> Callable[..., Awaitable[Any]]:
    """Creates a Deployment of the test model, as `manifests.workload` describes; its pods come to life."""

    async def create(name: str, *options: str, **settings: Any) -> Any:
        return await admin.create(from_dict(manifests.workload(name, *options, **settings)), namespace=namespace)

    return create


@pytest.fixture
async def definition(control_plane: ControlPlane, admin: AsyncClient) -> None:
    """The API server knows ScoringEndpoints."""
    await control_plane.kubectl("apply", "--validate=false", "-f", str(DEFINITION))
    await admin.wait(CustomResourceDefinition, "scoringendpoints.maitre.dev", for_conditions=["Established"])


@pytest.fixture
async def serve_in_cluster(
    definition: None, control_plane: ControlPlane, admin: AsyncClient, namespace: str, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Maitre]]]:
    """Starts maitre on the cluster, as the service account `maitre` of the test's namespace; ends it after the test.

    `allowed` are manifests that give the account its rights (`{namespace}` in them is the test's); without them it
    may do all within the namespace. To be called again for more routers, each with a `POD_NAME` of its own.
    """
    async with AsyncExitStack() as ends:

        async def start(*options: str, allowed: str | None = None, **environment: str) -> Maitre:
            kubeconfig = await account(control_plane, admin, namespace, allowed or ALL)
            process = await launch(kubeconfig, namespace, tmp_path / "state", *options, **environment)
            maitre = await until_ready(process, kubeconfig)
            ends.push_async_callback(maitre.close)
            return maitre

        yield start


@pytest.fixture
async def maitre(serve_in_cluster: Callable[..., Awaitable[Maitre]], namespace: str) -> Maitre:
    """One router, with the rights that deploy/ gives it; it leads. A file with another one has its own `maitre`."""
    environment = {"POD_NAME": "maitre-0", "POD_NAMESPACE": namespace}
    maitre = await serve_in_cluster("--default-namespace", namespace, allowed=rights(), **environment)
    await maitre.until_metric(lambda value: value == 1, "maitre_leader")
    return maitre


@pytest.fixture
def resource(admin: AsyncClient, namespace: str) -> Resource:
    """The endpoint `digits`, once it is made."""
    return Resource(admin, namespace)


@pytest.fixture
def sizes(control_plane: ControlPlane, namespace: str) -> Sizes:
    """What maitre writes from now on: `sizes("blue")`."""
    return Sizes(control_plane.audit, namespace)


async def account(control_plane: ControlPlane, admin: AsyncClient, namespace: str, allowed: str) -> Path:
    """The kubeconfig of the service account `maitre`, which may do what `allowed` says."""
    await admin.apply(ServiceAccount(metadata=ObjectMeta(name="maitre", namespace=namespace)), field_manager="tests")
    stdin = allowed.replace("{namespace}", namespace)
    await control_plane.kubectl("--namespace", namespace, "apply", "-f", "-", stdin=stdin)
    return await control_plane.kubeconfig("maitre", namespace)


async def launch(
    kubeconfig: Path, namespace: str, state: Path, *options: str, **environment: str
) -> asyncio.subprocess.Process:
    """Begins `maitre serve` on a cluster, in one process unless told otherwise; whoever asks for it ends it."""
    command = [sys.executable, "-m", "router", "serve", "--kubernetes", "--namespace", namespace]
    command += ["--port", "0", "--admin-port", "0", "--state-dir", str(state)]
    command += options if "--workers" in options else ("--workers", "1", *options)
    return await asyncio.create_subprocess_exec(
        *TETHER,
        *command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "KUBECONFIG": str(kubeconfig), **environment},
    )


ALL = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: maitre, namespace: "{namespace}"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: maitre, namespace: "{namespace}"}]
"""
