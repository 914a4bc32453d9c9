"""What stands in the way of scaling a workload, and for how long it is said."""

import httpx2
import pytest
from lightkube import ApiError
from lightkube.models.autoscaling_v1 import Scale, ScaleSpec, ScaleStatus
from lightkube.models.meta_v1 import ObjectMeta, Status
from lightkube.resources.apps_v1 import Deployment

from autoscaler.errors import ScaleFailed
from router.discovery.workload import Workload
from router.model.spec import DeploymentTarget

FORBIDDEN = (
    'deployments.apps "blue" is forbidden: User "maitre" cannot update resource "deployments/scale" '
    'in API group "apps" in the namespace "web"'
)


class Owner:
    """The listener; the problems that it was told, in order."""

    def __init__(self) -> None:
        self.problems: list[str | None] = []

    def problem_changed(self, problem: str | None) -> None:
        self.problems.append(problem)

    def __getattr__(self, name):
        return lambda *news: None


class Api:
    """One scale; `fails` is what a write fails of."""

    def __init__(self) -> None:
        self.replicas = 2
        self.fails: Exception | None = None

    async def get(self, res, name, *, namespace):
        metadata = ObjectMeta(name=name, namespace=namespace, resourceVersion="1")
        return Scale(metadata=metadata, spec=ScaleSpec(self.replicas), status=ScaleStatus(2, selector="app=blue"))

    async def replace(self, scale, name, *, namespace):
        if self.fails is not None:
            raise self.fails
        self.replicas = scale.spec.replicas
        return await self.get(type(scale), name, namespace=namespace)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
async def workload(api, owner) -> Workload:
    target = DeploymentTarget(name="blue", port=5001)
    workload = Workload("web", target, owner, client=api, may_write=lambda: True, stale=lambda workload: None)
    workload.resolved(Deployment)
    await workload.read()
    workload.scaled_by(None)
    assert (workload.known, workload.problem) == (True, None)
    return workload


async def test_a_size_that_is_refused_is_a_problem_until_one_is_taken(workload, api, owner):
    api.fails = ApiError(status=Status(code=403, reason="Forbidden", message=FORBIDDEN))
    for _ in range(2):
        with pytest.raises(ScaleFailed):
            await workload.scale(1)
    assert "the router may not update deployments/scale" in workload.problem
    assert await workload.read()
    assert workload.problem is not None, "that it can be read says nothing of it"
    api.fails = None
    await workload.scale(1)
    assert workload.problem is None
    assert [problem is None for problem in owner.problems] == [False, True]


async def test_that_nobody_answers_is_no_problem_of_the_workload(workload, api, owner):
    """All have it then, and it is told as that."""
    api.fails = httpx2.ConnectError("connection refused")
    with pytest.raises(ScaleFailed):
        await workload.scale(1)
    assert owner.problems == []
