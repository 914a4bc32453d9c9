"""Scales of a real API server: read, written, left to others; and words for what stands in the way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any

import pytest
from lightkube import AsyncClient, KubeConfig
from lightkube.codecs import from_dict
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.autoscaling_v1 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ResourceQuota, ServiceAccount
from lightkube.types import PatchType

from autoscaler.errors import HandsOff, NotLeading, ScaleFailed, Why
from router.discovery.workload import Workload
from router.discovery.workloads import Workloads
from router.kube.client import connect, connect_to_follow
from router.kube.contact import Contact
from router.model.spec import DeploymentTarget
from tests.fakes.changes import Changes
from tests.kube import manifests


def definition(group: str) -> Any:
    """Of a kind of our own, `Crew`, with a scale; its selector is in the status."""
    scale = {
        "specReplicasPath": ".spec.size",
        "statusReplicasPath": ".status.size",
        "labelSelectorPath": ".status.pods",
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        "subresources": {"status": {}, "scale": scale},
    }
    names = {"plural": "crews", "singular": "crew", "kind": "Crew"}
    return from_dict(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"crews.{group}"},
            "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
        }
    )


async def define(admin: AsyncClient, group: str) -> Any:
    """The class of the kind, which stays defined for the rest of the run."""
    await admin.create(definition(group))
    await admin.wait(CustomResourceDefinition, f"crews.{group}", for_conditions=["Established"])
    return create_namespaced_resource(group, "v1", "Crew", "crews")


class Owner:
    """What a version would be told of its workload."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.changes = Changes()

    def __getattr__(self, name: str) -> Callable[..., None]:
        def tell(*what: Any) -> None:
            self.told.append((name, *what))
            self.changes.happened()

        return tell

    async def until(self, *what: Any) -> float:
        """It was told this; returns when, and forgets all up to it."""
        await self.changes.until(lambda: what in self.told)
        del self.told[: self.told.index(what) + 1]
        return monotonic()


class Router:
    """As much of a router as follows and scales workloads."""

    def __init__(self, kubeconfig: Any, namespace: str) -> None:
        cluster = KubeConfig.from_file(kubeconfig).get()
        self.client, self.http = connect(cluster), connect_to_follow(cluster)
        self.contact = Contact(monotonic)
        self.leading = True
        self.namespace = namespace
        self.workloads = Workloads(
            self.client,
            self.http,
            contact=self.contact,
            namespaces=[namespace],
            may_write=lambda: self.leading,
            draw=lambda: 0.0,
        )
        self.running = asyncio.get_running_loop().create_task(self.workloads.run())

    def follow(self, kind: str = "Deployment", api_version: str = "apps/v1") -> tuple[Workload, Owner]:
        owner = Owner()
        target = DeploymentTarget(name="blue", port=5001, kind=kind, api_version=api_version)
        return self.workloads.follow(self.namespace, target, owner), owner

    async def close(self) -> None:
        self.running.cancel()
        await asyncio.wait({self.running})
        await self.client.aclose()
        await self.http.aclose()
        if not self.running.cancelled():
            self.running.result()


@pytest.fixture
async def router(control_plane, namespace: str) -> AsyncIterator[Router]:
    router = Router(control_plane.admin_kubeconfig, namespace)
    yield router
    await router.close()


@pytest.fixture
def writes(control_plane, namespace):
    """Of scales of the test's namespace, since the test began: `user verb code`."""
    start = control_plane.audit.length
    return lambda **wanted: control_plane.audit.events(start, namespace=namespace, **wanted)


