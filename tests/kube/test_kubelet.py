"""Pods that are played: they come, answer, finish and go as a cluster's do."""

import asyncio

import httpx
from lightkube.resources.core_v1 import Pod

from tests.kube.manifests import PORT


async def ask(ip: str, wish: dict[str, object]) -> dict[str, object]:
    async with httpx.AsyncClient() as client:
        return (await client.post(f"http://{ip}:{PORT}/score", json=wish)).raise_for_status().json()


async def test_pods_of_a_deployment_get_ready_and_answer_at_their_ip(admin, namespace, kubelet, workload):
    await workload("blue", replicas=2)
    pods = await kubelet.ready(2, app="blue")
    answers = [await ask(pod.ip, {}) for pod in pods]
    assert [answer["replica"] for answer in answers] == [pod.name for pod in pods]
    listed = {pod.metadata.name: pod async for pod in admin.list(Pod, namespace=namespace)}
    for pod in pods:
        assert listed[pod.name].status.podIP == pod.ip
        assert {each.type: each.status for each in listed[pod.name].status.conditions}["Ready"] == "True"


async def test_a_pod_that_is_deleted_finishes_what_it_was_asked(admin, namespace, kubelet, workload):
    await workload("blue")
    (pod,) = await kubelet.ready(1)
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(ask(pod.ip, {"ms": 500}))
        await asyncio.sleep(0.1)  # it has been asked
        await admin.delete(Pod, pod.name, namespace=namespace)
    assert answer.result()["replica"] == pod.name
    await kubelet.until(lambda: pod.ended is not None)
    assert pod.exit_code == 0
    (other,) = await kubelet.ready(1)  # the Deployment has another one
    assert other.name != pod.name
