"""Endpoints and keys from a real API server, by a service account that may do what a router may, and no more."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any

import pytest
from lightkube import AsyncClient, KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Secret, ServiceAccount
from lightkube.types import PatchType

from router.kube.client import connect, connect_to_follow
from router.kube.contact import Contact
from router.kube.resources import ScoringEndpoints
from router.store.configuration import Configuration
from router.store.key_maker import KeyMaker
from router.store.resources import ResourceStore
from tests.fakes.changes import Changes
from tests.fakes.resources import encoded

RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: router, namespace: "{namespace}"}
rules:
  - {apiGroups: [maitre.dev], resources: [scoringendpoints], verbs: [list, watch]}
  - {apiGroups: [""], resources: [secrets], verbs: [list, watch, create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: router, namespace: "{namespace}"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: router}
subjects: [{kind: ServiceAccount, name: router, namespace: "{namespace}"}]
"""


class Following:
    """A store that is followed, as a router does it."""

    def __init__(self, kubeconfig, namespace: str) -> None:
        cluster = KubeConfig.from_file(kubeconfig).get()
        self._namespace = namespace
        self._client, self._http = connect(cluster), connect_to_follow(cluster)
        self._tasks: set[asyncio.Task[None]] = set()
        self.contact = Contact(monotonic)
        self.store = ResourceStore(self._http, contact=self.contact, draw=lambda: 0.0, namespaces=(namespace,))
        self.events: list[tuple[str, str]] = []
        self.given = Configuration()
        self.count = 0
        self.changes = Changes()
        self._following: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        self.look()
        self._give(await self.store.load())
        self._following = asyncio.get_running_loop().create_task(self._follow())

    def look(self) -> None:
        self._tasks = {asyncio.get_running_loop().create_task(each.run()) for each in self.store.reflectors}

    async def look_away(self) -> None:
        await _end(self._tasks)

    def make_keys(self) -> None:
        """Lead."""
        maker = KeyMaker(self._client, self.store, tell=lambda key, reason, _: self.events.append((key[1], reason)))
        self._tasks.add(asyncio.get_running_loop().create_task(maker.run()))

    async def close(self) -> None:
        await _end(self._tasks | ({self._following} if self._following else set()))
        await self._client.aclose()
        await self._http.aclose()

    async def _follow(self) -> None:
        async for configuration in self.store.changes():
            self._give(configuration)

    def _give(self, configuration: Configuration) -> None:
        self.given = configuration
        self.count += 1
        self.changes.happened()

    async def until(self, condition: Callable[[], bool]) -> None:
        await self.changes.until(condition)

    def in_force(self) -> dict[str, str]:
        """The first version of every endpoint that is served."""
        return {name: each.spec.versions[0].name for (_, name), each in self.given.catalogue.endpoints.items()}

    def primary(self, name: str) -> str | None:
        pair = self.given.keys.get((self._namespace, name))
        return None if pair is None else pair.primary

    def problems(self) -> list[str]:
        return [str(problem) for problem in self.given.problems]


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        assert task.cancelled(), task


class User:
    """Who writes endpoints and Secrets."""

    def __init__(self, admin: AsyncClient, namespace: str) -> None:
        self._admin, self._namespace = admin, namespace

    async def create(self, name: str, version: str = "blue", **spec: Any) -> str:
        """Returns its uid."""
        target = {"deployment": {"name": f"{name}-workload", "port": 5001}}
        whole = {
            "apiVersion": "maitre.dev/v1alpha1",
            "kind": "ScoringEndpoint",
            "metadata": {"name": name},
            "spec": {"versions": [{"name": version, "target": target}], **spec},
        }
        made = await self._admin.create(ScoringEndpoints(whole), namespace=self._namespace)
        return made["metadata"]["uid"]

    async def edit(self, name: str, version: str = "blue", **more: Any) -> None:
        target = {"deployment": {"name": f"{name}-workload", "port": 5001}}
        spec = {"versions": [{"name": version, "target": target, **more}]}
        await self._patch(ScoringEndpoints, name, {"spec": spec})

    async def delete(self, name: str) -> None:
        await self._admin.delete(ScoringEndpoints, name, namespace=self._namespace)

    async def make_keys(self, name: str, primary: str) -> None:
        data = {"primaryKey": encoded(primary), "secondaryKey": encoded("secondary-key-0123")}
        await self._admin.create(Secret(metadata=ObjectMeta(name=name), data=data), namespace=self._namespace)

    async def rotate(self, name: str, primary: str) -> None:
        await self._patch(Secret, name, {"data": {"primaryKey": encoded(primary)}})

    async def _patch(self, kind: Any, name: str, patch: dict[str, Any]) -> None:
        await self._admin.patch(kind, name, patch, namespace=self._namespace, patch_type=PatchType.MERGE)


