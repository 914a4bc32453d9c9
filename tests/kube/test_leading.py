"""Three routers in a cluster: one leads, and no two scale at any time, whatever becomes of the leader."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime

import pytest

from tests.e2e.conftest import Maitre
from tests.kube.load import Load
from tests.kube.resources import Resource, endpoint, version

ROUTERS = 3
SLOTS = 4
AUTOSCALE = {"minReplicas": 1, "maxReplicas": 20, "scaleDownWindowSeconds": 600}

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]


class Routers:
    """All of them, with load on each."""

    def __init__(self, routers: list[Maitre], control_plane, namespace: str) -> None:
        self.all = routers
        self.loads: list[Load] = []
        self._audit = control_plane.audit
        self._namespace = namespace

    async def leader(self, *, but: Maitre | None = None) -> Maitre:
        """Who leads, as soon as somebody does."""
        async with asyncio.timeout(30):
            while True:
                for router in self.all:
                    if router is not but and await router.metric("maitre_leader") == 1:
                        return router
                await asyncio.sleep(0.02)

    async def size(self, at_least: int) -> None:
        async with asyncio.timeout(30):
            while max(self.sizes(), default=0) < at_least:
                await asyncio.sleep(0.05)

    def sizes(self) -> list[int]:
        """Written to the scale, in order."""
        found = self._audit.events(verb="update", resource="deployments/scale", namespace=self._namespace, code=200)
        return [each.answer["spec"]["replicas"] for each in found]

    def holders(self) -> list[tuple[datetime, str]]:
        """Accepted writes of the Lease."""
        found = [
            each
            for verb in ("create", "update")
            for each in self._audit.events(verb=verb, resource="leases", namespace=self._namespace)
            if each.code in (200, 201)
        ]
        return sorted((each.at, each.answer["spec"].get("holderIdentity", "")) for each in found)


@pytest.fixture
async def routers(own_control_plane, serve_in_cluster, admin, namespace, kubelet, workload) -> AsyncIterator[Routers]:
    await workload("blue")
    settings = {"maxConcurrentRequestsPerReplica": SLOTS, "maxQueueWaitMs": 30_000, "autoscale": AUTOSCALE}
    await admin.create(endpoint(version("blue", **settings)), namespace=namespace)
    options = ("--default-namespace", namespace)
    pods = [{"POD_NAME": f"maitre-{number}", "POD_NAMESPACE": namespace} for number in range(ROUTERS)]
    all_of_them = [await serve_in_cluster(*options, **pod) for pod in pods]
    routers = Routers(all_of_them, own_control_plane, namespace)
    resource = Resource(admin, namespace)
    await resource.until("Ready", "True")
    key = (await resource.keys())["primaryKey"]
    async with AsyncExitStack() as ends:
        routers.loads = [
            await ends.enter_async_context(Load(router, "digits", key, {"ms": 200})) for router in all_of_them
        ]
        yield routers


def load_of(routers: Routers, router: Maitre) -> Load:
    return routers.loads[routers.all.index(router)]


async def test_a_leader_that_is_killed_is_replaced_within_five_seconds(routers):
    first = await routers.leader()
    load_of(routers, first).start(10)
    await routers.size(at_least=4)  # 10 / (4 x 0.7)
    loop = asyncio.get_running_loop()
    killed = loop.time()
    first.process.kill()
    second = await routers.leader(but=first)
    takeover_s = loop.time() - killed
    print(f"takeover {takeover_s:.2f} s after kill -9")
    assert takeover_s < 5

    load_of(routers, second).start(20)
    await routers.size(at_least=8)  # 20 / (4 x 0.7)
    others = [load for router, load in zip(routers.all, routers.loads, strict=True) if router is not first]
    for load in others:
        await load.stop()
        assert load.wrong == []
    assert_never_two(routers)


async def test_a_leader_that_hangs_is_replaced_and_writes_nothing_when_it_goes_on(routers):
    first = await routers.leader()
    load_of(routers, first).start(10)
    await routers.size(at_least=4)
    loop = asyncio.get_running_loop()
    stopped = loop.time()
    first.process.send_signal(signal.SIGSTOP)
    try:
        second = await routers.leader(but=first)
        takeover_s = loop.time() - stopped
        print(f"takeover {takeover_s:.2f} s after SIGSTOP")
        assert takeover_s < 15
        load_of(routers, second).start(20)
        await routers.size(at_least=8)
    finally:
        first.process.send_signal(signal.SIGCONT)
    await first.line("this router leads no more")
    assert await first.metric("maitre_leader") == 0
    assert_never_two(routers)


async def test_a_leader_that_stops_hands_over_at_once(routers):
    first = await routers.leader()
    loop = asyncio.get_running_loop()
    stopped = loop.time()
    first.process.terminate()
    await routers.leader(but=first)
    takeover_s = loop.time() - stopped
    print(f"takeover {takeover_s:.2f} s after SIGTERM")
    assert takeover_s < 3
    assert_never_two(routers)


async def test_a_leader_that_loses_the_api_server_leads_no_more_and_one_leads_after_it(routers, own_control_plane):
    first = await routers.leader()
    await own_control_plane.stop_api_server()
    await first.line("this router leads no more")
    load_of(routers, first).start(4)
    await load_of(routers, first).answered(20)
    await own_control_plane.start_api_server()
    await routers.leader()
    await load_of(routers, first).stop()
    assert load_of(routers, first).wrong == []
    assert_never_two(routers)


def assert_never_two(routers: Routers) -> None:
    """Who decides holds the Lease at that time, by the API server's own account; and each size is written once."""
    holders = routers.holders()
    decided = 0
    for number, router in enumerate(routers.all):
        for at in times(router, "msg=decision"):
            decided += 1
            holder = [identity for since, identity in holders if since <= at][-1]
            assert holder.startswith(f"maitre-{number}_"), (at, holder)
    assert len(routers.sizes()) <= decided


def times(router: Maitre, words: str) -> list[datetime]:
    return [datetime.fromisoformat(re.search(r"time=(\S+)", line)[1]) for line in router.lines(re.escape(words))]
