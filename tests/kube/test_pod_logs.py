"""What pods print, through the admin API of a whole router and a real API server; the kubelet behind it is played.

A test writes into the files that the containers' output goes to, so that it knows every line.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.e2e.conftest import BOUND_S
from tests.kube.log_server import LogServer
from tests.kube.resources import endpoint, version
from tests.kube.rights import FOR_THE_ADMIN_API, rights

LOGS = "/api/v1/endpoints/digits/versions/blue/logs"
STILL = {"autoscale": {"enabled": False}}


@pytest.fixture
async def logs(admin, namespace, kubelet, tmp_path) -> AsyncIterator[LogServer]:
    async with LogServer(tmp_path).serving(admin, f"node-of-{namespace}") as serving:
        yield serving


@pytest.fixture
async def api(
    serve_in_cluster, admin, namespace, workload, kubelet, logs, tmp_path
) -> AsyncIterator[httpx.AsyncClient]:
    """Of a router that serves two pods."""
    await workload("blue", replicas=2)
    token = tmp_path / "token"
    token.write_text("an-admin-token-of-thirty-two-characters")
    pod = {"POD_NAME": "maitre-0", "POD_NAMESPACE": namespace}
    allowed = rights(more=FOR_THE_ADMIN_API)
    options = ("--default-namespace", namespace, "--admin-token-file", str(token))
    maitre = await serve_in_cluster(*options, allowed=allowed, **pod)
    await admin.create(endpoint(version("blue", **STILL)), namespace=namespace)
    await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")
    base, headers = f"http://127.0.0.1:{maitre.admin_port}", {"authorization": f"Bearer {token.read_text()}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=BOUND_S) as client:
        yield client


@contextlib.asynccontextmanager
async def following(api: httpx.AsyncClient, **query: str):
    async with api.stream("GET", LOGS, params={"follow": "true", **query}) as page:
        assert page.status_code == 200
        yield page.aiter_lines()


async def next_lines(lines, number: int) -> list[str]:
    async with asyncio.timeout(BOUND_S):
        return [await anext(lines) for _ in range(number)]


def say(tmp_path, pod, *lines: str) -> None:
    with (tmp_path / f"{pod.name}.log").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


async def test_the_last_lines_of_each_pod(api, kubelet, tmp_path):
    one, two = sorted(await kubelet.ready(2), key=lambda pod: pod.name)
    say(tmp_path, one, "a", "b", "c")
    say(tmp_path, two, "d")
    answer = await api.get(LOGS, params={"tail": "2"})
    assert answer.text.splitlines()[:2] == [f"{one.name} b", f"{one.name} c"]
    assert answer.text.splitlines()[-1] == f"{two.name} d"


async def test_lines_that_come_are_told_once_whatever_breaks_off(api, kubelet, logs, tmp_path):
    one, two = sorted(await kubelet.ready(2), key=lambda pod: pod.name)
    say(tmp_path, one, "before")
    async with following(api, tail="1") as lines:
        while f"{one.name} before" not in set(await next_lines(lines, 1)):
            pass
        say(tmp_path, one, "first")
        say(tmp_path, two, "other")
        assert set(await next_lines(lines, 2)) == {f"{one.name} first", f"{two.name} other"}
        asked = len(logs.asked)
        logs.cut()
        say(tmp_path, one, "while nobody listened")
        assert await next_lines(lines, 1) == [f"{one.name} while nobody listened"]
        assert all("sinceTime" in each for each in logs.asked[asked:])
        say(tmp_path, two, "after")
        assert await next_lines(lines, 1) == [f"{two.name} after"], "nothing is told twice"


async def test_a_pod_that_comes_later_is_followed_and_the_end_of_the_endpoint_is_the_end(
    api, kubelet, control_plane, namespace, tmp_path
):
    before = await kubelet.ready(2)
    async with following(api, tail="0") as lines:
        await control_plane.kubectl("--namespace", namespace, "scale", "deployment/blue", "--replicas=3")
        (third,) = [pod for pod in await kubelet.ready(3) if pod not in before]
        say(tmp_path, third, "hello")
        seen: list[str] = []
        while f"{third.name} hello" not in seen:
            seen += await next_lines(lines, 1)
        assert (await api.delete("/api/v1/endpoints/digits")).status_code == 204
        async with asyncio.timeout(BOUND_S):
            assert [line async for line in lines if "cannot be read" in line] == []


async def test_a_log_that_cannot_be_read_is_told_once(api, kubelet, logs):
    """Nobody is where the kubelet was."""
    await kubelet.ready(2)
    logs.refuse()
    answer = await api.get(LOGS, params={"tail": "1"})
    lines = answer.text.splitlines()
    assert [line.startswith("- maitre: the log of blue-") for line in lines] == [True, True]
    assert all("cannot be read: " in line for line in lines)
