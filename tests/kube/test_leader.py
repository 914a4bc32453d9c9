"""The election against a real API server: of three processes one leads, whatever is done to them.

The rights that `deploy/` gives suffice. Times are printed (`pytest -s`), and asserted only where a clean stop differs
from a crash.
"""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest
from lightkube import KubeConfig
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import ServiceAccount

from router.coord.election import DURATION_S, FREE, Record, Version
from router.coord.lease import ClusterLease, LeaseChanged, LeaseUnreachable
from router.kube.client import connect
from tests.fakes.changes import BOUND_S, Changes
from tests.kube import candidate
from tests.kube.daemon import TETHER

ROLE = Path(__file__).parents[2] / "deploy" / "base" / "leader-role.yaml"


class Candidate:
    """A process that takes part; `lines` are what it printed: time and word."""

    def __init__(self, process, changes):
        self.process = process
        self.lines = []
        self._changes = changes
        self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self):
        while line := await self.process.stdout.readline():
            at, word = line.decode().split()
            self.lines.append((float(at), word))
            self._changes.happened()

    @property
    def leads(self):
        return [word for _, word in self.lines if word != "writes"][-1:] == ["leads"]

    def last(self, word):
        return [at for at, said in self.lines if said == word][-1]

    async def ended(self):
        async with asyncio.timeout(BOUND_S):
            await self.process.wait()
            await self._reading


class Pods:
    """Three candidates, and whoever of them leads."""

    def __init__(self):
        self.changes = Changes()
        self.all = []

    async def start(self, kubeconfig, namespace):
        for name in ("maitre-0", "maitre-1", "maitre-2"):
            command = [*TETHER, sys.executable, candidate.__file__, str(kubeconfig), namespace, name]
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
            process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, env=environment)
            self.all.append(Candidate(process, self.changes))

    async def leader(self, other_than=None):
        """The one that says that it leads, once one does."""
        await self.changes.until(lambda: any(each.leads for each in self.all if each is not other_than))
        return next(each for each in self.all if each.leads and each is not other_than)

    async def end(self):
        for each in self.all:
            if each.process.returncode is None:
                each.process.kill()
            await each.ended()


@pytest.fixture
async def account(control_plane, admin, namespace):
    """A kubeconfig of the router's service account, with what `deploy/` allows it in its own namespace."""
    await admin.create(ServiceAccount(metadata=ObjectMeta(name="maitre", namespace=namespace)))
    await control_plane.kubectl("apply", "-n", namespace, "-f", "-", stdin=_in(namespace, ROLE.read_text()))
    return await control_plane.kubeconfig("maitre", namespace)


def _in(namespace, manifests):
    return manifests.replace("namespace: maitre-system", f"namespace: {namespace}")


@pytest.fixture
async def pods(admin, namespace, account):
    """On a Lease that is free, so that the first of them leads at once."""
    await admin.create(Lease(metadata=ObjectMeta(name="maitre", namespace=namespace), spec=LeaseSpec()))
    pods = Pods()
    await pods.start(account, namespace)
    yield pods
    await pods.end()


@pytest.fixture
async def lease(account, namespace):
    async with connect(KubeConfig.from_file(account).get()) as client:
        yield ClusterLease(client, namespace, "maitre")


async def test_a_killed_leader_is_replaced(pods):
    first = await pods.leader()
    first.process.kill()
    killed_at = monotonic()
    second = await pods.leader(other_than=first)
    print(f"\ntakeover after kill -9: {second.last('leads') - killed_at:.2f} s")
    # never before its term was over, which began before its last write
    assert second.last("leads") > first.last("writes") + DURATION_S * 0.9


async def test_a_leader_that_hangs_is_replaced_and_says_so_before_it_writes_again(pods):
    first = await pods.leader()
    first.process.send_signal(signal.SIGSTOP)
    stopped_at = monotonic()
    second = await pods.leader(other_than=first)
    print(f"\ntakeover from one that hangs: {second.last('leads') - stopped_at:.2f} s")
    first.process.send_signal(signal.SIGCONT)
    await pods.changes.until(lambda: not first.leads)
    at, word = next(line for line in first.lines if line[0] > second.last("leads"))
    assert word == "follows"
    assert not [line for line in first.lines if stopped_at + 0.5 < line[0] < at]  # a signal takes a moment
    assert second.leads