@pytest.mark.parametrize("kind", [Deployment, StatefulSet])
async def test_a_workload_is_found_and_scaled_and_costs_one_read(admin, namespace, router, writes, kind):
    name = kind.__name__
    await admin.create(from_dict(manifests.workload("blue", replicas=2, kind=name)), namespace=namespace)
    workload, owner = router.follow(name)
    await owner.until("selects", "app=blue")
    await owner.until("found", 2)
    for size in (5, 0, 3):
        await workload.scale(size)
        assert workload.current() == size
        assert (await admin.get(kind, "blue", namespace=namespace)).spec.replicas == size
        for ready in range(3):
            status = {"status": {"observedGeneration": ready + 1, "replicas": ready}}
            await admin.patch(kind.Status, "blue", status, namespace=namespace)
    await workload.scale(4)
    calls = writes(resource=f"{name.lower()}s/scale")
    conflicts = sum(each.code == 409 for each in calls)  # a status that the watch had not told of yet
    assert [each.verb for each in calls].count("get") == 1 + conflicts
    assert owner.told == []


async def test_a_foreign_size_is_told_within_a_second_and_stands(admin, control_plane, namespace, router, writes):
    await admin.create(from_dict(manifests.workload("blue", replicas=2)), namespace=namespace)
    workload, owner = router.follow()
    await owner.until("found", 2)
    begun = monotonic()
    await control_plane.kubectl("scale", "deployment", "blue", "--replicas=7", f"--namespace={namespace}")
    took = monotonic() - begun
    print(
        f"told {await owner.until('scaled_by_others', 2, 7) - begun - took:+.3f} s after kubectl ended ({took:.2f} s)"
    )
    assert workload.current() == 7
    assert (await admin.get(Deployment, "blue", namespace=namespace)).spec.replicas == 7


async def test_who_does_not_lead_reads_and_does_not_write(admin, namespace, router, writes):
    await admin.create(from_dict(manifests.workload("blue")), namespace=namespace)
    workload, owner = router.follow()
    await owner.until("found", 1)
    router.leading = False
    with pytest.raises(NotLeading):
        await workload.scale(5)
    assert writes(resource="deployments/scale", verb="update") == []


async def test_a_workload_that_is_missing_comes_and_goes(admin, namespace, router):
    workload, owner = router.follow()
    await owner.until("problem_changed", f"Deployment {namespace}/blue does not exist")
    with pytest.raises(ScaleFailed, match="does not exist") as failed:
        await workload.scale(5)
    assert failed.value.why is Why.NOT_FOUND
    await admin.create(from_dict(manifests.workload("blue", replicas=2)), namespace=namespace)
    await owner.until("found", 2)
    await owner.changes.until(lambda: workload.problem is None)
    await admin.delete(Deployment, "blue", namespace=namespace)
    await owner.until("lost")
    assert (workload.known, workload.selector) == (False, "app=blue")
    await admin.create(from_dict(manifests.workload("blue", replicas=4)), namespace=namespace)
    await owner.until("found", 4)
    assert not any(told[0] == "scaled_by_others" for told in owner.told)


async def test_a_custom_resource_is_scaled_once_its_selector_is_there(admin, namespace, router):
    crew = await define(admin, "scaled.maitre.dev")
    await admin.create(crew(metadata=ObjectMeta(name="blue"), spec={"size": 2}), namespace=namespace)
    workload, owner = router.follow("Crew", "scaled.maitre.dev/v1")
    await owner.until("found", 2)
    await owner.changes.until(lambda: "labelSelectorPath" in (workload.problem or ""))
    status = {"status": {"size": 2, "pods": "app=blue"}}
    await admin.patch(crew.Status, "blue", status, namespace=namespace, patch_type=PatchType.MERGE)
    await owner.until("selects", "app=blue")
    await owner.until("problem_changed", None)
    await workload.scale(6)
    assert (await admin.get(crew, "blue", namespace=namespace))["spec"]["size"] == 6
    await admin.patch(crew, "blue", {"spec": {"size": 3}}, namespace=namespace, patch_type=PatchType.MERGE)
    await owner.until("scaled_by_others", 6, 3)


