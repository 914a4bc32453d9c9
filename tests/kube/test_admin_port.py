"""The admin API in a cluster, whole: RBAC decides who may do what, and what is done is done to the resource.

The router has the rights that deploy/ and deploy/admin-api give it; the callers are service accounts with roles.
"""

import asyncio
import json

import httpx
import pytest
from lightkube.codecs import from_dict
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount

from tests.e2e.conftest import BOUND_S
from tests.kube.resources import endpoint, version
from tests.kube.rights import FOR_THE_ADMIN_API, Pair, rights

READS = {"scoringendpoints": ["get", "list", "watch"], "scoringendpoints/status": ["get"]}
WRITES = {
    "scoringendpoints": ["get", "list", "create", "update", "patch", "delete"],
    "scoringendpoints/keys": ["get", "update"],
    "scoringendpoints/token": ["create"],
}
LOGS = {Pair("", "pods", "get"), Pair("", "pods/log", "get")}
"""Used by `test_pod_logs.py`."""
DIGITS = "/api/v1/endpoints/digits"
PATCH = {"spec": {"hosts": ["digits.example.com"]}}


class Callers:
    """Service accounts of the namespace, on the admin port."""

    def __init__(self, control_plane, admin, namespace, maitre) -> None:
        self._control_plane = control_plane
        self._admin = admin
        self._namespace = namespace
        self._maitre = maitre

    async def make(self, name: str, allowed: dict[str, list[str]]) -> httpx.AsyncClient:
        await self._admin.create(ServiceAccount(metadata=ObjectMeta(name=name, namespace=self._namespace)))
        rules = [{"apiGroups": ["maitre.dev"], "resources": [what], "verbs": verbs} for what, verbs in allowed.items()]
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": name},
            "rules": rules,
        }
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self._namespace}],
        }
        await self._admin.create(from_dict(role), namespace=self._namespace)
        await self._admin.create(from_dict(binding), namespace=self._namespace)
        return self.bearing(await self._control_plane.token(name, self._namespace))

    def bearing(self, token: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._maitre.admin_port}",
            headers={"authorization": f"Bearer {token}"},
            timeout=BOUND_S,
        )

    async def token_for(self, audience: str) -> str:
        return await self._control_plane.token("alice", self._namespace, audiences=[audience])


@pytest.fixture
async def maitre(serve_in_cluster, namespace):
    pod = {"POD_NAME": "maitre-0", "POD_NAMESPACE": namespace}
    allowed = rights(more=FOR_THE_ADMIN_API)
    return await serve_in_cluster("--default-namespace", namespace, allowed=allowed, **pod)


@pytest.fixture
def callers(control_plane, admin, namespace, maitre) -> Callers:
    return Callers(control_plane, admin, namespace, maitre)


@pytest.fixture
async def digits(admin, namespace, resource, maitre) -> None:
    await admin.create(endpoint(version("blue")), namespace=namespace)
    await resource.until("KeysAvailable", "True")


async def test_who_may_read_may_not_write_and_is_told_what_is_missing(callers, digits, namespace, resource):
    before = await resource.get()
    async with await callers.make("alice", READS) as alice:
        everywhere = await alice.get("/api/v1/endpoints")
        assert (everywhere.status_code, "list scoringendpoints in all namespaces" in everywhere.text) == (403, True)
        for path in (f"/api/v1/endpoints?namespace={namespace}", DIGITS, f"{DIGITS}/versions/blue", f"{DIGITS}/status"):
            assert (await alice.get(path)).status_code == 200, path
        blue = {"target": {"deployment": {"name": "blue", "port": 5001}}}
        asked = (
            ("POST", "/api/v1/endpoints", {**before, "metadata": {"name": "other"}}, "create scoringendpoints"),
            ("PATCH", DIGITS, PATCH, "patch scoringendpoints"),
            ("PUT", f"{DIGITS}/versions/green", blue, "update scoringendpoints"),
            ("DELETE", DIGITS, None, "delete scoringendpoints"),
            ("POST", f"{DIGITS}/listkeys", None, "get scoringendpoints/keys"),
            ("POST", f"{DIGITS}/regeneratekeys", {"key": "primary"}, "update scoringendpoints/keys"),
            ("POST", f"{DIGITS}/token", None, "create scoringendpoints/token"),
        )
        for method, path, body, missing in asked:
            answer = await alice.request(method, path, json=body)
            assert answer.status_code == 403, (method, path, answer.text)
            said = answer.json()
            assert said["code"] == "forbidden"
            assert (
                f"system:serviceaccount:{namespace}:alice may not {missing} in namespace {namespace}" in said["detail"]
            )
    async with callers.bearing(await callers.token_for("somebody-else")) as elsewhere:
        assert (await elsewhere.get(DIGITS)).status_code == 401
    async with callers.bearing("guessed") as stranger:
        answer = await stranger.get(DIGITS)
        assert (answer.status_code, answer.headers["www-authenticate"].split()[0]) == (401, "Bearer")
    assert (await resource.get())["spec"] == before["spec"]


async def test_what_may_be_changed_is_the_resource_and_in_force(
    control_plane, callers, digits, namespace, resource, maitre
):
    start = control_plane.audit.length
    async with await callers.make("bob", WRITES) as bob:
        shown = await bob.get(DIGITS)
        etag = {"if-match": shown.headers["etag"]}
        answer = await bob.patch(DIGITS, json=PATCH, headers=etag)
        assert answer.status_code == 200, answer.text
        assert (await resource.get())["spec"]["hosts"] == ["digits.example.com"]
        late = await bob.patch(DIGITS, json=PATCH, headers=etag)
        assert (late.status_code, late.json()["code"]) == (412, "changed")

        before = (await bob.post(f"{DIGITS}/listkeys")).json()
        after = (await bob.post(f"{DIGITS}/regeneratekeys", json={"key": "primary"})).json()
        assert after["secondaryKey"] == before["secondaryKey"]
        assert await resource.keys() == after
        async with asyncio.timeout(BOUND_S):
            while (await maitre.connection(before["primaryKey"]).post("digits")).status != 401:
                await asyncio.sleep(0.01)

        wrong = await bob.patch(DIGITS, json={"spec": {"versions": []}})
        assert wrong.status_code == 422, wrong.text
        other = {**answer.json(), "metadata": {"name": "other"}, "spec": {"versions": [version("green")]}}
        assert (await bob.post("/api/v1/endpoints", json=other)).status_code == 201
        listed = (await bob.get("/api/v1/endpoints", params={"namespace": namespace})).json()["items"]
        assert [each["metadata"]["name"] for each in listed] == ["digits", "other"]
        assert (await bob.delete("/api/v1/endpoints/other")).status_code == 204
        assert (await bob.delete(DIGITS)).status_code == 204
    assert any(f'who="system:serviceaccount:{namespace}:bob"' in line or ":bob" in line for line in maitre.log)
    for secret in (*before.values(), *after.values()):
        assert not any(secret in line for line in maitre.log)

    # the rights that deploy/admin-api gives are those that were needed
    asked = control_plane.audit.events(start, user=f"system:serviceaccount:{namespace}:maitre")
    used = {Pair(each.group, each.resource, each.verb) for each in asked}
    given = {
        Pair(group, resource, verb)
        for path in FOR_THE_ADMIN_API
        for each in json.loads(rights(more=[path]))["items"]
        if each["kind"] == "ClusterRole"
        for rule in each["rules"]
        for group, resource, verb in [(rule["apiGroups"][0], rule["resources"][0], rule["verbs"][0])]
    }
    assert given - used == LOGS
    assert [each for each in asked if each.code == 403] == []
