"""The clients that people use: each scores with a key, keeps its connection, sends a large body, reads a stream.

The model is Starlette on uvicorn (`streaming_model`), so neither end reads HTTP the way the router does. Load tools are
believed about what they saw, and the router's counters must say the same.
"""

import asyncio
import hashlib
import io
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx
import openai
import pytest
import requests

from tests.e2e.conftest import BOUND_S, KEYS, STREAMING_MODEL, Maitre, endpoint, version
from tests.e2e.streaming_model import WORDS

KEY = KEYS["primaryKey"]
AUTHORIZATION = {"authorization": f"Bearer {KEY}"}
LARGE = bytes(range(256)) * (3 * 4096)  # 3 MiB: above what any of them sends in one piece
LARGE_SHA256 = hashlib.sha256(LARGE).hexdigest()
EVENTS = "events?count=5&every_ms=1"
ONE_REPLICA = {"enabled": False, "replicas": 1}


def service(maitre: Maitre, rest: str = "score") -> str:
    return f"http://127.0.0.1:{maitre.port}/api/v1/service/digits/{rest}"


@pytest.fixture
async def maitre(serve) -> Maitre:
    blue = version(model=STREAMING_MODEL, maxConcurrentRequestsPerReplica=16, autoscale=ONE_REPLICA)
    maitre = await serve(endpoint(blue))
    await maitre.line("is ready on port")
    return maitre


