"""Three routers share single slots of the same replicas exactly, whatever becomes of one of them or of its network.

The judge is what the models wrote down. What was seen is printed (`pytest -s`).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from lightkube.codecs import from_dict
from lightkube.resources.coordination_v1 import Lease

from router.coord.lease import ROUTERS
from router.core.sharing import shares
from tests.e2e.client import Connection
from tests.e2e.occupancy import Work, moments, most_at_once, overbooked, parse
from tests.kube import manifests
from tests.kube.conftest import ALL, account
from tests.kube.parted_network import PartedNetwork
from tests.kube.resources import Resource, endpoint, version
from tests.kube.three_routers import Router, Story, leader

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

REPLICAS = 3
CLIENTS = 4
"""Of each router."""
MS = 100
"""So long that what the routers tell of their load, ten times a second, shows a slot that stays idle."""
FAIR = 2.0
STEADY_S = 8.0
AWAY_S = 10.0


class Together:
    """The routers before the same replicas."""

    def __init__(self, routers: list[Router], network: PartedNetwork, pods, key: str, admin, namespace) -> None:
        self.routers = routers
        self.network = network
        self.pods = pods
        self.story = Story(routers)
        self.marks: list[tuple[str, int]] = []
        self._key = key
        self._admin = admin
        self._namespace = namespace
        self._loads = AsyncExitStack()

    async def load(self, *routers: Router) -> None:
        for router in routers:
            await self._loads.enter_async_context(router.under_load(CLIENTS, self._key))

    def begins(self, phase: str) -> None:
        self.story.begins(phase)
        self.marks.append((phase, time.monotonic_ns()))

    def others(self, router: Router) -> list[Router]:
        return [each for each in self.routers if each is not router]

    async def more(self, router: Router, answers: int, bound_s: float = 30.0) -> None:
        """It answers again."""
        await router.load.more(answers, bound_s)
        self.story.note(f"{router.pod} has answered {answers} more")

    async def until_busy(self, slots: int = REPLICAS, bound_s: float = 40.0) -> None:
        """So many slots are in use, by what the routers say."""
        async with asyncio.timeout(bound_s):
            while await self._in_flight() < slots:
                await asyncio.sleep(0.02)
        self.story.note(f"{slots} slots are in use")

    async def _in_flight(self) -> int:
        alive = [each for each in self.routers if each.alive]
        return sum(await asyncio.gather(*(each.maitre.metric("maitre_requests_in_flight") for each in alive)))

    async def shares(self) -> dict[str, int]:
        """How many slots each pod may use when it is alone."""
        lease = await self._admin.get(Lease, "maitre", namespace=self._namespace)
        names = lease.metadata.annotations[ROUTERS].split()
        parts = [shares(f"{pod.name}/{pod.uid}", 1, names) for pod in self.pods]
        return {name.rpartition("_")[0]: sum(part[name] for part in parts) for name in names}

    async def judge(self) -> None:
        """Ends the load, and tells what was seen."""
        await self._loads.aclose()
        works = [work for number, pod in enumerate(self.pods) for work in await records(pod, number)]
        self.story.print()
        print(f"\n{len(works)} requests, at most at once: {sorted(most_at_once(works).values())}")
        ends = [at for _, at in self.marks[1:]] + [time.monotonic_ns()]
        for (phase, since), end in zip(self.marks, ends, strict=True):
            print(f"{phase}: all slots in use {_busy_again([work for work in works if work.begun < end], since, end)}")
        assert overbooked(works, 1) == []


async def records(pod, number: int) -> list[Work]:
    """What it has worked on. All pods have the same port, so they go by their numbers."""
    connection = Connection(manifests.PORT, host=pod.ip)
    try:
        answer = await connection.send(b"GET /records HTTP/1.1\r\n\r\n")
    finally:
        await connection.close()
    return [work._replace(replica=number) for work in parse(answer.body.decode())]


def _busy_again(works, since: int, until: int) -> str:
    """After the longest time for which they were not, in this phase."""
    idle_since, longest, ended = since, 0, since
    for at, running in moments(works):
        if running < REPLICAS:
            idle_since = idle_since or at
        elif idle_since:
            if at >= since and at - max(since, idle_since) > longest:
                longest, ended = at - max(since, idle_since), at
            idle_since = 0
    if idle_since and until - max(since, idle_since) > 1e9:
        return f"not any more after {(max(since, idle_since) - since) / 1e9:.2f} s"
    return f"{(ended - since) / 1e9:.2f} s after its beginning, not for {longest / 1e9:.2f} s"


@pytest.fixture
async def together(
    definition, control_plane, admin, namespace, kubelet, replica_sets, tmp_path
) -> AsyncIterator[Together]:
    await admin.create(
        from_dict(manifests.recording_workload("blue", slots=1, ms=MS, replicas=REPLICAS)), namespace=namespace
    )
    fixed = {"scoringTimeoutMs": 2000, "maxQueueWaitMs": 30_000, "autoscale": {"enabled": False}}
    await admin.create(endpoint(version("blue", **fixed), serverTiming=True), namespace=namespace)
    pods = await kubelet.ready(REPLICAS)
    kubeconfig = await account(control_plane, admin, namespace, ALL)
    network = PartedNetwork()
    async with AsyncExitStack() as ends:
        routers = [Router(number, kubeconfig, namespace, tmp_path, network) for number in range(3)]
        for router in routers:
            await ends.enter_async_context(router)
            await router.start()
        for router in routers:
            await router.until_standing("leased")
            await router.maitre.until_metric(lambda value: value == REPLICAS, "maitre_replicas_total")
        key = (await Resource(admin, namespace).keys())["primaryKey"]
        yield Together(routers, network, pods, key, admin, namespace)


async def test_slots_are_exact_whatever_becomes_of_a_router_or_its_network(together):
    try:
        p99s = await all_is_well(together)
        first = await leader(together.routers)
        await the_leader_is_killed(together, first)
        await it_is_started_anew(together, first)
        await the_leader_hangs(together)
        await a_follower_is_cut_off(together)
    finally:
        together.network.heal()
        await together.judge()
    assert max(p99s.values()) <= FAIR * min(p99s.values())


async def all_is_well(together: Together) -> dict[str, float]:
    together.begins("steady")
    await together.load(*together.routers)
    await asyncio.sleep(STEADY_S)  # waits are measured
    p99s = together.story.p99s()
    print("p99 of the waits for a slot, ms:", {pod: round(1000 * p99) for pod, p99 in p99s.items()})
    return p99s


async def the_leader_is_killed(together: Together, first: Router) -> None:
    """Nobody knows that it is dead, so its share stays free for it."""
    left = REPLICAS - (await together.shares())[first.pod]
    together.begins("the leader is killed")
    await first.kill()
    second = await leader(together.others(first))
    together.story.note(f"{second.pod} leads")
    for router in together.others(first):
        await router.until_standing("leased")
    together.story.note("both are its members")
    await together.until_busy(left)
    if left:
        for router in together.others(first):
            await together.more(router, 30)


async def it_is_started_anew(together: Together, router: Router) -> None:
    together.begins("the one that was killed is started anew")
    await router.start()
    together.story.note("ready")
    await router.until_standing("leased")
    await together.load(router)
    for each in together.routers:
        await together.more(each, 30)
    await together.until_busy()


async def the_leader_hangs(together: Together) -> None:
    hung = await leader(together.routers)
    together.begins("the leader hangs")
    hung.stop()
    try:
        second = await leader(together.others(hung))
        together.story.note(f"{second.pod} leads")
        for router in together.others(hung):
            await router.until_standing("leased")
        together.story.note("the two others are its members")
        await asyncio.sleep(max(0.0, AWAY_S - (time.monotonic_ns() - together.marks[-1][1]) / 1e9))
    finally:
        hung.go_on()
    together.begins("it goes on")
    await hung.until_standing("leased")
    together.story.note(f"{hung.pod} is a member")
    await together.until_busy()
    for router in together.routers:
        await together.more(router, 30)


async def a_follower_is_cut_off(together: Together) -> None:
    parts = await together.shares()
    leads = await leader(together.routers)
    parted = max(together.others(leads), key=lambda router: parts[router.pod])
    together.begins(f"{parted.pod} hears nothing")
    together.story.note(f"shares: {parts}")
    together.network.hang(parted.pod)
    for standing in ("holding", "keeping", "sharing"):
        await parted.until_standing(standing, bound_s=60)
        together.story.note(f"it is {standing}")
        if standing == "keeping":
            together.network.cut(parted.pod)
    if parts[parted.pod]:
        await together.more(parted, 30)
    for router in together.others(parted):
        await together.more(router, 30)
    await together.until_busy()
    together.begins("it is back")
    together.network.heal()
    await parted.until_standing("leased")
    together.story.note("it is a member")
    for router in together.routers:
        await together.more(router, 30)
    await together.until_busy()
