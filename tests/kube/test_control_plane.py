"""The test bed's API server: real, and does what tests of outages need."""

import asyncio
from contextlib import aclosing

import pytest
from lightkube import ApiError
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, ServiceAccount


async def test_a_service_account_may_do_nothing_until_it_is_given_rights(control_plane, admin, namespace):
    await admin.create(ServiceAccount(metadata=ObjectMeta(name="nobody")), namespace=namespace)
    async with control_plane.client(await control_plane.kubeconfig("nobody", namespace)) as nobody:
        with pytest.raises(ApiError) as refused:
            await nobody.get(ConfigMap, "any", namespace=namespace)
    assert refused.value.status.code == 403
    assert f"system:serviceaccount:{namespace}:nobody" in refused.value.status.message


async def test_the_audit_log_tells_who_wrote_what(control_plane, admin, namespace):
    start = control_plane.audit.length
    await admin.create(ConfigMap(metadata=ObjectMeta(name="one"), data={"size": "3"}), namespace=namespace)
    await admin.patch(ConfigMap, "one", {"data": {"size": "4"}}, namespace=namespace)
    wanted = {"resource": "configmaps", "namespace": namespace}
    created, patched = await control_plane.audit.until(start, at_least=2, **wanted)
    assert (created.user, created.verb, created.code, created.body["data"]) == ("admin", "create", 201, {"size": "3"})
    assert (patched.user, patched.verb, patched.name) == ("admin", "patch", "one")
    assert patched.body == {"data": {"size": "4"}}


async def test_the_audit_log_has_a_watch_when_it_has_ended(control_plane, admin, namespace):
    await admin.create(ConfigMap(metadata=ObjectMeta(name="one")), namespace=namespace)
    wanted = {"verb": "watch", "resource": "configmaps", "namespace": namespace}
    async with aclosing(admin.watch(ConfigMap, namespace=namespace, resource_version="0")) as watch:
        await anext(watch)
        assert control_plane.audit.events(**wanted) == []
    (watched,) = await control_plane.audit.until(**wanted)
    assert (watched.user, watched.code) == ("admin", 200)


async def test_the_api_server_comes_back_with_its_data(own_control_plane, admin, namespace):
    await admin.create(ConfigMap(metadata=ObjectMeta(name="kept"), data={"a": "b"}), namespace=namespace)
    await own_control_plane.stop_api_server()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", own_control_plane.port)
    await own_control_plane.start_api_server()
    assert (await admin.get(ConfigMap, "kept", namespace=namespace)).data == {"a": "b"}


async def test_after_a_compaction_an_old_version_is_gone(own_control_plane, admin, namespace):
    before = await admin.create(ConfigMap(metadata=ObjectMeta(name="one")), namespace=namespace)
    version = before.metadata.resourceVersion
    watch = admin.watch(ConfigMap, namespace=namespace, resource_version=version)
    await admin.create(ConfigMap(metadata=ObjectMeta(name="two")), namespace=namespace)
    event, seen = await anext(watch)  # so far it is known
    assert (event, seen.metadata.name) == ("ADDED", "two")
    async with own_control_plane.http() as http:
        rest = await page(http, namespace)
        await own_control_plane.compact()
        assert (await http.get(rest)).status_code == 410  # nor can a list be continued
    with pytest.raises(ApiError) as gone:
        await anext(admin.watch(ConfigMap, namespace=namespace, resource_version=version))
    assert gone.value.status.code == 410
    assert (await admin.get(ConfigMap, "two", namespace=namespace)).metadata.name == "two"


async def page(http, namespace):
    """Lists one object; returns the address of those that follow."""
    path = f"/api/v1/namespaces/{namespace}/configmaps?limit=1"
    return f"{path}&continue={(await http.get(path)).json()['metadata']['continue']}"