@pytest.fixture
def user(definition: None, admin: AsyncClient, namespace: str) -> User:
    return User(admin, namespace)


@pytest.fixture
async def router(user: User, control_plane, admin: AsyncClient, namespace: str) -> AsyncIterator[Following]:
    await admin.create(ServiceAccount(metadata=ObjectMeta(name="router", namespace=namespace)))
    await control_plane.kubectl("apply", "-f", "-", stdin=RIGHTS.replace("{namespace}", namespace))
    following = Following(await control_plane.kubeconfig("router", namespace), namespace)
    await following.begin()
    yield following
    await following.close()


NONE = {"auth": {"mode": "none"}}
WRONG = {"autoscale": {"minReplicas": 5, "maxReplicas": 2}}
"""What the schema of a server without CEL takes, and the router does not."""


async def test_an_endpoint_is_made_edited_broken_mended_and_deleted(router: Following, user: User):
    await user.create("digits", **NONE)
    await router.until(lambda: router.in_force() == {"digits": "blue"})
    assert router.problems() == []
    await user.edit("digits", "green")
    await router.until(lambda: router.in_force() == {"digits": "green"})
    await user.edit("digits", "red", **WRONG)
    await router.until(lambda: router.problems() != [])
    assert router.in_force() == {"digits": "green"}
    (origin,) = router.given.origins.values()
    assert (origin.generation, origin.accepted) == (3, False)
    assert "minReplicas" in router.problems()[0]
    await user.edit("digits", "red")
    await router.until(lambda: router.in_force() == {"digits": "red"})
    assert router.problems() == []
    await user.delete("digits")
    await router.until(lambda: router.in_force() == {})
    assert router.given.origins == {}


async def test_of_two_with_one_host_the_second_is_refused(router: Following, user: User):
    await user.create("late", hosts=["digits.example.com"], **NONE)
    await router.until(lambda: "late" in router.in_force())
    await user.create("first-in-the-alphabet", hosts=["digits.example.com"], **NONE)
    await router.until(lambda: len(router.given.origins) == 2)
    assert router.in_force() == {"late": "blue"}
    assert "taken already, by scoringendpoint" in router.problems()[0]
    await user.delete("late")
    await router.until(lambda: "first-in-the-alphabet" in router.in_force())


async def test_a_secret_rotated_broken_and_mended(router: Following, user: User, admin, namespace):
    await user.make_keys("digits-keys", "primary-key-number-0")
    await user.create("digits")
    await router.until(lambda: router.primary("digits") == "primary-key-number-0")
    took_ms = []
    for number in range(1, 11):
        begun = monotonic()
        await user.rotate("digits-keys", key := f"primary-key-number-{number}")
        await router.until(lambda key=key: router.primary("digits") == key)
        took_ms.append(1000 * (monotonic() - begun))
    print(f"from asking to in force, ms: median {statistics.median(took_ms):.0f}, most {max(took_ms):.0f}")
    await user.rotate("digits-keys", "short")
    await router.until(lambda: router.problems() != [])
    assert router.primary("digits") == "primary-key-number-10"
    assert "short" not in str(router.problems())
    await user.rotate("digits-keys", "primary-key-number-11")
    await router.until(lambda: router.primary("digits") == "primary-key-number-11")
    assert router.problems() == []
    await admin.delete(Secret, "digits-keys", namespace=namespace)
    await router.until(lambda: router.given.origins[namespace, "digits"].keys_missing)
    assert router.primary("digits") == "primary-key-number-11"