async def test_a_kind_that_comes_later_is_found(admin, namespace, router, monkeypatch):
    monkeypatch.setattr("router.discovery.followed_kind.FIRST_PAUSE_S", 0.2)
    workload, owner = router.follow("Crew", "later.maitre.dev/v1")
    await owner.changes.until(lambda: workload.problem is not None)
    assert "the API server has no later.maitre.dev/v1" in workload.problem
    crew = await define(admin, "later.maitre.dev")
    await admin.create(crew(metadata=ObjectMeta(name="blue"), spec={"size": 1}), namespace=namespace)
    await owner.until("found", 1)
    await owner.changes.until(lambda: "labelSelectorPath" in (workload.problem or ""))  # and not the kind any more


@pytest.mark.parametrize(
    ("kind", "api_version", "words"),
    [
        ("DaemonSet", "apps/v1", "kind DaemonSet of apps/v1 has no scale subresource"),
        ("Deployments", "apps/v1", "apps/v1 has no kind Deployments"),
        ("ConfigMap", "v1", "kind ConfigMap of v1 has no scale subresource"),
        ("CronJob", "batch/v1beta1", "kind CronJob of batch/v1beta1 has no scale subresource"),
        ("ClusterRole", "rbac.authorization.k8s.io/v1", "is not namespaced"),
    ],
)
async def test_a_kind_without_a_scale_is_told_so(router, kind, api_version, words):
    workload, owner = router.follow(kind, api_version)
    await owner.changes.until(lambda: workload.problem is not None)
    assert words in workload.problem
    with pytest.raises(ScaleFailed, match=words):
        await workload.scale(1)


async def test_an_hpa_takes_the_scale_over_and_gives_it_back(admin, namespace, router, writes):
    await admin.create(from_dict(manifests.workload("blue")), namespace=namespace)
    workload, owner = router.follow()
    await owner.until("found", 1)
    others = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "blue"}
    await admin.create(hpa("other", others), namespace=namespace)
    begun = monotonic()
    ours = {"apiVersion": "apps/v1beta2", "kind": "Deployment", "name": "blue"}  # the group counts, not the version
    await admin.create(hpa("keda-blue", ours), namespace=namespace)
    print(f"an HPA was told {await owner.until('hpa_changed', 'keda-blue') - begun:.3f} s after it was asked for")
    with pytest.raises(HandsOff, match="keda-blue"):
        await workload.scale(5)
    assert writes(resource="deployments/scale", verb="update") == []
    await admin.delete(HorizontalPodAutoscaler, "keda-blue", namespace=namespace)
    await owner.until("hpa_changed", None)
    await workload.scale(5)
    assert workload.current() == 5


async def test_an_hpa_that_was_there_before_is_known_before_the_workload_is(admin, namespace, router):
    await admin.create(from_dict(manifests.workload("blue")), namespace=namespace)
    ours = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "blue"}
    await admin.create(hpa("before", ours), namespace=namespace)
    workload, owner = router.follow()
    await owner.changes.until(lambda: workload.known)
    told = [what for what in owner.told if what[0] in ("hpa_changed", "found")]
    assert told == [("hpa_changed", "before"), ("found", 1)]


def hpa(name: str, target: dict[str, str]) -> Any:
    spec = {"maxReplicas": 3, "scaleTargetRef": target}
    return from_dict(
        {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": spec}
    )


async def test_a_quota_is_told_in_the_words_of_the_controller(own_control_plane, admin, namespace, router):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"pods": "1"}},
    }
    await admin.create(from_dict(quota), namespace=namespace)
    used = {"status": {"hard": {"pods": "1"}, "used": {"pods": "0"}}}  # in place of its controller
    await admin.patch(ResourceQuota.Status, "small", used, namespace=namespace)
    await own_control_plane.start_controllers("deployment", "replicaset")
    await admin.create(from_dict(manifests.workload("blue", replicas=1)), namespace=namespace)
    workload, owner = router.follow()
    await owner.until("found", 1)
    await workload.scale(3)
    await owner.changes.until(lambda: workload.failure is not None)
    assert "exceeded quota: small" in workload.failure
    await admin.delete(ResourceQuota, "small", namespace=namespace)
    await workload.scale(1)
    await owner.until("failure_changed", None)


