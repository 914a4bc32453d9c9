"""The admin API over real sockets: endpoints, versions, credentials, and how each refusal looks."""

import copy
from collections.abc import AsyncIterator

import httpx
import pytest

from router.admin.api import api_routes, operations
from router.admin.app import build_app
from router.admin.operations import Scope
from tests.admin.parts import READER, TOKEN, MemoryWriter, endpoint, parts, version

PATH = "/api/v1/endpoints"
DIGITS = f"{PATH}/digits"


@pytest.fixture
def writer() -> MemoryWriter:
    return MemoryWriter()


@pytest.fixture
def all_parts(writer):
    return parts(writer)


@pytest.fixture
async def api(serve, health, all_parts) -> AsyncIterator[httpx.AsyncClient]:
    async def no_metrics(_accept: str) -> tuple[bytes, str]:
        return b"", "text/plain"

    client = await serve(build_app(health, no_metrics, api_routes(all_parts, "default")))
    client.headers["authorization"] = f"Bearer {TOKEN}"
    return client


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and code, once the form is right."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == body["requestId"] == body["error"]["requestId"]
    assert body["status"] == answer.status_code
    assert body["error"] == {"code": body["code"], "message": body["detail"], "requestId": body["requestId"]}
    assert set(body) - {"problems"} == {"type", "title", "status", "detail", "code", "requestId", "error"}
    return answer.status_code, body["code"]


# -- endpoints --------------------------------------------------------------------------------------------------------


async def test_an_endpoint_is_made_shown_changed_and_deleted(api, writer, all_parts):
    wanted = endpoint("digits", auth={"mode": "none"})
    made = await api.post(PATH, json=wanted)
    assert (made.status_code, made.json()) == (201, wanted)
    assert made.headers["location"] == "/api/v1/endpoints/digits?namespace=default"
    assert made.headers["cache-control"] == "no-store"
    shown = await api.get(made.headers["location"])
    assert (shown.status_code, shown.json(), shown.headers["etag"]) == (200, wanted, made.headers["etag"])
    assert shown.headers["etag"] == '"v1"'
    changed = await api.patch(DIGITS, json={"spec": {"auth": None, "serverTiming": True}})
    assert changed.json()["spec"] == {"versions": wanted["spec"]["versions"], "serverTiming": True}
    put = await api.put(DIGITS, json=wanted)
    assert (put.status_code, put.json(), put.headers["etag"]) == (200, wanted, '"v3"')
    assert [(await api.delete(DIGITS)).status_code, (await api.get(DIGITS)).status_code] == [204, 404]
    told = [
        (who, verb, key, before is None, after is None) for _, who, verb, key, before, after in all_parts.audit.told
    ]
    key = ("default", "digits")
    assert told == [
        ("admin", "create", key, True, False),
        ("admin", "patch", key, False, False),
        ("admin", "update", key, False, False),
        ("admin", "delete", key, False, True),
    ]


async def test_put_makes_what_is_not_there(api, all_parts):
    without_name = {**endpoint(), "metadata": {}}
    put = await api.put(DIGITS, json=without_name)
    assert (put.status_code, put.json()["metadata"]) == (201, {"name": "digits", "namespace": "default"})
    assert put.headers["location"] == "/api/v1/endpoints/digits?namespace=default"
    assert [access.verb for access in all_parts.gate.asked] == ["update", "create"]


async def test_an_endpoint_of_another_namespace_is_another_endpoint(api, writer):
    writer.put(endpoint())
    assert (await api.post(PATH, json=endpoint(namespace="vision"))).status_code == 201
    bare = {**endpoint(), "metadata": {"name": "digits"}}
    made = await api.post(f"{PATH}?namespace=audio", json=bare)
    assert (made.status_code, made.json()["metadata"]["namespace"]) == (201, "audio")
    assert (await api.delete(f"{DIGITS}?namespace=vision")).status_code == 204
    assert [stored.key for stored in await writer.all()] == [("audio", "digits"), ("default", "digits")]


async def test_a_name_that_is_taken_is_a_conflict(api, writer):
    writer.put(endpoint())
    assert refused(await api.post(PATH, json=endpoint())) == (409, "exists")


