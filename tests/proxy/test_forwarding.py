"""What reaches the replica of a request, and the client of an answer: all as it came, but for the listed fields."""

import uuid
from ipaddress import IPv4Network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.core.limits import ClientLimits
from tests.fakes.replica import answering
from tests.fakes.wire import SCORE, reply, request
from tests.proxy.conftest import OpenHouse
from tests.proxy.house import House

ROUTERS_OWN = {
    b"host", b"content-length", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host",
    b"x-request-id", b"x-ms-request-id", b"traceparent",
}  # fmt: skip


# -- the request -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"])
async def test_method_query_and_body_arrive_as_sent(house: House, method: str):
    replica = await house.replica()
    house.serve(replica)
    client = await house.client()
    answer = await client.ask(request(method, f"{SCORE}?a=1&a=%2F&b", body=b"\x00\xff body"))
    assert (answer.status, answer.body) == (200, b"42")
    call = replica.calls[0]
    assert call.head.start.decode() == f"{method} /score?a=1&a=%2F&b HTTP/1.1"
    assert call.received == b"\x00\xff body"
    assert await house.counted() == [("blue", "ok", 200)]


async def test_end_to_end_fields_arrive_byte_for_byte_in_their_order(house: House):
    replica = await house.replica()
    house.serve(replica)
    client = await house.client()
    lines = ["Accept: a", "X-Twice:1", "ACCEPT: b", "x-TWICE: \t2 ", "Cookie: s=1; t=2", "X-Utf8: \xc3\xa9", "X-Empty:"]
    await client.ask(request("POST", SCORE, *lines, body=b"1"))
    assert "\r\n".join(lines).encode("latin-1") in replica.calls[0].head.raw
    assert await house.counted() == [("blue", "ok", 200)]


async def test_fields_of_one_hop_and_the_credential_stay_here(house: House):
    replica = await house.replica()
    version = house.version("blue", replica)
    house.publish(house.endpoint(version, keys=("secret-key", "other-key")))
    client = await house.client()
    lines = [
        "Authorization: Bearer secret-key",
        "Connection: keep-alive, X-Named, x-other",
        "X-Named: 1",
        "x-NAMED: 2",
        "X-Other: 3",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eA==",
        "TE: trailers",
        "Upgrade: websocket",
        "X-Request-Id: mine",
        "X-Ms-Request-Id: mine",
        "X-Ms-Run-Function-Failed: true",
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Host: evil.example",
        "Forwarded: for=6.6.6.6",
        "azureml-model-deployment: blue",
        "X-Kept: yes",
    ]
    assert (await client.ask(request("POST", SCORE, *lines, body=b"1"))).status == 200
    head = replica.calls[0].head
    assert b"secret-key" not in head.raw
    assert [field for field in head.fields if field[0].lower() not in ROUTERS_OWN] == [(b"X-Kept", b"yes")]
    assert head["x-forwarded-for"] == b"127.0.0.1"
    assert head["x-forwarded-proto"] == b"http"
    assert head["x-forwarded-host"] == b"example.com"
    assert head["host"] == b"example.com"
    assert await house.counted() == [("blue", "ok", 200)]


async def test_what_a_trusted_proxy_says_of_the_client_is_kept_and_continued(open_house: OpenHouse):
    house = await open_house(trusted=(IPv4Network("127.0.0.0/8"),))
    replica = await house.replica()
    house.serve(replica)
    client = await house.client()
    lines = ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example"]
    await client.ask(request("POST", SCORE, *lines, body=b"1"))
    await client.ask(request("POST", SCORE, body=b"1"))
    first, second = (call.head for call in replica.calls)
    assert first["x-forwarded-for"] == b"6.6.6.6, 127.0.0.1"
    assert (first["x-forwarded-proto"], first["x-forwarded-host"]) == (b"https", b"shop.example")
    assert second["x-forwarded-for"] == b"127.0.0.1"
    assert (second["x-forwarded-proto"], second["x-forwarded-host"]) == (b"http", b"example.com")
    assert await house.counted(2) == [("blue", "ok", 200)] * 2


async def test_a_proxy_elsewhere_is_not_trusted(open_house: OpenHouse):
    house = await open_house(trusted=(IPv4Network("10.0.0.0/8"),))
    replica = await house.replica()
    house.serve(replica)
    await (await house.client()).ask(request("POST", SCORE, "X-Forwarded-For: 6.6.6.6", body=b"1"))
    assert replica.calls[0].head["x-forwarded-for"] == b"127.0.0.1"
    assert await house.counted() == [("blue", "ok", 200)]


async def test_ids_are_fresh_and_the_same_on_both_sides(house: House):
    replica = await house.replica()
    house.serve(replica)
    client = await house.client()
    answers = [await client.ask(request("GET")) for _ in range(3)]
    ids = [answer["x-request-id"] for answer in answers]
    assert len(set(ids)) == 3
    for answer, call, request_id in zip(answers, replica.calls, ids, strict=True):
        assert uuid.UUID(request_id).version == 4
        assert answer["x-ms-request-id"] == request_id
        assert call.head["x-request-id"] == call.head["x-ms-request-id"] == request_id.encode()
    assert await house.counted(3) == [("blue", "ok", 200)] * 3