def needs(tool: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed (Debian package {package})")


@dataclass
class Ran:
    """What a command printed."""

    out: bytes
    err: str


async def run(*command: str, stdin: bytes | None = None) -> Ran:
    """Runs a command to its end, which must be a good one."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(BOUND_S):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return Ran(out, err.decode())


# -- curl -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def large_file(tmp_path: Path) -> str:
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    return str(path)


async def curl(*options: str, key: str = KEY, stdin: bytes | None = None) -> Ran:
    return await run("curl", "-sSv", "-H", f"authorization: Bearer {key}", *options, stdin=stdin)


@needs("curl", "curl")
class TestCurl:
    async def test_scores_twice_on_one_connection(self, maitre):
        said = await curl("-d", "{}", "-w", "\n%{http_code} %{num_connects}\n", service(maitre), service(maitre))
        first, first_line, second, second_line = said.out.decode().splitlines()
        assert (first_line, second_line) == ("200 1", "200 0")
        assert json.loads(first)["bytes"] == json.loads(second)["bytes"] == 2
        assert json.loads(first)["authorization"] is None

    @pytest.mark.parametrize("protocol", ["--http1.0", "--http1.1"])
    async def test_large_body(self, maitre, large_file, protocol):
        said = await curl(protocol, "--data-binary", f"@{large_file}", service(maitre))
        assert json.loads(said.out)["sha256"] == LARGE_SHA256

    async def test_the_models_leave_to_continue_comes_through(self, maitre, large_file):
        """curl would wait for it for longer than the test may take."""
        options = ["-H", "expect: 100-continue", "--expect100-timeout", "600"]
        said = await curl(*options, "--data-binary", f"@{large_file}", service(maitre))
        assert "< HTTP/1.1 100 Continue" in said.err
        assert json.loads(said.out)["sha256"] == LARGE_SHA256

    @pytest.mark.parametrize("expect", ["expect: 100-continue", "expect:"])
    async def test_a_refusal_spares_the_body(self, maitre, tmp_path, expect):
        """Wrong key, body above the limit: curl sees the answer, whether it waits with the body or sends at once."""
        huge = tmp_path / "huge"
        with huge.open("wb") as file:
            file.truncate(100 * 1024 * 1024 + 1)
        options = ["-H", expect, "--expect100-timeout", "600", "--data-binary", f"@{huge}"]
        options += ["-o", str(tmp_path / "said"), "-w", "%{http_code} %{size_upload}"]
        for key, status in [("a-wrong-key-0123456789", "401"), (KEY, "413")]:
            code, uploaded = (await curl(*options, service(maitre), key=key)).out.decode().split()
            assert code == status
            assert int(uploaded) == 0 or "100" not in expect

    async def test_a_model_that_answers_before_the_end_of_the_body_is_heard(self, maitre, large_file):
        said = await curl("-H", "expect:", "--data-binary", f"@{large_file}", service(maitre, "hasty"))
        assert said.out == b"not you"

    async def test_chunked_upload_from_a_pipe(self, maitre):
        said = await curl("-T", "-", "-X", "POST", service(maitre), stdin=LARGE)
        answer = json.loads(said.out)
        assert answer["sha256"] == LARGE_SHA256
        assert (answer["transfer-encoding"], answer["content-length"]) == ("chunked", None)

    async def test_head_says_the_length_and_sends_nothing(self, maitre):
        then = ["--next", "-sS", "-H", f"authorization: Bearer {KEY}", "-w", "\n%{num_connects}"]
        said = await curl("-I", "-w", "%{num_connects} %{size_download}\n", service(maitre), *then, service(maitre, ""))
        head, _, rest = said.out.decode().partition("\r\n\r\n")
        assert re.search(r"(?mi)^content-length: [1-9]\d*", head)
        assert rest == "1 0\nok\n0", "nothing was sent; the second answer came on the same connection"

    async def test_a_compressed_answer_passes_as_it_is(self, maitre):
        plain = await curl("-d", "{}", service(maitre))
        packed = await curl("-d", "{}", "-H", "accept-encoding: gzip", service(maitre))
        unpacked = await curl("-d", "{}", "--compressed", service(maitre))
        assert packed.out.startswith(b"\x1f\x8b")
        assert "content-encoding: gzip" in packed.err
        assert json.loads(unpacked.out) == json.loads(plain.out)

    @pytest.mark.parametrize("protocol", ["--http1.0", "--http1.1"])
    async def test_events(self, maitre, protocol):
        """An HTTP/1.0 client gets them without the chunks around them."""
        said = await curl(protocol, "-N", service(maitre, EVENTS))
        assert re.fullmatch(r"(data: \d+\n\n){5}", said.out.decode())

    async def test_an_offer_of_http2_is_not_taken(self, maitre):
        """`Upgrade: h2c`: a tunnel would let requests past the router; who ignores the offer may answer in HTTP/1.1."""
        said = await curl("--http2", "-w", "\n%{http_version}", service(maitre))
        assert "upgrade: h2c" in said.err.lower()
        answer, http_version = said.out.decode().splitlines()
        assert json.loads(answer)["upgrade"] is None
        assert http_version == "1.1"


# -- Python ------------------------------------------------------------------------------------------------------------


async def test_httpx(maitre):
    async with httpx.AsyncClient(headers=AUTHORIZATION) as client:
        ports = set()
        for _ in range(3):
            answer = await client.post(service(maitre), json={})
            ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
            assert answer.json()["bytes"] == 2
        assert len(ports) == 1
        assert (await client.post(service(maitre), content=LARGE)).json()["sha256"] == LARGE_SHA256

        async def parts():
            for at in range(0, len(LARGE), 100_000):
                yield LARGE[at : at + 100_000]

        assert (await client.post(service(maitre), content=parts())).json()["sha256"] == LARGE_SHA256
        async with client.stream("GET", service(maitre, EVENTS)) as streamed:
            lines = [line async for line in streamed.aiter_lines() if line]
        assert [line.split(":")[0] for line in lines] == ["data"] * 5
        assert (await client.head(service(maitre))).status_code == 200


async def test_aiohttp(maitre):
    opened = []

    async def opening(*_: object) -> None:
        opened.append(True)

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(opening)
    async with aiohttp.ClientSession(headers=AUTHORIZATION, trace_configs=[trace]) as session:
        for _ in range(3):
            async with session.post(service(maitre), json={}) as answer:
                assert (await answer.json())["bytes"] == 2
        for options in [{}, {"expect100": True}, {"chunked": True}]:
            async with session.post(service(maitre), data=io.BytesIO(LARGE), **options) as answer:
                assert (await answer.json())["sha256"] == LARGE_SHA256
        async with session.get(service(maitre, EVENTS)) as streamed:
            lines = [line async for line in streamed.content if line.strip()]
        assert [line.split(b":")[0] for line in lines] == [b"data"] * 5
    assert len(opened) == 1


async def test_requests(maitre):
    await asyncio.to_thread(_use_requests, maitre)


def _use_requests(maitre: Maitre) -> None:
    with requests.Session() as session:
        session.headers.update(AUTHORIZATION)
        for _ in range(3):
            assert session.post(service(maitre), json={}, timeout=BOUND_S).json()["bytes"] == 2
        assert session.post(service(maitre), data=LARGE, timeout=BOUND_S).json()["sha256"] == LARGE_SHA256
        parts = (LARGE[at : at + 100_000] for at in range(0, len(LARGE), 100_000))
        assert session.post(service(maitre), data=parts, timeout=BOUND_S).json()["sha256"] == LARGE_SHA256
        with session.get(service(maitre, EVENTS), stream=True, timeout=BOUND_S) as streamed:
            lines = [line for line in streamed.iter_lines() if line]
        assert [line.split(b":")[0] for line in lines] == [b"data"] * 5
        pools = session.get_adapter(service(maitre)).poolmanager.pools
        assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118  it cannot be iterated over


async def test_openai(maitre):
    """The official client, with the endpoint's key as its key: whole, streamed, and refused."""
    asked = {"model": "stub", "messages": [{"role": "user", "content": "What does a maître d' do?"}]}
    base_url = service(maitre, "v1")
    async with openai.AsyncOpenAI(base_url=base_url, api_key=KEY, max_retries=0) as client:
        whole = await client.chat.completions.create(**asked)
        assert whole.choices[0].message.content == "".join(WORDS)
        streamed = await client.chat.completions.create(**asked, stream=True)
        said = [part.choices[0].delta.content async for part in streamed]
        assert said == [*WORDS, None]
    async with openai.AsyncOpenAI(base_url=base_url, api_key="wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.chat.completions.create(**asked)
        assert refused.value.code == "unauthorized"


# -- load tools --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def plain(serve) -> Maitre:
    """With the plain model behind it, and a slot for every client of a load tool."""
    blue = version(maxConcurrentRequestsPerReplica=CLIENTS, autoscale=ONE_REPLICA)
    maitre = await serve(endpoint(blue))
    await maitre.line("is ready on port")
    return maitre


CLIENTS = 32
REQUESTS = 5000
BODY = '{"ms": 0}'


async def ok(maitre: Maitre) -> float:
    """How many requests were answered 200, once none is in flight; there must be no other answers."""
    await maitre.until_metric(lambda value: value == 0, "maitre_requests_in_flight")
    answered = await maitre.metric("maitre_requests_total", outcome="ok", code="200")
    gone = await maitre.metric("maitre_requests_total", outcome="client_gone")
    assert await maitre.metric("maitre_requests_total") == answered + gone
    return answered


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found, text
    return int(found[1])


@needs("wrk", "wrk")
async def test_wrk(plain, tmp_path):
    """It stops in the middle: what was under way then may have been answered without its counting it."""
    script = tmp_path / "post.lua"
    script.write_text(f"wrk.method = 'POST'\nwrk.body = '{BODY}'\nwrk.headers['authorization'] = 'Bearer {KEY}'\n")
    said = (await run("wrk", "-t1", f"-c{CLIENTS}", "-d2s", "-s", str(script), service(plain))).out.decode()
    assert "Non-2xx" not in said
    assert "Socket errors" not in said
    seen = number(r"(\d+) requests in", said)
    assert seen > 0
    assert seen <= await ok(plain) <= seen + CLIENTS
    assert await plain.metric("maitre_requests_total") <= seen + CLIENTS


@needs("h2load", "nghttp2-client")
async def test_h2load(plain, tmp_path):
    body = tmp_path / "body"
    body.write_text(BODY)
    load = ["h2load", "--h1", f"-n{REQUESTS}", f"-c{CLIENTS}", "-d", str(body)]
    said = (await run(*load, "-H", f"authorization: Bearer {KEY}", service(plain))).out.decode()
    assert f"{REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert f"status codes: {REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx" in said
    assert await ok(plain) == REQUESTS == await plain.metric("maitre_requests_total")


@needs("hey", "hey")
@pytest.mark.parametrize("connections", [[], ["-disable-keepalive"]], ids=["kept alive", "one request each"])
async def test_hey(plain, connections):
    requests_each = REQUESTS // CLIENTS  # it rounds down
    said = (
        await run(
            "hey", f"-n={REQUESTS}", f"-c={CLIENTS}", "-m=POST", f"-d={BODY}", *connections,
            "-H", f"authorization: Bearer {KEY}", service(plain),
        )
    ).out.decode()  # fmt: skip
    assert "Error distribution" not in said
    assert re.findall(r"\[(\d+)\]\s+(\d+) responses", said) == [("200", str(requests_each * CLIENTS))]
    assert await ok(plain) == requests_each * CLIENTS == await plain.metric("maitre_requests_total")