async def test_what_is_wrong_is_told_as_check_tells_it(api, writer):
    wrong = endpoint("digits", "blue", "green")
    wrong["spec"]["versions"][1]["trafficPercentile"] = 120
    answer = await api.post(PATH, json=wrong)
    assert refused(answer) == (422, "invalid")
    (problem,) = answer.json()["problems"]
    assert (problem["key"], problem["value"]) == ("spec.versions[1](green).trafficPercentile", "120")
    assert "from 0 to 100" in problem["message"]
    assert problem["message"] in answer.json()["detail"]
    assert await writer.all() == []


async def test_a_claim_of_another_endpoint_stands(api, writer):
    writer.put(endpoint("first", hosts=["a.example.com"]))
    assert refused(await api.post(PATH, json=endpoint("second", hosts=["a.example.com"]))) == (422, "invalid")


@pytest.mark.parametrize("word", ["name", "namespace"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_what_the_path_says_cannot_be_said_otherwise(api, writer, method, word):
    writer.put(endpoint())
    other = endpoint()
    other["metadata"][word] = "another"
    answer = await api.request(method, DIGITS, json=other)
    assert refused(answer) == (422, "invalid")
    assert [problem["key"] for problem in answer.json()["problems"]] == [f"metadata.{word}"]


@pytest.mark.parametrize("metadata", [None, 7, [], "digits", {"name": None}, {"name": 7, "namespace": 7}])
async def test_metadata_may_be_anything_and_is_told(api, writer, metadata):
    writer.put(endpoint())
    wrong = {**endpoint("other"), "metadata": metadata}
    for method, path in (("POST", PATH), ("PUT", f"{PATH}/other"), ("PATCH", DIGITS)):
        if method == "PATCH" and metadata in (None, {"name": None}):
            continue  # nothing is said then, and the path says it
        assert refused(await api.request(method, path, json=wrong)) == (422, "invalid"), method


async def test_pages_hold_together_while_endpoints_come_and_go(api, writer):
    for name in ("aaa", "bbb", "ccc", "ddd", "eee"):
        writer.put(endpoint(name))
    first = (await api.get(PATH, params={"limit": 2})).json()
    assert [item["metadata"]["name"] for item in first["items"]] == ["aaa", "bbb"]
    assert [item["etag"] for item in first["items"]] == ['"v1"', '"v2"']
    await writer.delete(("default", "bbb"), None)
    writer.put(endpoint("abc"))
    second = (await api.get(PATH, params={"limit": 2, "continue": first["continue"]})).json()
    assert [item["metadata"]["name"] for item in second["items"]] == ["ccc", "ddd"]
    third = (await api.get(PATH, params={"limit": 1, "continue": second["continue"]})).json()
    assert ([item["metadata"]["name"] for item in third["items"]], third["continue"]) == (["eee"], None)


async def test_a_list_is_of_all_namespaces_or_of_one(api, writer, all_parts):
    writer.put(endpoint("aaa"))
    writer.put(endpoint("aaa", namespace="vision"))
    listed = [(await api.get(PATH, params=query)).json()["items"] for query in ({}, {"namespace": "vision"})]
    assert [[item["metadata"]["namespace"] for item in items] for items in listed] == [
        ["default", "vision"],
        ["vision"],
    ]
    assert [(access.verb, access.namespace) for access in all_parts.gate.asked] == [("list", None), ("list", "vision")]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "limit=%C2%B2", "limit=1&limit=2", "continue=%00", "continue=WyJhIl0",
     "limits=3", "continue=bnVsbA", "namespace=", "namespace=A", "namespace=a%0A", "namespace=" + "a" * 64],
)  # fmt: skip
async def test_a_wrong_query_is_refused_and_not_guessed_at(api, query):
    assert refused(await api.get(f"{PATH}?{query}")) == (400, "bad_request")


@pytest.mark.parametrize("name", ["x", "UPPER", "a" * 33, "..%2f..%2fsecrets", "dig%0Aits", "digits%0A", "%00%00%00"])
async def test_what_can_be_no_name_is_not_looked_for(api, all_parts, writer, name):
    writer.broken = True
    for method in ("GET", "DELETE"):
        assert refused(await api.request(method, f"{PATH}/{name}")) == (404, "not_found")
    assert all_parts.gate.asked == []