async def test_a_trace_context_is_kept_or_made(house: House):
    replica = await house.replica()
    house.serve(replica)
    client = await house.client()
    given_context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for line in (f"traceparent: {given_context}", "traceparent: 00-nonsense", "X-None: 1"):
        await client.ask(request("GET", SCORE, line))
    kept, mended, made = (call.head for call in replica.calls)
    assert kept["traceparent"] == given_context.encode()
    for head in (mended, made):
        version, trace, parent, flags = head["traceparent"].split(b"-")
        assert (version, len(trace), len(parent), flags) == (b"00", 32, 16, b"01")
        assert trace == head["x-request-id"].replace(b"-", b"")
    assert await house.counted(3) == [("blue", "ok", 200)] * 3


async def test_the_callers_own_id_goes_both_ways_cut_to_what_is_safe(house: House):
    replica = await house.replica(answering(reply(b"1", 200, "x-ms-client-request-id: forged")))
    house.serve(replica)
    client = await house.client()
    sent = "a<b>_c-" + "x" * 60
    answer = await client.ask(request("GET", SCORE, f"x-ms-client-request-id: {sent}"))
    expected = ("ab_c-" + "x" * 60)[:40]
    assert answer["x-ms-client-request-id"] == expected
    assert replica.calls[0].head["x-ms-client-request-id"] == expected.encode()
    assert "x-ms-client-request-id" not in await client.ask(request("GET", SCORE, "x-ms-client-request-id: <>"))
    assert await house.counted(2) == [("blue", "ok", 200)] * 2


# -- paths, hosts and versions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "arrives_as"),
    [
        ("/api/v1/service/digits/score", "/v2/infer"),
        ("/api/v1/service/digits/score?x=1", "/v2/infer?x=1"),
        ("/api/v1/service/digits/score/", "/score/"),
        ("/api/v1/service/digits/scores", "/scores"),
        ("/api/v1/service/digits/swagger.json", "/swagger.json"),
        ("/api/v1/service/digits/v1/chat/completions?stream=true", "/v1/chat/completions?stream=true"),
        ("/api/v1/service/digits/", "/"),
        ("/api/v1/service/digits/a%2Fb//c;d=1", "/a%2Fb//c;d=1"),
        ("http://other.example/api/v1/service/digits/score", "/v2/infer"),
    ],
)
async def test_paths(house: House, path: str, arrives_as: str):
    replica = await house.replica()
    house.serve(replica, scoring_path="/v2/infer")
    assert (await (await house.client()).ask(request("GET", path))).status == 200
    assert replica.calls[0].target == arrives_as
    assert await house.counted() == [("blue", "ok", 200)]


