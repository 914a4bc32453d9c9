"""Who leads sizes a version by what all routers tell; while it does not hear of one that is under load, it holds."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from lightkube.codecs import from_dict

from router.coord.terms import LEASE_S, MARGIN_S
from tests.kube import manifests
from tests.kube.conftest import ALL, account
from tests.kube.parted_network import PartedNetwork
from tests.kube.resources import Resource, endpoint, version
from tests.kube.three_routers import Router, leader

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

SLOTS = 4
CLIENTS = 8
NEEDED = 3
"""8 / (4 × 0.7)"""
WINDOW_S = 2
ACT_S = 3.0
"""About a second, and what a busy machine takes."""
TERM_S = LEASE_S + MARGIN_S
"""What the one that is cut off may use by its leases has ended by then. It serves on with its share."""


@pytest.fixture
async def network():
    return PartedNetwork()


@pytest.fixture
async def routers(definition, control_plane, admin, namespace, kubelet, replica_sets, tmp_path, network):
    """The one that leads, and the other one."""
    await admin.create(from_dict(manifests.recording_workload("blue", slots=SLOTS, ms=200)), namespace=namespace)
    autoscale = {"minReplicas": 1, "maxReplicas": 10, "targetUtilization": 70, "scaleDownWindowSeconds": WINDOW_S}
    settings = {"maxConcurrentRequestsPerReplica": SLOTS, "maxQueueWaitMs": 30_000, "autoscale": autoscale}
    await admin.create(endpoint(version("blue", **settings)), namespace=namespace)
    await kubelet.ready(1)
    kubeconfig = await account(control_plane, admin, namespace, ALL)
    async with AsyncExitStack() as ends:
        routers = [Router(number, kubeconfig, namespace, tmp_path, network) for number in range(2)]
        for router in routers:
            await ends.enter_async_context(router)
            await router.start()
        for router in routers:
            await router.until_standing("leased")
            await router.maitre.until_metric(lambda value: value == 1, "maitre_replicas_total")
        leads = await leader(routers)
        yield leads, next(each for each in routers if each is not leads)


@pytest.mark.parametrize(
    "away_s",
    [
        pytest.param(TERM_S - 1.0, id="for less than a term"),
        pytest.param(TERM_S + 3 * WINDOW_S, id="for longer"),
    ],
)
async def test_the_load_of_another_router_counts_and_its_silence_takes_nothing_away(
    admin, namespace, kubelet, sizes, network, routers, away_s
):
    leads, follows = routers
    key = (await Resource(admin, namespace).keys())["primaryKey"]
    began = datetime.now(UTC)
    async with follows.under_load(CLIENTS, key) as load:
        assert await sizes.until("blue", lambda written: NEEDED in written) == [NEEDED]
        took_s = (sizes.at("blue")[-1] - began).total_seconds()
        print(f"the size was written {took_s:.2f} s after the load began")
        assert took_s < ACT_S
        await kubelet.ready(NEEDED)

        network.hang(follows.pod)
        await leads.maitre.line("a router is cut off")
        network.cut(follows.pod)
        await asyncio.sleep(away_s)  # what does not happen meanwhile is under test
        await load.more(10, 10.0)
        assert sizes("blue") == [NEEDED]
        network.heal()
        await follows.until_standing("leased")
        assert sizes("blue") == [NEEDED]
    assert await sizes.until("blue", lambda written: written[-1] == 1)
    for router, seen in ((leads, True), (follows, False)):
        assert (await router.maitre.metric("maitre_scale_events_total", direction="up") > 0) is seen