# -- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [[], [("authorization", "Bearer wrong")], [("authorization", f"Basic {TOKEN}")], [("authorization", "Bearer")],
     [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer wrong")]],
)  # fmt: skip
async def test_a_stranger_is_told_how_to_come_in_and_nothing_else(api, headers):
    del api.headers["authorization"]
    for path in (DIGITS, f"{PATH}/nothing", f"{PATH}?limit=x"):
        answer = await api.get(path, headers=headers)
        assert refused(answer) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_nothing_is_done_for_whom_the_gate_does_not_admit(api, all_parts, writer):
    stored = writer.put(endpoint("digits", "blue", "green"))
    writer.broken = True  # whoever asks the store gets another answer than 403
    api.headers["authorization"] = f"Bearer {READER}"
    closed = 0
    for operation in operations(all_parts):
        if operation.scope is Scope.OPEN:
            continue
        path = operation.path.format(endpoint="digits", version="blue")
        body = {"json": stored.resource} if operation.body else {}
        answer = await api.request(operation.method, path, **body)
        if operation.verb in {"get", "list", "watch"} and operation.part not in {"keys", "token"}:
            assert answer.status_code != 403, operation.id
        else:
            assert refused(answer) == (403, "forbidden"), operation.id
            assert operation.verb in answer.json()["detail"]
            closed += 1
    assert closed == len([told for told in all_parts.audit.told if told[0] == "refused"]) == 10


async def test_making_by_put_needs_create_too(api, all_parts, writer, monkeypatch):
    admit = all_parts.gate.admit

    async def no_create(caller, access):
        await admit(caller._replace(name="reader") if access.verb == "create" else caller, access)

    monkeypatch.setattr(all_parts.gate, "admit", no_create)
    answer = await api.put(DIGITS, json=endpoint())
    assert refused(answer) == (403, "forbidden")
    assert "create" in answer.json()["detail"]
    assert await writer.all() == []


# -- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"kind": 1, "kind": 2}', '"kind" is given twice'),
        (b'{"spec": {"a": [{"b": 1, "c": 2, "b": 3}]}}', '"b" is given twice'),
        (b'{"spec": NaN}', "not JSON"),
        (b'{"spec": "\\ud800"}', "not JSON"),
        (b'{"spec": "\xff"}', "not JSON"),
        ('{"spec": 1}'.encode("utf-16"), "not JSON"),
        (b'{"spec":' * 100 + b"1" + b"}" * 100, "too deeply"),
        (b"[" * 500_000, "JSON"),
    ],
)
async def test_a_body_with_two_readings_or_none_is_refused(api, body, words):
    answer = await api.post(PATH, content=body, headers={"content-type": "application/json"})
    assert refused(answer) == (400, "bad_request")
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"content-type": "text/yaml"}, {"content-type": "application/json; charset=latin-1"},
     {"content-type": "application/json", "content-encoding": "gzip"},
     {"content-type": "application/merge-patch+json"}],
)  # fmt: skip
async def test_another_kind_of_body_is_told_what_to_be(api, headers):
    answer = await api.post(PATH, content=b"{}", headers=headers)
    assert refused(answer) == (415, "unsupported_media_type")
    assert answer.headers["accept-post"] == "application/json"


@pytest.mark.parametrize("kind", ["application/merge-patch+json", "application/json; charset=UTF-8"])
async def test_a_patch_comes_as_either(api, writer, kind):
    writer.put(endpoint())
    patched = await api.patch(DIGITS, content=b'{"spec": {"serverTiming": true}}', headers={"content-type": kind})
    assert patched.json()["spec"]["serverTiming"] is True


async def chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 65536):
        yield b" " * 65536


@pytest.mark.parametrize("content", [b" " * (1024 * 1024 + 1), None])
async def test_a_body_beyond_a_mebibyte_is_not_read(api, content):
    headers = {"content-type": "application/json"}
    answer = await api.post(PATH, content=content or chunks(2 * 1024 * 1024), headers=headers)
    assert refused(answer) == (413, "body_too_large")


async def test_a_body_of_a_mebibyte_is_read(api):
    headers = {"content-type": "application/json"}
    assert refused(await api.post(PATH, content=b" " * 1024 * 1024, headers=headers)) == (400, "bad_request")


async def test_a_wrong_method_is_told_every_right_one(api):
    answer = await api.post(DIGITS)
    assert refused(answer) == (405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "PUT", "PATCH", "DELETE"}


async def test_head_is_get_without_a_body(api, writer):
    writer.put(endpoint())
    for path in (DIGITS, PATH, "/api/v1/events"):
        answer = await api.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
    assert (await api.head(DIGITS)).headers["etag"] == '"v1"'


