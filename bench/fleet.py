"""Many endpoints in a cluster: each with two versions, each of these with a workload and a pod that is ready.

There are objects alone, no controller and no process behind them: what is measured is what it costs to know them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar, cast

from lightkube.codecs import from_dict
from lightkube.resources.core_v1 import Pod

from bench.installation import NAMESPACE, Installation, Object
from router.model.spec import API_VERSION, KIND
from tests.kube import manifests, pod_status

VERSIONS: Final = ("blue", "green")
CALLS: Final = 16
"""Under way together."""
ENDPOINTS: Final = f"/apis/{API_VERSION}/namespaces/{NAMESPACE}/scoringendpoints"
DEPLOYMENTS: Final = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"

T = TypeVar("T")


def name_of(number: int) -> str:
    return f"endpoint-{number:04}"


async def create(cluster: Installation, endpoints: int) -> None:
    """The workloads come first, as a rule."""
    names = [name_of(number) for number in range(endpoints)]
    workloads = [f"{name}-{version}" for name in names for version in VERSIONS]
    await _for_each(workloads, lambda workload: create_workload(cluster, workload))
    await _for_each(enumerate(workloads), lambda each: _create_ready_pod(cluster, each[1], each[0]))
    await _for_each(names, lambda name: create_endpoint(cluster, name))


async def create_workload(cluster: Installation, name: str) -> None:
    await cluster.create(DEPLOYMENTS, manifests.workload(name))


async def create_pod(cluster: Installation, workload: str) -> Object:
    """Not ready, and on no node."""
    pod = manifests.pod_template(workload)
    pod["metadata"]["name"] = f"{workload}-0"
    return await cluster.create(PODS, pod)


async def tell_ready(cluster: Installation, pod: Object, ip: str) -> None:
    """What its kubelet would say."""
    status = pod_status.running(cast(Pod, from_dict(pod)), ip, ready=True, restarts=0)
    await cluster.patch(f"{PODS}/{pod['metadata']['name']}/status", status)


async def create_endpoint(
    cluster: Installation, name: str, versions: Sequence[str] = VERSIONS, **settings: object
) -> None:
    """With keys; its versions share the traffic, and have the same settings."""
    share = 100 // len(versions)
    described = [{**_version(name, version, share), **settings} for version in versions]
    spec = {"auth": {"mode": "key"}, "versions": described}
    await cluster.create(ENDPOINTS, {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec})


async def move_traffic(cluster: Installation, name: str, percentile: int) -> None:
    """An edit: so many of a hundred requests for the first of its versions, the others for the second."""
    shares = zip(VERSIONS, (percentile, 100 - percentile), strict=True)
    versions = [_version(name, version, share) for version, share in shares]
    await cluster.patch(f"{ENDPOINTS}/{name}", {"spec": {"versions": versions}})


def _version(endpoint: str, version: str, percentile: int) -> Object:
    deployment = {"name": f"{endpoint}-{version}", "port": manifests.PORT}
    return {"name": version, "trafficPercentile": percentile, "target": {"deployment": deployment}}


async def _create_ready_pod(cluster: Installation, workload: str, number: int) -> None:
    pod = await create_pod(cluster, workload)
    await tell_ready(cluster, pod, f"127.2.{number // 250}.{number % 250 + 1}")  # where nobody listens


async def _for_each(things: Iterable[T], call: Callable[[T], Awaitable[object]]) -> None:
    waiting = iter(things)

    async def work() -> None:
        for thing in waiting:
            await call(thing)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CALLS):
            tasks.create_task(work())