async def test_a_missing_secret_is_made_with_an_owner(router: Following, user: User, admin, namespace):
    router.make_keys()
    uid = await user.create("digits")
    await router.until(lambda: router.primary("digits") is not None)
    assert router.problems() == []
    secret = await admin.get(Secret, "digits-keys", namespace=namespace)
    assert secret.data["primaryKey"] == encoded(router.primary("digits") or "")
    (owner,) = secret.metadata.ownerReferences
    assert (owner.kind, owner.name, owner.uid, owner.blockOwnerDeletion) == ("ScoringEndpoint", "digits", uid, False)
    assert router.events == [("digits", "KeysMade")]


async def test_a_quota_is_told(router: Following, user: User, control_plane, admin, namespace, monkeypatch):
    """And the keys are made when there is room."""
    monkeypatch.setattr("router.store.key_maker.FIRST_PAUSE_S", 0.1)
    quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: none}\nspec: {hard: {secrets: 0}}\n"
    await control_plane.kubectl("-n", namespace, "apply", "-f", "-", stdin=quota)
    status = {"status": {"hard": {"secrets": "0"}, "used": {"secrets": "0"}}}
    async with control_plane.http() as http:  # what the quota controller writes
        path = f"/api/v1/namespaces/{namespace}/resourcequotas/none"
        patch = {"content-type": "application/merge-patch+json"}
        (await http.patch(f"{path}/status", json=status, headers=patch)).raise_for_status()
        router.make_keys()
        await user.create("digits")
        await router.until(lambda: any("cannot be made: Forbidden" in each for each in router.problems()))
        assert "exceeded quota" in router.problems()[0]
        (await http.delete(path)).raise_for_status()
    await router.until(lambda: router.primary("digits") is not None)
    assert router.problems() == []


async def test_other_peoples_secrets_are_no_news(router: Following, user: User, admin, namespace):
    await user.create("digits", **NONE)
    await router.until(lambda: router.in_force() == {"digits": "blue"})
    count = router.count
    for number in range(5):
        theirs = Secret(metadata=ObjectMeta(name=f"theirs-{number}"), data={"password": encoded("hunter2")})
        await admin.create(theirs, namespace=namespace)
    await admin.patch(
        ScoringEndpoints.Status, "digits", {"status": {"ready": "1/1"}}, namespace=namespace, patch_type=PatchType.MERGE
    )
    await user.create("next", **NONE)
    await router.until(lambda: "next" in router.in_force())
    assert router.count == count + 1


async def test_what_went_unseen_and_forgotten_is_told_by_a_new_list(
    own_control_plane, router: Following, user: User, caplog
):
    caplog.set_level("INFO")
    await user.make_keys("stays-keys", "primary-key-number-0")
    for name in ("stays", "goes", "becomes-another"):
        await user.create(name, **({} if name == "stays" else NONE))
    await router.until(lambda: len(router.in_force()) == 3 and router.primary("stays") is not None)
    stays = router.given.catalogue.endpoints[router._namespace, "stays"]
    await router.look_away()
    await user.delete("goes")
    await user.delete("becomes-another")
    await user.create("becomes-another", "green", **NONE)
    await user.create("comes", **NONE)
    await user.rotate("stays-keys", "primary-key-number-1")
    await own_control_plane.compact()
    assert len(router.in_force()) == 3, "what is known stays"
    router.look()
    await router.until(
        lambda: (
            router.in_force() == {"stays": "blue", "becomes-another": "green", "comes": "blue"}
            and router.primary("stays") == "primary-key-number-1"
        )
    )
    assert "listing anew" in caplog.text
    assert router.given.catalogue.endpoints[router._namespace, "stays"] is stays


async def test_the_api_server_is_away_for_a_while(own_control_plane, router: Following, user: User):
    await user.create("digits", **NONE)
    await router.until(lambda: router.in_force() == {"digits": "blue"})
    given = router.given
    await own_control_plane.stop_api_server()
    deadline = monotonic() + 10
    while not all("unheard of" in each for each in router.contact.problems()) or router.contact.connected() == {}:
        assert monotonic() < deadline
        await asyncio.sleep(0.01)
    assert router.given is given
    await own_control_plane.start_api_server()
    await user.edit("digits", "green")
    await router.until(lambda: router.in_force() == {"digits": "green"})
    assert all(router.contact.connected().values())