async def test_a_store_that_fails_is_503_and_says_why(api, writer):
    writer.broken = True
    answer = await api.get(DIGITS)
    assert refused(answer) == (503, "store_failed")
    assert answer.json()["detail"] == "the disk is full"


# -- two writers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "status"),
    [('"v1"', 200), ('"v0", "v1"', 200), ("*", 200), ('"v0"', 412), ('W/"v1"', 412), ('"v0" , W/"v1",', 412),
     ('""', 412), ("v1", 400), ('"v1" "v2"', 400), ('"v1', 400), ("", 400), ('*, "v1"', 400)],
)  # fmt: skip
async def test_if_match_is_a_list_compared_strongly(api, writer, tags, status):
    writer.put(endpoint())
    patch = {"spec": {"serverTiming": True}}
    assert (await api.patch(DIGITS, json=patch, headers={"if-match": tags})).status_code == status
    assert (await writer.read(("default", "digits"))).etag == ("v2" if status == 200 else "v1")


async def test_several_lines_of_a_header_are_one_list(api, writer):
    writer.put(endpoint())
    lines = [("if-match", '"v0"'), ("if-match", '"v1"')]
    assert (await api.delete(DIGITS, headers=lines)).status_code == 204


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", DIGITS), ("PATCH", DIGITS), ("DELETE", DIGITS), ("PUT", f"{DIGITS}/versions/green"),
                         ("PATCH", f"{DIGITS}/versions/blue"), ("DELETE", f"{DIGITS}/versions/green")],
)  # fmt: skip
async def test_of_two_with_the_same_etag_one_is_told(api, writer, method, path):
    stored = writer.put(endpoint("digits", "blue", "green"))
    bodies = {"PUT": version("green") if "versions" in path else endpoint(), "PATCH": {}}
    body = {"json": bodies[method]} if method in bodies else {}

    def another() -> None:
        writer.before_write = lambda: None
        writer.put({**stored.resource, "spec": {**stored.resource["spec"], "serverTiming": True}})

    writer.before_write = another
    answer = await api.request(method, path, headers={"if-match": '"v1"'}, **body)
    assert refused(answer) == (412, "changed")
    assert refused(await api.request(method, path, headers={"if-match": '"v1"'}, **body)) == (412, "changed")
    now = await writer.read(stored.key)
    assert (now.resource["spec"]["serverTiming"], len(now.resource["spec"]["versions"]), now.etag) == (True, 2, "v2")


async def test_of_two_without_an_etag_neither_loses_anything(api, writer):
    stored = writer.put(endpoint("digits", "blue"))

    def another() -> None:
        writer.before_write = lambda: None
        writer.put({**stored.resource, "spec": {**stored.resource["spec"], "serverTiming": True}})

    writer.before_write = another
    assert (await api.put(f"{DIGITS}/versions/green", json=version("green"))).status_code == 201
    now = (await writer.read(stored.key)).resource["spec"]
    assert (now["serverTiming"], [each["name"] for each in now["versions"]]) == (True, ["blue", "green"])


async def test_who_is_never_fast_enough_is_told_in_the_end(api, writer):
    stored = writer.put(endpoint())
    writer.before_write = lambda: writer.put(stored.resource)
    assert refused(await api.patch(DIGITS, json={})) == (412, "changed")


async def test_if_none_match_makes_and_never_replaces(api, writer):
    only_new = {"if-none-match": "*"}
    assert (await api.put(DIGITS, json=endpoint(), headers=only_new)).status_code == 201
    assert refused(await api.put(DIGITS, json=endpoint(), headers=only_new)) == (412, "changed")
    assert refused(await api.put(DIGITS, json=endpoint(), headers={"if-none-match": 'W/"v1"'})) == (412, "changed")
    writer.before_write = lambda: writer.put(endpoint("other"))
    assert refused(await api.put(f"{PATH}/other", json=endpoint("other"), headers=only_new)) == (412, "changed")


async def test_if_match_never_makes(api, writer):
    answer = await api.put(DIGITS, json=endpoint(), headers={"if-match": "*"})
    assert refused(answer) == (412, "changed")
    assert await writer.all() == []


