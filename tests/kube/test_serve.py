"""The whole in a cluster: endpoints from resources, pods as replicas, sizes by the scale subresource."""

import asyncio

from router.kube.resources import ScoringEndpoints


async def test_first(control_plane, admin, namespace, kubelet, workload, serve_in_cluster):
    await workload("blue", replicas=1)
    await workload("green", replicas=1)
    maitre = await serve_in_cluster("--default-namespace", namespace, POD_NAMESPACE=namespace, POD_NAME="maitre-0")
    versions = [
        {"name": "blue", "trafficPercentile": 80, "target": {"deployment": {"name": "blue", "port": 5001}}},
        {"name": "green", "trafficPercentile": 20, "target": {"deployment": {"name": "green", "port": 5001}}},
    ]
    await admin.create(
        ScoringEndpoints(metadata={"name": "digits", "namespace": namespace}, spec={"versions": versions})
    )
    try:
        await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")
        await asyncio.sleep(3)
    finally:
        print("\n".join(maitre.log))
        print((await maitre.admin("/readyz")).text)
    print(await control_plane.kubectl("get", "scoringendpoints,events,secrets,leases", "-n", namespace))
    print(await control_plane.kubectl("get", "scoringendpoints", "-o", "yaml", "-n", namespace))
    raise SystemExit
