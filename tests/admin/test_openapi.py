"""The OpenAPI document: it says what there is, and what it says holds, whatever is sent (schemathesis)."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks

from router.admin.api import api_routes, operations
from router.admin.app import build_app
from router.admin.openapi import document
from router.admin.server import AdminServer
from tests.admin.parts import READER, TOKEN, MemoryWriter, endpoint, parts

FEW = 4
"""Requests for each operation that are meant to be right, and as many that are meant to be wrong, in seconds."""
MANY = 60
"""The same, in minutes."""

TABLE = operations(parts(MemoryWriter()))
DOCUMENT = json.loads(json.dumps(document(TABLE)))


class Served:
    """The API on a real socket, in a thread of its own: schemathesis waits for answers. One router for all tests."""

    def __init__(self, health) -> None:
        self.writer = MemoryWriter()
        self._parts = parts(self.writer)
        self._parts.logs.of[("default", "digits"), "blue"] = ["1 line"]
        self._health = health
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> "Served":
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_exc) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _run(self) -> None:
        async def no_metrics(_accept: str) -> tuple[bytes, str]:
            return b"", "text/plain"

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        server = AdminServer(build_app(self._health, no_metrics, api_routes(self._parts, "default")), [sock], grace_s=1)
        await server.start()
        self.url = "http://{}:{}".format(*server.addresses[0])
        self._started.set()
        await self._stop.wait()
        await server.stop()

    def furnish(self) -> None:
        """What cases are to find there. Nobody else is at it meanwhile."""
        self.writer._stored.clear()
        self.writer.put(endpoint("digits", "blue", "green"))
        self.writer.put(endpoint("tokens", auth={"mode": "token"}))


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    from tests.admin.conftest import Health

    with Served(Health()) as served:
        yield served


@pytest.fixture(scope="module")
def schema() -> schemathesis.schemas.BaseSchema:
    return schemathesis.openapi.from_dict(DOCUMENT)


CASES = [
    pytest.param(operation, mode, id=f"{operation.id}-{mode.value}")
    for operation in TABLE
    for mode in schemathesis.GenerationMode
    if mode is schemathesis.GenerationMode.POSITIVE or operation.query  # where nothing is taken nothing can be wrong
]


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_no_answer_is_a_failure_or_undocumented(served, schema, operation, mode):
    send_some(served, schema, operation, mode, FEW)


@pytest.mark.long
@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_nor_is_it_with_many_more(served, schema, operation, mode):
    send_some(served, schema, operation, mode, MANY)


def send_some(served, schema, operation, mode, examples) -> None:
    described = schema[operation.path][operation.method]
    known = {"endpoint": st.sampled_from(["digits", "tokens"]), "version": st.sampled_from(["blue", "green"])}

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(described.as_strategy(generation_mode=mode), st.data())
    def send(case, data) -> None:
        served.furnish()
        if data.draw(st.booleans(), label="of what is there"):
            case.path_parameters = {name: data.draw(known[name]) for name in case.path_parameters or {}}
        case.call_and_validate(
            base_url=served.url,
            headers={"authorization": f"Bearer {data.draw(st.sampled_from([TOKEN] * 8 + [READER, 'wrong']))}"},
            checks=[
                checks.not_a_server_error,
                openapi_checks.status_code_conformance,
                openapi_checks.content_type_conformance,
                openapi_checks.response_headers_conformance,
                openapi_checks.response_schema_conformance,
            ],
        )

    send()


def test_anybody_may_read_it(served):
    answer = requests.get(f"{served.url}/openapi.json", timeout=10)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == DOCUMENT


def test_bodies_have_the_limits_of_files():
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Version"]["properties"]["maxQueueWaitMs"]["maximum"] == 86_400_000
    assert schemas["EndpointSpec"]["properties"]["versions"]["maxItems"] == 6
    assert schemas["ScoringEndpoint"]["required"] == ["apiVersion", "kind", "metadata", "spec"]
    assert schemas["VersionToPut"]["required"] == ["target"]


def test_every_path_and_code_of_the_contract_is_there():
    assert {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods} == {
        (operation.path, operation.method.lower()) for operation in TABLE
    }
    put = DOCUMENT["paths"]["/api/v1/endpoints/{endpoint}"]["put"]
    assert list(put["responses"]) == ["200", "201", "400", "401", "403", "404", "412", "413", "415", "422", "503"]
    delete = DOCUMENT["paths"]["/api/v1/endpoints/{endpoint}/versions/{version}"]["delete"]
    codes = delete["responses"]["409"]["content"]["application/problem+json"]["schema"]["allOf"][1]
    assert codes == {"properties": {"code": {"enum": ["default_version", "last_version"]}}}
