"""Endpoints and keys changed as resources: nothing is lost when two write at once, and nothing of others is touched."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from lightkube import AsyncClient
from lightkube.config.kubeconfig import Cluster, Context, SingleConfig, User

from router.errors import EndpointChanged, EndpointExists, EndpointUnknown, KeysUnknown, StoreFailed
from router.model.problems import ConfigurationRefused
from router.store.keys import KeyPair, new_pair
from router.store.resource_writer import ATTEMPTS, ResourceWriter
from tests.fakes.object_server import ObjectServer, Refusal, forbidden

KEY = ("web", "digits")
SERVER = "http://127.0.0.1:1"
PLANTED = "planted-key-0123456789"
ISSUER = {"issuer": "https://id.example", "audience": "digits"}


def endpoint(name: str = "digits", namespace: str = "web", **spec: Any) -> dict[str, Any]:
    version = {"name": "blue", "target": {"deployment": {"name": "blue", "port": 5001}}}
    return {
        "apiVersion": "maitre.dev/v1alpha1",
        "kind": "ScoringEndpoint",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"versions": [version], **spec},
    }


def secret(name: str = "digits-keys", **more: Any) -> dict[str, Any]:
    data = {"primaryKey": PLANTED + "-1", "secondaryKey": PLANTED + "-2", "other": "theirs"}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "web"},
        "data": encoded,
        **more,
    }


@pytest.fixture
def server() -> ObjectServer:
    return ObjectServer()


@pytest.fixture
async def make(server: ObjectServer) -> AsyncIterator[Any]:
    cluster = SingleConfig("here", Context(cluster="one", user="me"), Cluster(server=SERVER), User())
    async with (
        AsyncClient(cluster, transport=server.transport, trust_env=False) as client,
        httpx2.AsyncClient(base_url=SERVER, transport=server.transport, trust_env=False) as http,
    ):
        yield lambda *namespaces: ResourceWriter(client, http, namespaces)


@pytest.fixture
def writer(make) -> ResourceWriter:
    return make()


def times(server: ObjectServer, method: str) -> int:
    return sum(1 for each, _ in server.asked if each == method)


def when(server: ObjectServer, method: str, does, at_most: int = 10**6) -> None:
    """`does` with the server before each request of that method."""
    left = [at_most]

    def before(request: httpx2.Request) -> None:
        if request.method == method and left[0] > 0:
            left[0] -= 1
            does()

    server.before = before


def refusing(error: Refusal):
    def refuse() -> None:
        raise error

    return refuse


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_what_is_read_is_what_was_written(writer, server):
    """Defaults are absent, and so is what the API server adds."""
    written = await writer.create(endpoint(hosts=["a.example"]))
    assert written.resource == endpoint(hosts=["a.example"])
    assert server.objects["scoringendpoints", *KEY]["spec"]["versions"][0]["maxQueueLength"] == 1000
    assert await writer.read(KEY) == written
    assert await writer.all() == [written]


async def test_all_are_in_the_order_of_their_keys_from_every_page(writer, make, server, monkeypatch):
    monkeypatch.setattr("router.store.resource_writer.PAGE", 2)
    keys = [("b", "one"), ("a", "two"), ("c", "one"), ("a", "one"), ("b", "ten")]
    for namespace, name in keys:
        server.put("scoringendpoints", endpoint(name, namespace))
    assert [stored.key for stored in await writer.all()] == sorted(keys)
    assert len(server.asked) == 3
    assert [stored.key for stored in await make("c", "a").all()] == [("a", "one"), ("a", "two"), ("c", "one")]


@pytest.mark.parametrize(
    "key",
    [("web", "../secrets/digits"), ("web/../x", "digits"), ("web", ""), ("", "digits"), ("web", ".."), ("web", "A")],
)
async def test_a_name_that_would_be_a_path_is_nobody_s(writer, server, key):
    assert await writer.read(key) is None
    with pytest.raises(EndpointUnknown):
        await writer.delete(key, None)
    with pytest.raises(EndpointUnknown):
        await writer.keys(key)
    assert server.asked == []


async def test_a_namespace_that_is_not_served(make, server):
    server.put("scoringendpoints", endpoint())
    writer = make("shop", "team")
    assert await writer.read(KEY) is None
    with pytest.raises(ConfigurationRefused, match=r"metadata\.namespace: is not served.* shop, team"):
        await writer.create(endpoint())
    with pytest.raises(EndpointUnknown):
        await writer.delete(KEY, None)
    assert server.asked == []


# -- writing -----------------------------------------------------------------------------------------------------------


async def test_making_what_is_there(writer):
    await writer.create(endpoint())
    with pytest.raises(EndpointExists, match="endpoint digits in namespace web already"):
        await writer.create(endpoint())


@pytest.mark.parametrize("call", ["create", "replace"])
async def test_what_breaks_a_rule_is_not_sent(writer, server, call):
    wrong = endpoint(versions=[{"name": "blue", "target": {"command": ["x", "{port}"]}, "trafficPercentile": 101}])
    with pytest.raises(ConfigurationRefused) as refused:
        await (writer.create(wrong) if call == "create" else writer.replace(wrong, None))
    assert [problem.key for problem in refused.value.problems] == ["spec.versions[0](blue).trafficPercentile"]
    assert server.asked == []


async def test_only_the_spec_is_changed(writer, server):
    metadata = {
        "labels": {"team": "a"},
        "annotations": {"x": "y"},
        "finalizers": ["a.example/b"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "b", "uid": "c"}],
    }
    there = endpoint()
    server.put("scoringendpoints", {**there, "metadata": {**there["metadata"], **metadata}})
    change = endpoint(serverTiming=True)
    change["metadata"]["labels"] = {"new": "label"}
    stored = await writer.replace(change, None)
    assert stored.resource == endpoint(serverTiming=True)
    kept = server.objects["scoringendpoints", *KEY]["metadata"]
    assert {name: kept[name] for name in metadata} == {**metadata, "labels": {"team": "a", "new": "label"}}


async def test_an_etag_is_another_one_after_each_change_of_the_spec_and_no_other(writer, server):
    first = await writer.create(endpoint())
    there = server.objects["scoringendpoints", *KEY]
    server.put("scoringendpoints", {**there, "status": {"ready": "1/1"}})
    assert (await writer.read(KEY)).etag == first.etag
    seen = {first.etag}
    for timing in (True, False):  # back to what it was
        seen.add((await writer.replace(endpoint(serverTiming=timing), None)).etag)
    await writer.delete(KEY, None)
    seen.add((await writer.create(endpoint())).etag)
    assert len(seen) == 4


@pytest.mark.parametrize("call", ["replace", "delete"])
async def test_who_has_read_an_older_one_changes_nothing(writer, server, call):
    first = await writer.create(endpoint())
    second = await writer.replace(endpoint(serverTiming=True), first.etag)
    with pytest.raises(EndpointChanged, match=r"endpoint digits in namespace web.*read it again"):
        await (writer.replace(endpoint(), first.etag) if call == "replace" else writer.delete(KEY, first.etag))
    assert await writer.read(KEY) == second
    await writer.delete(KEY, second.etag)
    assert await writer.read(KEY) is None


@pytest.mark.parametrize("call", ["replace", "delete"])
async def test_what_is_changed_between_reading_and_writing(writer, server, call):
    """A status is written: that is no change. The spec is: then it is."""
    first, method = await writer.create(endpoint()), {"replace": "PUT", "delete": "DELETE"}[call]
    write = {
        "replace": lambda etag: writer.replace(endpoint(hosts=["a.example"]), etag),
        "delete": lambda etag: writer.delete(KEY, etag),
    }[call]

    def other(**change: Any):
        there = server.objects["scoringendpoints", *KEY]
        return lambda: server.put("scoringendpoints", {**there, **change})

    when(server, method, other(spec=endpoint(serverTiming=True)["spec"]), at_most=1)
    with pytest.raises(EndpointChanged):
        await write(first.etag)
    newest = await writer.read(KEY)
    assert newest.resource == endpoint(serverTiming=True)
    when(server, method, other(status={"ready": "1/1"}), at_most=1)
    await write(newest.etag)
    assert times(server, method) == 3


async def test_the_last_writer_wins_where_no_etag_is_given(writer, server):
    await writer.create(endpoint())
    there = server.objects["scoringendpoints", *KEY]
    theirs = {**there, "spec": endpoint(serverTiming=True)["spec"]}
    when(server, "PUT", lambda: server.put("scoringendpoints", theirs), at_most=1)
    stored = await writer.replace(endpoint(hosts=["a.example"]), None)
    assert stored.resource == endpoint(hosts=["a.example"])


async def test_what_is_changed_all_the_time_is_given_up(writer, server):
    await writer.create(endpoint())
    there = server.objects["scoringendpoints", *KEY]
    when(server, "PUT", lambda: server.put("scoringendpoints", {**there, "status": {"n": len(server.asked)}}))
    with pytest.raises(EndpointChanged, match="all the time"):
        await writer.replace(endpoint(), None)
    assert times(server, "PUT") == ATTEMPTS


async def test_of_two_who_write_at_once_one_is_told(writer, server):
    """All writes come to the server before the first is done."""
    first = await writer.create(endpoint())
    waiting = asyncio.Barrier(2)

    async def together(request: httpx2.Request) -> None:
        if request.method == "PUT":
            await waiting.wait()

    server.before = together
    changes = [writer.replace(endpoint(hosts=[f"{name}.example"]), first.etag) for name in ("a", "b")]
    results = await asyncio.gather(*changes, return_exceptions=True)
    (won,) = (each for each in results if not isinstance(each, Exception))
    (lost,) = (each for each in results if isinstance(each, Exception))
    assert isinstance(lost, EndpointChanged)
    assert await writer.read(KEY) == won


@pytest.mark.parametrize("call", ["replace", "delete", "keys", "put_keys"])
async def test_what_is_not_there(writer, call):
    pair = new_pair()
    calls = {
        "replace": lambda: writer.replace(endpoint(), None),
        "delete": lambda: writer.delete(KEY, None),
        "keys": lambda: writer.keys(KEY),
        "put_keys": lambda: writer.put_keys(KEY, pair, pair),
    }
    with pytest.raises(EndpointUnknown, match="no endpoint digits in namespace web"):
        await calls[call]()


async def test_what_goes_between_reading_and_writing(writer, server):
    await writer.create(endpoint())
    when(server, "PUT", server.objects.clear, at_most=1)
    with pytest.raises(EndpointUnknown):
        await writer.replace(endpoint(), None)


# -- what the API server refuses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        Refusal(422, "Invalid", "spec.versions: too odd"),
        Refusal(403, "Forbidden", 'admission webhook "a.example" denied the request: too odd'),
        Refusal(400, "BadRequest", "too odd"),
    ],
    ids=lambda error: str(error.code),
)
async def test_what_the_api_server_does_not_like(writer, server, error):
    await writer.create(endpoint())
    for method, write in (("PUT", writer.replace(endpoint(), None)), ("POST", writer.create(endpoint("other")))):
        when(server, method, refusing(error))
        with pytest.raises(ConfigurationRefused, match=r"the API server refuses it: .*too odd"):
            await write


@pytest.mark.parametrize(
    ("method", "verb"), [("GET", "get"), ("PUT", "update"), ("POST", "create"), ("DELETE", "delete")]
)
async def test_a_right_that_the_router_lacks_is_named(writer, server, method, verb):
    await writer.create(endpoint())
    when(server, method, refusing(forbidden(verb, "scoringendpoints", "maitre.dev", "web")))
    write = {
        "GET": lambda: writer.read(KEY),
        "PUT": lambda: writer.replace(endpoint(), None),
        "POST": lambda: writer.create(endpoint("other")),
        "DELETE": lambda: writer.delete(KEY, None),
    }[method]
    with pytest.raises(StoreFailed, match=f"cannot {verb} scoringendpoints of maitre.dev in namespace web: forbidden"):
        await write()


async def test_a_namespace_that_is_not_there(writer, server):
    when(server, "POST", refusing(Refusal(404, "NotFound", 'namespaces "web" not found')))
    with pytest.raises(ConfigurationRefused, match=r'metadata\.namespace: .*namespaces "web" not found'):
        await writer.create(endpoint())


@pytest.mark.parametrize("call", ["all", "read", "create", "replace", "delete", "keys", "put_keys"])
async def test_an_api_server_that_does_not_answer(writer, server, call):
    def silent() -> None:
        raise httpx2.ConnectTimeout("")

    when(server, "POST" if call == "create" else "GET", silent)
    pair = new_pair()
    calls = {
        "all": writer.all,
        "read": lambda: writer.read(KEY),
        "create": lambda: writer.create(endpoint()),
        "replace": lambda: writer.replace(endpoint(), None),
        "delete": lambda: writer.delete(KEY, None),
        "keys": lambda: writer.keys(KEY),
        "put_keys": lambda: writer.put_keys(KEY, pair, pair),
    }
    with pytest.raises(StoreFailed, match="no answer in time"):
        await calls[call]()


# -- keys --------------------------------------------------------------------------------------------------------------


async def test_keys_are_those_of_the_secret_and_nothing_else_of_it_changes(writer, server):
    server.put("scoringendpoints", endpoint())
    there = server.put("secrets", secret(type="Opaque"))
    before = await writer.keys(KEY)
    assert before == KeyPair(PLANTED + "-1", PLANTED + "-2")
    after = KeyPair(new_pair().primary, before.secondary)
    await writer.put_keys(KEY, after, before)
    assert await writer.keys(KEY) == after
    kept = server.objects["secrets", "web", "digits-keys"]
    assert kept["data"]["other"] == there["data"]["other"]
    assert kept["type"] == "Opaque"


async def test_the_secret_that_the_endpoint_names(writer, server):
    server.put("scoringendpoints", endpoint(auth={"secretName": "mine"}))
    server.put("secrets", secret("mine"))
    assert (await writer.keys(KEY)).primary == PLANTED + "-1"


async def test_keys_that_somebody_else_has_changed_stay(writer, server):
    server.put("scoringendpoints", endpoint())
    server.put("secrets", secret())
    before, ours = await writer.keys(KEY), new_pair()
    theirs = secret()
    theirs["data"]["primaryKey"] = base64.b64encode(b"another-key-0123456789").decode()
    when(server, "PATCH", lambda: server.put("secrets", theirs), at_most=1)
    with pytest.raises(EndpointChanged, match="keys of the endpoint digits") as refused:
        await writer.put_keys(KEY, ours, before)
    assert "another-key" not in str(refused.value)
    assert (await writer.keys(KEY)).primary == "another-key-0123456789"
    labelled = {**theirs, "metadata": {**theirs["metadata"], "labels": {"a": "b"}}}
    when(server, "PATCH", lambda: server.put("secrets", labelled), at_most=1)
    await writer.put_keys(KEY, ours, await writer.keys(KEY))
    assert await writer.keys(KEY) == ours
    assert server.objects["secrets", "web", "digits-keys"]["metadata"]["labels"] == {"a": "b"}


async def test_tokens_of_the_routers_own_are_signed_with_keys(writer, server):
    server.put("scoringendpoints", endpoint(auth={"mode": "token"}))
    server.put("secrets", secret())
    assert (await writer.keys(KEY)).primary == PLANTED + "-1"


@pytest.mark.parametrize(
    ("auth", "there", "words"),
    [
        ({"mode": "none"}, True, "its auth mode is none; set it to key"),
        ({"mode": "token", "token": ISSUER}, True, "its tokens come from https://id.example; ask there"),
        ({}, False, "no Secret web/digits-keys yet; the router that leads makes it"),
        ({}, "wrong", "secret web/digits-keys: primaryKey: must be text"),
    ],
)
async def test_an_endpoint_without_keys(writer, server, auth, there, words):
    server.put("scoringendpoints", endpoint(auth=auth))
    if there:
        server.put("secrets", secret() if there != "wrong" else secret(data={"other": "x"}))
    for call in (writer.keys(KEY), writer.put_keys(KEY, new_pair(), new_pair())):
        with pytest.raises(KeysUnknown, match=words):
            await call


async def test_the_keys_of_an_endpoint_that_is_wrong_are_not_guessed(writer, server):
    server.put("scoringendpoints", endpoint(auth={"mode": "magic", "secretName": "mine"}))
    server.put("secrets", secret())
    with pytest.raises(KeysUnknown, match=r"because it is wrong: .*spec\.auth\.mode"):
        await writer.keys(KEY)


async def test_a_secret_that_can_never_change_is_told(writer, server):
    server.put("scoringendpoints", endpoint())
    server.put("secrets", secret(immutable=True))
    with pytest.raises(StoreFailed, match=r"Secret web/digits-keys is immutable: make another one"):
        await writer.put_keys(KEY, new_pair(), await writer.keys(KEY))


async def test_rights_on_secrets_are_named(writer, server):
    server.put("scoringendpoints", endpoint())
    server.put("secrets", secret())
    pair = await writer.keys(KEY)
    when(server, "PATCH", refusing(forbidden("patch", "secrets", "", "web")))
    with pytest.raises(StoreFailed, match="cannot patch secrets in namespace web") as failed:
        await writer.put_keys(KEY, new_pair(), pair)
    assert PLANTED not in str(failed.value)
