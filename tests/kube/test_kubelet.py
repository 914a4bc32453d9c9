"""Pods that are played: they come, answer, finish, crash and go as a cluster's do."""

import asyncio
import signal

import httpx
import pytest
from lightkube.codecs import from_dict
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from tests.fakes.changes import BOUND_S
from tests.kube.kubelet import Kubelet
from tests.kube.manifests import PORT, pod_template


async def ask(ip: str, wish: dict[str, object]) -> dict[str, object]:
    async with httpx.AsyncClient() as client:
        return (await client.post(f"http://{ip}:{PORT}/score", json=wish)).raise_for_status().json()


async def pods_of(admin, namespace):
    return {pod.metadata.name: pod async for pod in admin.list(Pod, namespace=namespace)}


def conditions(pod):
    return {each.type: each.status for each in pod.status.conditions or []}


async def until_gone(admin, namespace, name):
    async with asyncio.timeout(BOUND_S):
        while name in await pods_of(admin, namespace):
            await asyncio.sleep(0.02)


async def until_written(record):
    """Until the model has seen a request."""
    async with asyncio.timeout(BOUND_S):
        while not record.read_text():
            await asyncio.sleep(0.01)


async def test_pods_of_a_deployment_get_ready_and_answer_at_their_ip(admin, namespace, kubelet, workload):
    await workload("blue", replicas=2)
    pods = await kubelet.ready(2, app="blue")
    answers = [await ask(pod.ip, {}) for pod in pods]
    assert [answer["replica"] for answer in answers] == [pod.name for pod in pods]
    listed = await pods_of(admin, namespace)
    for pod in pods:
        assert listed[pod.name].status.podIP == pod.ip
        assert conditions(listed[pod.name])["Ready"] == "True"


async def test_a_pod_that_is_deleted_finishes_what_it_was_asked(admin, namespace, kubelet, workload, tmp_path):
    await workload("blue", "--record", str(tmp_path / "record"))
    (pod,) = await kubelet.ready(1)
    answer = asyncio.get_running_loop().create_task(ask(pod.ip, {"ms": 500}))
    await until_written(tmp_path / "record")
    await admin.delete(Pod, pod.name, namespace=namespace)
    assert (await answer)["replica"] == pod.name
    await kubelet.until(lambda: pod.ended is not None)
    assert pod.exit_code == 0
    (other,) = await kubelet.ready(1)  # the Deployment has another one
    assert other.name != pod.name


async def test_a_pod_that_does_not_end_is_killed_after_its_grace(admin, namespace, kubelet, workload, tmp_path):
    await workload("blue", "--record", str(tmp_path / "record"), grace_s=1)
    (pod,) = await kubelet.ready(1)
    hanging = asyncio.get_running_loop().create_task(ask(pod.ip, {"do": "hang"}))
    await until_written(tmp_path / "record")
    await admin.delete(Pod, pod.name, namespace=namespace)
    with pytest.raises(httpx.RemoteProtocolError):
        await hanging
    await kubelet.until(lambda: pod.ended is not None)
    assert pod.exit_code == -signal.SIGKILL
    assert pod.ended - pod.terminating >= 1
    await until_gone(admin, namespace, pod.name)


async def test_a_crashed_pod_is_not_ready_until_it_runs_again(admin, namespace, kubelet, workload):
    await workload("blue")
    (pod,) = await kubelet.ready(1)
    before = (await ask(pod.ip, {}))["pid"]
    kubelet.crash(pod)
    await kubelet.until(lambda: not pod.is_ready)
    await kubelet.ready(1)
    assert (await ask(pod.ip, {}))["pid"] != before
    (status,) = (await pods_of(admin, namespace))[pod.name].status.containerStatuses
    assert (status.restartCount, pod.restarts, pod.exit_code) == (1, 1, -signal.SIGKILL)


async def test_a_pod_for_which_there_is_no_room_waits_and_says_so(admin, namespace, kubelet, workload):
    kubelet.capacity = 1
    await workload("blue", replicas=2)
    (pod,) = await kubelet.ready(1)
    async with asyncio.timeout(BOUND_S):
        while not (unlucky := await unschedulable(admin, namespace)):
            await asyncio.sleep(0.02)
    assert pod.name not in unlucky
    kubelet.capacity = 2
    await kubelet.ready(2)
    assert not await unschedulable(admin, namespace)


async def unschedulable(admin, namespace):
    pods = (await pods_of(admin, namespace)).items()
    return [name for name, pod in pods if pod.status and conditions(pod).get("PodScheduled") == "False"]


async def test_pods_outlive_an_outage_of_the_api_server(own_control_plane, admin, namespace, kubelet, workload):
    await workload("blue", replicas=2)
    kept, crashed = await kubelet.ready(2)
    await own_control_plane.stop_api_server()
    assert (await ask(kept.ip, {}))["replica"] == kept.name
    kubelet.crash(crashed)
    await kubelet.until(lambda: crashed.restarts == 1)
    await own_control_plane.start_api_server()
    await kubelet.ready(2, bound_s=20)
    await admin.patch(Deployment.Scale, "blue", {"spec": {"replicas": 3}}, namespace=namespace)
    await kubelet.ready(3)
    assert (kept.restarts, len(kubelet.records)) == (0, 3)


async def test_a_pod_that_cannot_be_played_fails_the_test_at_once(admin, namespace, tmp_path):
    template = pod_template("blue")
    template["spec"]["containers"][0] |= {"command": None, "args": None}
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "blue"}}
    await admin.create(from_dict(pod), namespace=namespace)
    with pytest.raises(ExceptionGroup) as failed:
        async with Kubelet(admin, namespace, tmp_path) as kubelet:
            await kubelet.ready(1)
    assert failed.group_contains(NotImplementedError, match="no command")


@pytest.mark.parametrize("probe", ["livenessProbe", "startupProbe"])
async def test_who_does_not_answer_a_probe_is_started_anew(admin, namespace, kubelet, probe):
    template = pod_template("blue")
    (container,) = template["spec"]["containers"]
    container[probe] = {"httpGet": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1}
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "blue"}}
    await admin.create(from_dict(pod), namespace=namespace)
    await kubelet.until(lambda: any(record.restarts for record in kubelet.records))
    (record,) = kubelet.records
    assert record.exit_code == -signal.SIGKILL
