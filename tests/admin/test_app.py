"""The admin application over real sockets: paths, methods, bodies, headers."""

from uuid import UUID

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from router.admin.app import build_app
from router.admin.health import Phase


async def no_metrics(_accept: str) -> tuple[bytes, str]:
    return b"", "text/plain"


async def test_healthz_and_readyz_follow_the_router(serve, health):
    client = await serve(build_app(health, no_metrics))
    health.phase = Phase.STARTING
    assert [(await client.get(path)).status_code for path in ("/healthz", "/readyz")] == [200, 503]
    health.phase = Phase.SERVING
    assert [(await client.get(path)).status_code for path in ("/healthz", "/readyz")] == [200, 200]
    health.phase = Phase.DRAINING
    assert [(await client.get(path)).status_code for path in ("/healthz", "/readyz")] == [503, 503]


async def test_a_wrong_edit_stays_ready_and_says_what_is_wrong(serve, health):
    health.found = ["digits.yaml:7: spec.versions[0].trafficPercentile: 120 is not 0 to 100"]
    client = await serve(build_app(health, no_metrics))
    answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    detail = {"status": "ready", "configuration": "stale", "problemCount": 1, "problems": health.found}
    assert answer.json() == detail


async def test_metrics_are_rendered_for_the_accept_header(serve, health):
    asked = []

    async def render(accept: str) -> tuple[bytes, str]:
        asked.append(accept)
        return b"# EOF\n", "application/openmetrics-text; version=1.0.0; charset=utf-8"

    client = await serve(build_app(health, render))
    answer = await client.get(
        "/metrics", headers=[("accept", "application/openmetrics-text"), ("accept", "text/plain")]
    )
    assert (answer.status_code, answer.content) == (200, b"# EOF\n")
    assert answer.headers.get_list("content-type") == ["application/openmetrics-text; version=1.0.0; charset=utf-8"]
    assert asked == ["application/openmetrics-text, text/plain"]


@pytest.mark.parametrize("path", ["/", "/nothing", "/healthz/", "/metrics/x", "/%00", "/a%0d%0ab"])
async def test_an_unknown_path_is_an_error_with_a_body(serve, health, path):
    client = await serve(build_app(health, no_metrics))
    answer = await client.get(path)
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "requestId"}
    assert error["code"] == "not_found"
    assert error["requestId"] == answer.headers["x-request-id"] == str(UUID(error["requestId"]))


async def test_a_wrong_method_is_told_the_right_one(serve, health):
    client = await serve(build_app(health, no_metrics))
    answer = await client.post("/readyz")
    assert answer.status_code == 405
    assert answer.headers["allow"] in {"GET, HEAD", "HEAD, GET"}
    assert answer.json()["error"]["code"] == "method_not_allowed"
    assert "not POST" in answer.json()["error"]["message"]


async def test_head_answers_without_a_body(serve, health):
    client = await serve(build_app(health, no_metrics))
    answer = await client.head("/healthz")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_bug_is_an_error_without_its_details(serve, health, caplog):
    async def render(_accept: str) -> tuple[bytes, str]:
        raise LookupError("a secret")

    client = await serve(build_app(health, render))
    answer = await client.get("/metrics")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "secret" not in answer.text
    assert any(record.exc_info and record.exc_info[0] is LookupError for record in caplog.records)


async def test_other_parts_bring_their_routes(serve, health):
    async def answer(_request):
        return PlainTextResponse("here")

    client = await serve(build_app(health, no_metrics, [Route("/api/v1/endpoints", answer)]))
    assert (await client.get("/api/v1/endpoints")).text == "here"
