"""Pods of a real API server as replicas: how soon a version hears of them, and that it hears of everything."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from time import monotonic

import pytest
from lightkube import AsyncClient, KubeConfig
from lightkube.codecs import from_dict
from lightkube.resources.core_v1 import Pod
from lightkube.types import PatchType

from router.discovery.marks import Marker
from router.discovery.pod import COST, MARK, PodObject, State
from router.discovery.pod_replicas import PodReplicas
from router.discovery.pods import PodBoard
from router.discovery.selectors import Selector
from router.kube.client import connect, connect_to_follow
from router.kube.contact import Contact
from router.kube.reflector import Reflector
from router.kube.writes import Writes
from tests.fakes.changes import Changes
from tests.fakes.pods import STATUSES, PodRoster

BLUE = Selector.parse("app=blue")


class Roster(PodRoster):
    """Wakes who waits for it, and knows when it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = Changes()
        self.added_at: dict[str, float] = {}

    def add(self, replica: str, host: str, port: int, tls: object) -> None:
        super().add(replica, host, port, tls)
        self.added_at[replica.partition("/")[0]] = monotonic()
        self.changes.happened()

    def retire(self, replica: str) -> None:
        super().retire(replica)
        self.changes.happened()

    async def until(self, *names: str) -> None:
        """These pods are on it, and no others."""
        await self.changes.until(lambda: {seat.partition("/")[0] for seat in self.seats} == set(names))


class Router:
    """As much of a router as follows the pods of one version."""

    def __init__(self, kubeconfig, namespace: str, name: str) -> None:
        cluster = KubeConfig.from_file(kubeconfig).get()
        self._client, self._http = connect(cluster), connect_to_follow(cluster)
        board = PodBoard()
        self.roster = Roster()
        self.reflector = Reflector(
            self._http, PodObject, board, contact=Contact(monotonic), namespace=namespace, draw=lambda: 0.0
        )
        self.replicas = PodReplicas(
            f"digits/{name}",
            roster=self.roster,
            board=board,
            marker=Marker(
                self._client, writes=Writes(), leading=lambda: True, wall=lambda: datetime.now(UTC), name=name
            ),
            loop=asyncio.get_running_loop(),
        )
        self.replicas.follow(namespace, BLUE, 5001)
        self._following: asyncio.Task[None] | None = None

    def look(self) -> None:
        self._following = asyncio.get_running_loop().create_task(self.reflector.run())

    async def look_away(self) -> None:
        assert self._following is not None
        self._following.cancel()
        await asyncio.wait({self._following})

    async def close(self) -> None:
        await self.look_away()
        await self.replicas.close()
        await self._client.aclose()
        await self._http.aclose()


class Pods:
    """Plays the controller and the kubelet, without any process."""

    def __init__(self, admin: AsyncClient, namespace: str) -> None:
        self._admin, self._namespace = admin, namespace

    async def create(self, *names: str, state: State = State.READY, app: str = "blue") -> None:
        """On a node: then it is not gone at once when it is deleted."""
        for name in names:
            spec = {"nodeName": "n", "containers": [{"name": "model", "image": "model"}]}
            whole = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": {"app": app}},
                "spec": spec,
            }
            await self._admin.create(from_dict(whole), namespace=self._namespace)
            await self.become(name, state)

    async def become(self, name: str, state: State) -> None:
        status = {"podIP": "10.0.0.1", **STATUSES[state]}
        await self._admin.patch(Pod.Status, name, {"status": status}, namespace=self._namespace)

    async def delete(self, name: str, grace_s: int = 0) -> None:
        await self._admin.delete(Pod, name, namespace=self._namespace, grace_period=grace_s)

    async def noted(self, name: str) -> dict[str, str]:
        return (await self._admin.get(Pod, name, namespace=self._namespace)).metadata.annotations or {}


@pytest.fixture
def pods(admin: AsyncClient, namespace: str) -> Pods:
    return Pods(admin, namespace)


@pytest.fixture
async def router(control_plane, namespace: str):
    """Makes routers that follow the pods of the test's namespace."""
    async with AsyncExitStack() as ends:

        async def make(name: str = "me") -> Router:
            made = Router(control_plane.admin_kubeconfig, namespace, name)
            ends.push_async_callback(made.close)
            made.look()
            await made.reflector.synced.wait()
            return made

        yield make


