"""The whole in a cluster: endpoints from resources, pods as replicas, sizes by the scale subresource."""

import asyncio

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Secret

from router.kube.resources import ScoringEndpoints


async def test_first(control_plane, admin, namespace, kubelet, workload, serve_in_cluster):
    await workload("blue", replicas=1)
    await workload("green", replicas=1)
    maitre = await serve_in_cluster("--default-namespace", namespace, POD_NAMESPACE=namespace, POD_NAME="maitre-0")
    await (lambda x: x)(None) if 0 else None
    import traceback
    try: await admin.create(
        ScoringEndpoints(
            metadata={"name": "digits", "namespace": namespace},
            spec={
                "versions": [
                    {"name": "blue", "trafficPercentile": 80, "target": {"deployment": {"name": "blue", "port": 5001}}},
                    {"name": "green", "trafficPercentile": 20, "target": {"deployment": {"name": "green", "port": 5001}}},
                ]
            },
        )
    )
    except Exception:
        t=(control_plane.folder / "kube-apiserver.log").read_text(); import re; m=re.search("panic:|fatal error|SIG", t); print("CRASH", t[m.start()-300:m.start()+6000] if m else None)
        raise
    try:
        await maitre.until_metric(lambda value: value == 2, "maitre_replicas_total")
    finally:
        print("\n".join(maitre.log))
        print((await maitre.admin("/readyz")).text)
    await asyncio.sleep(3)
    print("\n".join(maitre.log))
    found = await admin.get(ScoringEndpoints, "digits", namespace=namespace)
    print(found)
    print(await control_plane.kubectl("get", "sep,events,secrets,leases", "-n", namespace))
    raise SystemExit