async def test_a_claimed_host_forwards_its_whole_path(house: House):
    ours, theirs = await house.replica(answering(reply(b"ours"))), await house.replica(answering(reply(b"theirs")))
    by_path = house.endpoint(house.version("blue", theirs))
    by_host = house.endpoint(house.version("green", ours), name="shop")
    house.publish(by_path, by_host, hosts={"shop.example": by_host})
    client = await house.client()
    for host in ("shop.example", "SHOP.example:8080"):
        for path in ("/healthz", "/a/b?c", SCORE):
            answer = await client.ask(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert answer.body == b"ours"
            assert ours.calls[-1].target == path
            assert ours.calls[-1].head["host"] == host.encode()
    assert (await client.ask(request("GET"))).body == b"theirs"
    assert await house.counted(7) == [*[("green", "ok", 200)] * 6, ("blue", "ok", 200)]


async def test_health_is_answered_here_and_not_counted(house: House):
    client = await house.client()
    answer = await client.ask(request("GET", "/healthz?verbose"))
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')
    assert (await client.ask(request("HEAD", "/healthz"))).head["content-length"] == b"15"
    assert (await client.ask(request("POST", "/healthz"))).status == 404
    assert await house.counted() == [("", "not_found", 404)]


async def test_the_pinned_version_answers_and_says_so(house: House):
    replicas = [await house.replica(answering(reply(name))) for name in (b"blue", b"green")]
    versions = [house.version(name, each) for name, each in zip(("blue", "green"), replicas, strict=True)]
    house.publish(house.endpoint(*versions, percentiles={"blue": 80.0, "green": 20.0}))
    client = await house.client()
    for name in ("green", "blue"):
        answer = await client.ask(request("GET", SCORE, f"azureml-model-deployment: {name} "))
        assert (answer.body.decode(), answer["azureml-model-deployment"]) == (name, name)
    for house.u, expected in ((0.0, "blue"), (0.799, "blue"), (0.8, "green"), (0.999, "green")):
        assert (await client.ask(request("GET")))["azureml-model-deployment"] == expected
    counted = [where for where, *_ in await house.counted(6)]
    assert counted == ["green", "blue", "blue", "blue", "green", "green"]


async def test_a_sticky_value_stays_with_its_version(house: House):
    replicas = [await house.replica() for _ in range(2)]
    versions = [house.version(name, each) for name, each in zip(("blue", "green"), replicas, strict=True)]
    house.publish(house.endpoint(*versions, percentiles={"blue": 50.0, "green": 50.0}, sticky_header="x-user"))
    client = await house.client()
    chosen = {}
    for round_ in range(2):
        for user in range(20):
            house.u = round_ * 0.9  # the draw must not matter
            answer = await client.ask(request("GET", SCORE, f"X-User: u{user}"))
            assert chosen.setdefault(user, answer["azureml-model-deployment"]) == answer["azureml-model-deployment"]
    assert set(chosen.values()) == {"blue", "green"}
    assert len(await house.counted(40)) == 40


# -- the answer --------------------------------------------------------------------------------------------------------


async def test_the_answers_fields_come_through_and_the_routers_own_replace_the_models(house: House):
    lines = [
        "Set-Cookie: a=1", "X-Model: m", "set-cookie: b=2", "X-Request-Id: model", "x-ms-request-id: model",
        "azureml-model-deployment: red", "Connection: X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive", "x-ms-run-fn-exec-ms: 12",
    ]  # fmt: skip
    replica = await house.replica(answering(reply(b"42", 203, *lines, reason="Well, well")))
    house.serve(replica)
    answer = await (await house.client()).ask(request("GET"))
    assert answer.head.start == b"HTTP/1.1 203 Well, well"
    ours = {b"content-length", b"x-request-id", b"x-ms-request-id", b"azureml-model-deployment"}
    assert [field for field in answer.head.fields if field[0] not in ours] == [
        (b"Set-Cookie", b"a=1"),
        (b"X-Model", b"m"),
        (b"set-cookie", b"b=2"),
        (b"x-ms-run-fn-exec-ms", b"12"),
    ]
    assert answer["x-request-id"] == answer["x-ms-request-id"] == replica.calls[0].head["x-request-id"].decode()
    assert answer["azureml-model-deployment"] == "blue"
    assert await house.counted() == [("blue", "ok", 203)]


@pytest.mark.parametrize("status", [201, 302, 400, 404, 429, 501, 502, 503, 504, 599])
async def test_every_status_but_500_passes_through(house: House, status: int):
    house.serve(await house.replica(answering(reply(b"said the model", status, "Retry-After: 7"))))
    answer = await (await house.client()).ask(request("GET"))
    assert (answer.status, answer.body, answer["retry-after"]) == (status, b"said the model", "7")
    assert await house.counted() == [("blue", "ok", status)]


async def test_a_models_500_becomes_502_with_its_body(house: House):
    replica = await house.replica(answering(reply(b"Traceback", 500, "x-ms-run-function-failed: True")))
    house.serve(replica)
    client = await house.client()
    for _ in range(2):
        answer = await client.ask(request(body=b"1"))
        assert (answer.status, answer.body) == (502, b"Traceback")
        assert answer["x-ms-run-function-failed"] == "True"
    assert replica.connections == 1
    assert await house.counted(2) == [("blue", "model_error", 502)] * 2


async def test_server_timing_where_the_endpoint_wants_it(house: House):
    house.serve(await house.replica(), server_timing=True)
    answer = await (await house.client()).ask(request("GET"))
    parts = [part.split(";dur=") for part in answer["server-timing"].split(", ")]
    assert [name for name, _ in parts] == ["queue", "upstream", "router"]
    assert all(0 <= float(milliseconds) < 10_000 for _, milliseconds in parts)
    assert await house.counted() == [("blue", "ok", 200)]


# -- any fields --------------------------------------------------------------------------------------------------------

_names = st.from_regex(r"[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,20}", fullmatch=True)
_values = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40)
_NOT_FORWARDED = (
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "upgrade", "authorization",
    "azureml-model-deployment", "x-request-id", "forwarded", "traceparent", "expect",
)  # fmt: skip


def _is_forwarded(field: tuple[str, str]) -> bool:
    name = field[0].lower()
    return name not in _NOT_FORWARDED and not name.startswith(("proxy-", "x-ms-", "x-forwarded-"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_names, _values).filter(_is_forwarded), max_size=8), st.binary(max_size=100))
async def test_any_other_field_goes_through_both_ways_unchanged(house: House, fields, body):
    lines = [f"{name}:{value}" for name, value in fields]
    sent = "".join(f"\r\n{line}" for line in lines).encode("latin-1")
    replica = await house.replica(answering(reply(body, 200, *lines)))
    house.serve(replica)
    client = await house.client()
    answer = await client.ask(request("POST", SCORE, *lines, body=body))
    assert (answer.status, answer.body, replica.calls[0].received) == (200, body, body)
    assert sent in replica.calls[0].head.raw
    assert sent in answer.head.raw
    await client.close()


def test_the_limits_are_the_contracts():
    limits = ClientLimits()
    assert (limits.head_bytes, limits.header_lines, limits.body_bytes) == (65536, 100, 104857600)
    assert (limits.idle_s, limits.head_s) == (75.0, 10.0)