async def test_what_goes_while_it_is_put_is_made(api, writer):
    writer.put(endpoint())

    def another() -> None:
        writer.before_write = lambda: None
        writer._stored.clear()

    writer.before_write = another
    assert (await api.put(DIGITS, json=endpoint())).status_code == 201


# -- versions ---------------------------------------------------------------------------------------------------------


async def test_the_walk_through_of_the_original(api, writer):
    await api.post(PATH, json=endpoint("digits", "aaa"))
    put = await api.put(f"{DIGITS}/versions/bbb", json=version("bbb", trafficPercentile=10))
    assert (put.status_code, put.headers["location"]) == (
        201,
        "/api/v1/endpoints/digits/versions/bbb?namespace=default",
    )
    moved = {"trafficPercentile": 40, "isDefault": True, "type": "control"}
    patched = await api.patch(f"{DIGITS}/versions/bbb", json=moved)
    assert (patched.status_code, patched.json()["spec"]["versions"][1]) == (200, {**version("bbb"), **moved})
    shown = await api.get(f"{DIGITS}/versions/bbb")
    assert (shown.json(), shown.headers["etag"]) == ({**version("bbb"), **moved}, patched.headers["etag"])
    assert (await api.put(f"{DIGITS}/versions/bbb", json=shown.json())).status_code == 200
    assert (await api.delete(f"{DIGITS}/versions/aaa")).status_code == 204
    assert [each["name"] for each in (await api.get(DIGITS)).json()["spec"]["versions"]] == ["bbb"]


async def test_the_default_goes_with_an_heir(api, writer):
    writer.put(endpoint("digits", "aaa", "bbb"))
    answer = await api.delete(f"{DIGITS}/versions/aaa")
    assert refused(answer) == (409, "default_version")
    assert "newDefault=" in answer.json()["detail"]
    assert refused(await api.delete(f"{DIGITS}/versions/aaa?newDefault=zzz")) == (400, "bad_request")
    assert (await api.delete(f"{DIGITS}/versions/aaa?newDefault=bbb")).status_code == 204
    assert refused(await api.delete(f"{DIGITS}/versions/bbb")) == (409, "last_version")
    assert refused(await api.delete(f"{DIGITS}/versions/zzz")) == (404, "not_found")


async def test_six_versions_and_no_seventh(api, writer):
    writer.put(endpoint("digits", "aaa"))
    names = ["bbb", "ccc", "ddd", "eee", "fff", "ggg"]
    statuses = [(await api.put(f"{DIGITS}/versions/{name}", json=version(name))).status_code for name in names]
    assert statuses == [201] * 5 + [422]
    assert len((await writer.read(("default", "digits"))).resource["spec"]["versions"]) == 6


async def test_a_wrong_version_changes_nothing(api, writer):
    before = copy.deepcopy(writer.put(endpoint()))
    answer = await api.put(f"{DIGITS}/versions/green", json={"targte": {}})
    assert refused(answer) == (422, "invalid")
    assert {problem["key"] for problem in answer.json()["problems"]} == {
        "spec.versions[1](green).targte",
        "spec.versions[1](green).target",
    }
    assert await writer.read(before.key) == before


# -- credentials ------------------------------------------------------------------------------------------------------


async def test_one_key_is_made_anew_and_the_other_stays(api, writer, all_parts):
    writer.put(endpoint())
    before = (await api.post(f"{DIGITS}/listkeys")).json()
    after = (await api.post(f"{DIGITS}/regeneratekeys", json={"key": "primary"})).json()
    assert after["secondaryKey"] == before["secondaryKey"]
    assert after["primaryKey"] != before["primaryKey"]
    assert len(after["primaryKey"]) >= 43
    chosen = "a-key-of-my-own-choice"
    after = (await api.post(f"{DIGITS}/regeneratekeys", json={"key": "secondary", "value": chosen})).json()
    assert after["secondaryKey"] == chosen
    assert after == (await api.post(f"{DIGITS}/listkeys")).json()
    key = ("default", "digits")
    assert all_parts.audit.told == [("keys", "admin", "update", key, (which,)) for which in ("primary", "secondary")]