async def test_a_clean_stop_is_followed_by_the_next_leader_without_a_wait(pods):
    first = await pods.leader()
    first.process.send_signal(signal.SIGTERM)
    stopped_at = monotonic()
    second = await pods.leader(other_than=first)
    took_s = second.last("leads") - stopped_at
    print(f"\ntakeover after a clean stop: {took_s:.2f} s")
    assert took_s < DURATION_S / 2
    assert first.last("follows") < second.last("leads")
    await first.ended()
    assert first.process.returncode == 0


async def test_while_the_api_server_hangs_nobody_leads_and_then_somebody_does(own_control_plane, pods):
    first = await pods.leader()
    own_control_plane.api_server.pause()
    try:
        await pods.changes.until(lambda: not first.leads)
        assert not any(each.leads for each in pods.all)
    finally:
        own_control_plane.api_server.resume()
    await pods.leader()


async def test_the_lease_says_who_leads_for_people_to_read(pods, admin, namespace):
    await pods.leader()
    spec = (await admin.get(Lease, "maitre", namespace=namespace)).spec
    assert spec.holderIdentity.startswith("maitre-")
    assert (spec.leaseDurationSeconds, spec.leaseTransitions) == (DURATION_S, 1)
    assert spec.acquireTime <= spec.renewTime


async def test_of_two_writes_for_one_version_one_is_made(lease):
    assert await lease.read() is None
    made = await lease.write(Record("one"), None)
    with pytest.raises(LeaseChanged):
        await lease.write(Record("other"), None)
    renewed = await lease.write(Record("one"), made)
    assert renewed != made
    with pytest.raises(LeaseChanged):
        await lease.write(Record("other"), made)
    assert await lease.read() == (Record("one"), renewed)


async def test_a_lease_that_was_deleted_is_not_made_anew_by_who_had_it(lease, admin, namespace):
    made = await lease.write(Record("one"), None)
    await admin.delete(Lease, "maitre", namespace=namespace)
    with pytest.raises(LeaseChanged):
        await lease.write(Record("one"), made)
    assert await lease.read() is None
    again = await lease.write(Record("one"), None)
    assert again.uid != made.uid
    with pytest.raises(LeaseChanged):  # the revision of the new one under the uid of the old
        await lease.write(Record("one"), Version(made.uid, again.revision))


async def test_a_freed_lease_keeps_its_count_and_what_others_wrote_on_it(lease, admin, namespace):
    made = await lease.write(Record("one", transitions=3), None)
    await admin.patch(Lease, "maitre", {"metadata": {"labels": {"team": "scoring"}}}, namespace=namespace)
    with pytest.raises(LeaseChanged):
        await lease.write(Record(FREE, transitions=3), made)
    touched = await lease.read()
    await lease.write(Record(FREE, transitions=3), touched.version)
    assert (await lease.read()).record == Record(FREE, transitions=3)
    assert (await admin.get(Lease, "maitre", namespace=namespace)).metadata.labels == {"team": "scoring"}


async def test_a_whole_second_is_a_time_like_any_other(lease, admin, namespace):
    lease._wall_clock = lambda: datetime(2020, 1, 1, tzinfo=UTC)
    made = await lease.write(Record("one"), None)
    await admin.patch(Lease, "maitre", {"spec": {"acquireTime": "2020-01-01T00:00:00.000000Z"}}, namespace=namespace)
    touched = await lease.read()
    assert await lease.write(Record("one"), touched.version) != made


async def test_where_the_leader_coordinates_and_who_may_use_slots_is_read_as_it_was_written(lease, admin, namespace):
    leads = Record("one", transitions=1, address="10.0.0.1:8082", routers=("one", "two"))
    made = await lease.write(leads, None)
    assert (await lease.read()).record == leads
    await admin.patch(Lease, "maitre", {"metadata": {"annotations": {"note": "mine"}}}, namespace=namespace)
    touched = await lease.read()
    assert touched.version != made
    free = Record(FREE, transitions=1, routers=("two",))
    await lease.write(free, touched.version)
    assert (await lease.read()).record == free
    assert (await admin.get(Lease, "maitre", namespace=namespace)).metadata.annotations["note"] == "mine"


async def test_a_refusal_is_told_in_words(control_plane, admin, namespace):
    await admin.create(ServiceAccount(metadata=ObjectMeta(name="stranger", namespace=namespace)))
    kubeconfig = await control_plane.kubeconfig("stranger", namespace)
    async with connect(KubeConfig.from_file(kubeconfig).get()) as client:
        lease = ClusterLease(client, namespace, "maitre")
        with pytest.raises(LeaseUnreachable, match=r"cannot get leases .* forbidden"):
            await lease.read()
        with pytest.raises(LeaseUnreachable, match=r"cannot create leases .* forbidden"):
            await lease.write(Record("one"), None)