MakeRouter = Callable[..., Awaitable[Router]]


async def test_a_ready_pod_is_on_the_roster_at_once_and_a_terminating_one_off_it(router: MakeRouter, pods):
    here = await router()
    await pods.create("green", app="green")
    names = [f"blue-{number}" for number in range(20)]
    await pods.create(*names, state=State.STARTING)
    took_ms = []
    for number, name in enumerate(names):
        begun = monotonic()
        await pods.become(name, State.READY)
        await here.roster.until(*names[: number + 1])
        took_ms.append(1000 * (here.roster.added_at[name] - begun))
    print(f"from asking for it to the roster, ms: median {statistics.median(took_ms):.1f}, most {max(took_ms):.1f}")
    assert statistics.median(took_ms) < 1000

    await pods.delete("blue-0", grace_s=30)
    await here.roster.until(*names[1:])
    assert "blue-0" in {pod.name for pod in here.replicas._pods.values()}, "it is still there, and finishes"
    await pods.delete("blue-0")


async def test_a_pod_that_takes_the_place_of_another_is_another(router: MakeRouter, pods):
    """Seen by a watch, and by a list after nobody looked."""
    here = await router()
    await pods.create("web-0")
    await here.roster.until("web-0")
    seats = [*here.roster.seats]
    await pods.delete("web-0")
    await pods.create("web-0")
    await here.roster.changes.until(lambda: len(here.roster.seats) == 1 and [*here.roster.seats] != seats)
    assert [what for what, _ in here.roster.calls if what != "expect"] == ["add", "retire", "add"]


async def test_what_went_unseen_and_forgotten_is_told_by_a_new_list(
    own_control_plane, router: MakeRouter, pods, caplog
):
    caplog.set_level("INFO")
    here = await router()
    await pods.create("stays", "goes", "becomes-another")
    await here.roster.until("stays", "goes", "becomes-another")
    seats = {replica.partition("/")[0]: replica for replica in here.roster.seats}
    await here.look_away()
    await pods.delete("goes")
    await pods.delete("becomes-another")
    await pods.create("becomes-another", "comes")
    await own_control_plane.compact()
    assert set(here.roster.seats) == set(seats.values()), "what is known stays"
    here.look()
    await here.roster.until("stays", "becomes-another", "comes")
    assert "listing anew" in caplog.text
    assert seats["stays"] in here.roster.seats
    assert seats["becomes-another"] not in here.roster.seats
    assert ("retire", seats["stays"]) not in here.roster.calls


async def test_before_a_shrink_every_router_parks_the_same_pods_and_they_bear_a_mark(router: MakeRouter, pods):
    leader, other = await router("leader"), await router("other")
    await pods.create("busy", "idle")
    for each in (leader, other):
        await each.roster.until("busy", "idle")
    (busy,) = (replica for replica in leader.roster.seats if replica.startswith("busy"))
    leader.roster.requests[busy] = 1

    await leader.replicas.prepare_shrink(1)
    noted = await pods.noted("idle")
    assert noted[COST] == "-1"
    assert noted[MARK].endswith(" leader")
    assert await pods.noted("busy") == {}
    for each in (leader, other):
        await each.roster.until("busy")

    leader.replicas.cancel_shrink()
    for each in (leader, other):
        await each.roster.until("busy", "idle")
    assert await pods.noted("idle") == {}


async def test_the_next_pod_of_that_name_is_never_marked(router: MakeRouter, pods, caplog):
    here = await router()
    await pods.create("web-0")
    await here.roster.until("web-0")
    await here.look_away()
    await pods.delete("web-0")
    await pods.create("web-0")
    await here.replicas.prepare_shrink(0)
    assert await pods.noted("web-0") == {}
    assert "cannot be marked" not in caplog.text
    here.look()
    await here.roster.until("web-0")


async def test_a_merge_patch_leaves_other_annotations_alone(router: MakeRouter, pods, admin, namespace):
    await pods.create("a")
    theirs = {"metadata": {"annotations": {COST: "7", "theirs": "x"}}}
    await admin.patch(Pod, "a", theirs, namespace=namespace, patch_type=PatchType.MERGE)
    here = await router()
    await here.replicas.prepare_shrink(0)
    noted = await pods.noted("a")
    assert (noted[COST], noted["theirs"], MARK in noted) == ("7", "x", True)