async def test_where_the_primary_key_signs_tokens_it_is_kept_as_the_secondary_one(api, writer):
    writer.put(endpoint(auth={"mode": "token"}))
    before = (await api.post(f"{DIGITS}/listkeys")).json()
    after = (await api.post(f"{DIGITS}/regeneratekeys", json={"key": "primary"})).json()
    assert after["secondaryKey"] == before["primaryKey"]
    assert after["primaryKey"] not in before.values()
    revoked = (await api.post(f"{DIGITS}/regeneratekeys", json={"key": "secondary"})).json()
    assert revoked["primaryKey"] == after["primaryKey"]
    assert revoked["secondaryKey"] not in after.values()
    chosen = {"key": "primary", "value": "a-key-of-my-own-choice"}
    last = (await api.post(f"{DIGITS}/regeneratekeys", json=chosen)).json()
    assert last == {"primaryKey": "a-key-of-my-own-choice", "secondaryKey": after["primaryKey"]}


async def test_of_two_who_make_keys_anew_neither_loses_one(api, writer):
    writer.put(endpoint())
    pair = await writer.keys(("default", "digits"))
    other = pair.__class__(pair.primary, "made-by-somebody-else")

    def another() -> None:
        writer.before_write = lambda: None
        writer._keys["default", "digits"] = other

    writer.before_write = another
    after = (await api.post(f"{DIGITS}/regeneratekeys", json={"key": "primary"})).json()
    assert after["secondaryKey"] == "made-by-somebody-else"
    assert after["primaryKey"] != pair.primary


@pytest.mark.parametrize(
    "body",
    [{}, {"key": "third"}, {"key": "primary", "value": "planted"}, {"key": "primary", "value": "planted with spaces!"},
     {"key": "primary", "valeu": "planted-value-misspelt"}, {"key": "primary", "value": ["planted"]}],
)  # fmt: skip
async def test_a_wrong_key_is_refused_and_not_repeated(api, writer, body):
    writer.put(endpoint())
    answer = await api.post(f"{DIGITS}/regeneratekeys", json=body)
    assert refused(answer) == (422, "invalid")
    assert "planted" not in answer.text


async def test_who_has_no_keys_or_tokens_says_so(api, writer):
    writer.put(endpoint("open-one", auth={"mode": "none"}))
    asked = (
        ("listkeys", None, "no_keys"),
        ("regeneratekeys", {"key": "primary"}, "no_keys"),
        ("token", None, "no_tokens"),
    )
    for what, body, code in asked:
        sent = {} if body is None else {"json": body}
        assert refused(await api.post(f"{PATH}/open-one/{what}", **sent)) == (409, code)
        assert refused(await api.post(f"{PATH}/unknown/{what}", **sent)) == (404, "not_found")


async def test_a_token_is_for_twelve_hours_unless_told(api, writer, all_parts):
    writer.put(endpoint("digits", auth={"mode": "token"}))
    answers = [
        await api.post(f"{DIGITS}/token"),
        await api.post(f"{DIGITS}/token", json={}),
        await api.post(f"{DIGITS}/token", json={"expiresInSeconds": 60}),
    ]
    assert [answer.json()["expiry_on"] for answer in answers] == [43_200, 43_200, 60]
    for wrong in (59, 86_401, "60", 60.5, True, None):
        assert refused(await api.post(f"{DIGITS}/token", json={"expiresInSeconds": wrong})) == (422, "invalid")
    assert [told[0] for told in all_parts.audit.told] == ["token"] * 3


# -- looking ----------------------------------------------------------------------------------------------------------


async def test_a_status_is_that_of_who_serves_it(api, writer, all_parts):
    all_parts.statuses.statuses["default", "digits"] = {"name": "digits", "configured": True}
    assert (await api.get(f"{DIGITS}/status")).json() == {"name": "digits", "configured": True}
    writer.put(endpoint("coming"))
    coming = {"name": "coming", "namespace": "default", "configured": False, "problems": [], "versions": []}
    assert (await api.get(f"{PATH}/coming/status")).json() == coming
    assert refused(await api.get(f"{PATH}/unknown/status")) == (404, "not_found")


async def test_lines_come_as_text(api, all_parts):
    all_parts.logs.of[("default", "digits"), "blue"] = ["1 one", "1 two", "2 drei ü"]
    answer = await api.get(f"{DIGITS}/versions/blue/logs?tail=2")
    assert (answer.text, answer.headers["content-type"]) == ("1 two\n2 drei ü\n", "text/plain; charset=utf-8")
    answer = await api.get(f"{DIGITS}/versions/green/logs")
    assert refused(answer) == (409, "no_logs")
    assert "kubectl logs" in answer.json()["detail"]
