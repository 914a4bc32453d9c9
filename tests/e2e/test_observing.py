"""What the admin API shows while a router runs: how an endpoint is doing, what its replicas print, what happens."""

import asyncio
import contextlib
import json
import shlex
import sys

import httpx

from tests.e2e.conftest import BOUND_S, MODEL, endpoint
from tests.e2e.managing import admin_url, sdk, token_file

AUTOSCALE = "autoscale: {minReplicas: 1, maxReplicas: 3, targetUtilization: 70, scaleDownWindowSeconds: 60}"


def talking(says: str) -> str:
    """A version whose replicas say something before they serve."""
    serves = shlex.join([sys.executable, "-I", "-S", str(MODEL), "--port"])
    command = json.dumps(["sh", "-c", f'echo {says} from $MAITRE_REPLICA; exec {serves} "$0"', "{port}"])
    return f"    - name: blue\n      target: {{command: {command}}}\n      {AUTOSCALE}\n      maxQueueWaitMs: 20000"


@contextlib.asynccontextmanager
async def reading(maitre, path: str, **headers: str):
    """The lines of a page that does not end."""
    headers |= {"authorization": f"Bearer {token_file(maitre).read_text().strip()}"}
    async with (
        httpx.AsyncClient(base_url=admin_url(maitre), timeout=BOUND_S) as client,
        client.stream("GET", path, headers=headers) as page,
    ):
        assert page.status_code == 200
        yield page.aiter_lines()


async def next_event(lines) -> tuple[str, dict]:
    """Its number, and what it says."""
    number, data = "", None
    async with asyncio.timeout(BOUND_S):
        async for line in lines:
            match line.partition(": "):
                case ("id", _, value):
                    number = value
                case ("data", _, value):
                    data = json.loads(value)
                case ("", _, _) if data is not None:
                    return number, data
    raise AssertionError("there are no more")


async def until_event(lines, **says) -> tuple[str, dict]:
    while True:
        number, data = await next_event(lines)
        if says.items() <= data.items():
            return number, data


async def test_logs_and_status(serve):
    maitre = await serve(endpoint(talking("hello")))
    await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
    async with sdk(maitre) as owner:
        digits = await owner.endpoint("digits")
        (line,) = (await digits.get_logs("blue")).splitlines()
        replica, _, said = line.partition(" ")
        assert said == f"hello from {replica}"
        async with reading(maitre, "/api/v1/endpoints/digits/versions/blue/logs?tail=0&follow=true") as lines:
            async with asyncio.TaskGroup() as tasks:
                requests = [tasks.create_task(maitre.connection().post("digits", {"ms": 300})) for _ in range(3)]
            assert {request.result().status for request in requests} == {200}
            async with asyncio.timeout(BOUND_S):
                another = await anext(lines)
            assert another.startswith("blue-") or " hello from " in another
            assert not another.startswith(replica + " ")
        status = await digits.status()
        (blue,) = status.versions
        assert blue.name == "blue"
        assert blue.traffic_share == 100
        assert status.scoring_uri == f"http://127.0.0.1:{maitre.port}/api/v1/service/digits/score"


async def test_events_are_told_and_told_again_to_who_comes_back(serve):
    maitre = await serve(endpoint(talking("hello")))
    await maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
    async with reading(maitre, "/api/v1/events") as lines:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(maitre.connection().post("digits", {"ms": 300}))
        first, decision = await until_event(lines, type="decision")
        assert (decision["endpoint"], decision["version"]) == ("digits", "blue")
        assert decision["desired"] > decision["current"]
        maitre.edit("maxQueueWaitMs: 20000", "maxQueueWaitMs: -1")
        _, refused = await until_event(lines, type="configuration", state="refused")
        assert "maxQueueWaitMs" in refused["problems"][0]
        maitre.edit("maxQueueWaitMs: -1", "maxQueueWaitMs: 10000")
        await until_event(lines, type="configuration", state="in_force", endpoint="digits")
    headers = {"last-event-id": first}
    async with reading(maitre, "/api/v1/events?types=configuration", **headers) as lines:
        _, again = await next_event(lines)
        assert again == refused
        assert await maitre.stop() == 0, "who follows holds up no end"
        async with asyncio.timeout(BOUND_S):
            assert [line async for line in lines if line.startswith("data")] != [], "what came after, and the end"