RIGHTS = {
    "follow": ("apps", "deployments", ["list", "watch"]),
    "hpas": ("autoscaling", "horizontalpodautoscalers", ["list", "watch"]),
    "read": ("apps", "deployments/scale", ["get"]),
    "write": ("apps", "deployments/scale", ["update"]),
}


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("follow", "kind Deployment of apps/v1 cannot be followed: cannot list deployments of apps"),
        ("hpas", "HorizontalPodAutoscalers: cannot list horizontalpodautoscalers of autoscaling"),
        ("read", "resources [deployments/scale], verbs [get]"),
        ("write", "resources [deployments/scale], verbs [update]"),
    ],
)
async def test_a_right_that_is_missing_is_named(admin, control_plane, namespace, missing, words):
    await admin.create(from_dict(manifests.workload("blue")), namespace=namespace)
    await grant(admin, namespace, [right for name, right in RIGHTS.items() if name != missing])
    router = Router(await control_plane.kubeconfig("scaler", namespace), namespace)
    try:
        workload, owner = router.follow()
        await asyncio.wait_for(router.workloads.settled(), 10)
        if missing == "write":
            await owner.until("found", 1)
            with pytest.raises(ScaleFailed) as failed:
                await workload.scale(5)
            assert (words in str(failed.value), failed.value.why) == (True, Why.REFUSED)
        else:
            await owner.changes.until(lambda: workload.problem is not None)
            assert words in workload.problem
            if missing == "hpas":  # all else is known
                await owner.until("selects", "app=blue")
            assert not workload.known
    finally:
        await router.close()


async def grant(admin: AsyncClient, namespace: str, rights: list[tuple[str, str, list[str]]]) -> None:
    rules = [{"apiGroups": [group], "resources": [resource], "verbs": verbs} for group, resource, verbs in rights]
    rbac = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "scaler"}, "rules": rules}
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "scaler"},
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "scaler"},
        "subjects": [{"kind": "ServiceAccount", "name": "scaler", "namespace": namespace}],
    }
    await admin.create(ServiceAccount(metadata=ObjectMeta(name="scaler")), namespace=namespace)
    await admin.create(from_dict(role), namespace=namespace)
    await admin.create(from_dict(binding), namespace=namespace)


async def test_an_outage_costs_no_read_and_loses_no_foreign_size(own_control_plane, admin, namespace, router):
    for name in ("blue", "green"):
        await admin.create(from_dict(manifests.workload(name, replicas=2)), namespace=namespace)
    workload, owner = router.follow()
    await owner.until("found", 2)
    start = own_control_plane.audit.length
    await own_control_plane.stop_api_server()
    with pytest.raises(ScaleFailed, match=r"cannot be asked|in time") as failed:
        await workload.scale(5)
    assert failed.value.why is Why.NO_ANSWER
    assert (workload.current(), workload.known, workload.problem) == (2, True, None)
    await own_control_plane.compact()
    await own_control_plane.start_api_server()
    await asyncio.wait_for(until_connected(router), 30)
    assert own_control_plane.audit.events(start, resource="deployments/scale", verb="get") == []
    await admin.patch(Deployment, "blue", {"spec": {"replicas": 8}}, namespace=namespace)
    await owner.until("scaled_by_others", 2, 8)


async def until_connected(router: Router) -> None:
    while not all(router.contact.connected().values()):
        await asyncio.sleep(0.05)


async def test_many_workloads_are_read_once_each_and_a_few_at_a_time(admin, namespace, router, writes):
    names = [f"many-{number}" for number in range(60)]
    for name in names:
        await admin.create(from_dict(manifests.workload(name)), namespace=namespace)
    begun = monotonic()
    for name in names:
        router.workloads.follow(namespace, DeploymentTarget(name=name, port=5001), Owner())
    await asyncio.wait_for(router.workloads.settled(), 30)
    print(f"{len(names)} workloads known after {monotonic() - begun:.2f} s")
    assert len(writes(resource="deployments/scale", verb="get")) == len(names)
    lists = writes(resource="deployments", verb="list")
    assert len(lists) == 1
