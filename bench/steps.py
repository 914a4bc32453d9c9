"""`python -m bench.steps`: how soon a step of load is answered by a write of the right size, and served by new pods.

One endpoint on one Deployment with one pod. In each step several clients begin at once, each asking again as soon as it
is answered, until every new pod has had a request; then they stop, and the next step begins with one pod again.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from lightkube.resources.apps_v1 import Deployment

from bench import fleet, machine, node, results
from bench.arguments import positive
from bench.installation import NAMESPACE, Installation, installed
from bench.machine import Machine
from bench.node import Node
from bench.proof import Unfit
from bench.schedule import quantile
from bench.tables import Table, aligned, piped
from tests.e2e.conftest import Maitre
from tests.kube.audit import Asked
from tests.kube.load import Load
from tests.kube.replica_sets import ReplicaSets

STEPS: Final = 20
CLIENTS: Final = 7
BUSY_S: Final = 0.3
"""What a request takes."""
UTILIZATION: Final = 70
NAME: Final = "steps"
VERSION: Final = fleet.VERSIONS[0]
WINDOW_S: Final = 2
BOUND_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    written_s: float
    """From the first request to the receipt of the write by the API server."""
    sizes: Sequence[int]
    """Written, one after the other, while the load lasted."""
    served_s: Sequence[float]
    """From telling the API server that a pod is ready to its first request, of the pods for which requests waited."""


@dataclass(frozen=True, slots=True)
class Run:
    machine: Machine
    clients: int
    steps: Sequence[Step]

    @property
    def right(self) -> int:
        """The size that so many clients need."""
        return math.ceil(self.clients / (UTILIZATION / 100))


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 1 when nothing could be measured."""
    options = _parser().parse_args(words)
    try:
        run = asyncio.run(measure(options.steps, options.clients))
    except (Unfit, OSError) as failure:
        print(f"bench.steps: {failure}", file=sys.stderr)
        return 1
    print("\n" + aligned(table(run)) + f"\n\n{run.machine}")
    page = f"# Steps of load in a cluster, {run.machine.at}\n\n{piped(table(run))}\n\n{run.machine}\n"
    print("saved:", *results.save(results.RESULTS, f"steps-{run.machine.stem}", asdict(run), page))
    return 0


async def measure(steps: int, clients: int) -> Run:
    described = machine.describe()
    async with installed() as cluster, cluster.plane.client() as client, node.running(cluster, BUSY_S) as pods:
        autoscale = {"minReplicas": 1, "maxReplicas": 100, "targetUtilization": UTILIZATION}
        autoscale["scaleDownWindowSeconds"] = WINDOW_S
        await fleet.create_workload(cluster, f"{NAME}-{VERSION}")
        await fleet.create_endpoint(cluster, NAME, [VERSION], maxQueueWaitMs=20_000, autoscale=autoscale)
        async with ReplicaSets(client, NAMESPACE, Deployment), cluster.router() as maitre:
            key = await cluster.key(NAME)
            await maitre.line("this router leads")
            taken = [await _step(cluster, maitre, pods, key, clients) for _ in range(steps)]
    return Run(described, clients, taken)


async def _step(cluster: Installation, maitre: Maitre, pods: Node, key: str, clients: int) -> Step:
    async with asyncio.timeout(BOUND_S):
        old = await pods.until(1)
        await maitre.until_metric(lambda ready: ready == 1, "maitre_replicas_total")
        await asyncio.sleep(2 * WINDOW_S)  # a step is one from rest: nothing of the last one is remembered
        length = cluster.plane.audit.length
        async with Load(maitre, NAME, key) as load:
            began = datetime.now(UTC)
            load.start(clients)
            first, *_ = await cluster.plane.audit.until(length, resource="deployments/scale", verb="update", code=200)
            found = await pods.until(_size(first), asked=True)
            written = cluster.asked(length, resource="deployments/scale", verb="update", code=200)
        if load.wrong:
            raise Unfit(f"{len(load.wrong)} requests were not answered 200: {load.wrong[0]}")
    new = sorted((life for life in found if life not in old), key=lambda life: life.told)
    waited_for = new[: clients - 1]  # the others get a first request when a client asks again
    served = [life.asked - life.told for life in waited_for if life.asked is not None]
    step = Step((first.at - began).total_seconds(), [_size(each) for each in written], served)
    print(f"{1e3 * step.written_s:4.0f} ms to {step.sizes}, pods served after {1e3 * max(served):.0f} ms", flush=True)
    return step


def _size(write: Asked) -> int:
    assert write.answer is not None
    size: int = write.answer["spec"]["replicas"]
    return size


# -- what is said -----------------------------------------------------------------------------------------------------


def table(run: Run) -> Table:
    at_once = sum(list(step.sizes[:1]) == [run.right] for step in run.steps)
    pods = [each for step in run.steps for each in step.served_s]
    return [
        [f"{len(run.steps)} steps from 0 to {run.clients} clients, {BUSY_S:g} s a request", "median (all)"],
        ["ms from the first request to the write's receipt", _spread([step.written_s for step in run.steps])],
        [f"steps whose first write had the right size, {run.right}", f"{at_once} of {len(run.steps)}"],
        ["writes in a step, most", str(max(len(step.sizes) for step in run.steps))],
        ["ms from a pod's being ready to its first request", _quantiles(pods)],
    ]


def _spread(seconds: Sequence[float]) -> str:
    found = sorted(seconds)
    return f"{1e3 * quantile(found, 0.5):.0f} ({' '.join(f'{1e3 * each:.0f}' for each in found)})"


def _quantiles(seconds: Sequence[float]) -> str:
    found = sorted(seconds)
    middle, most, last = (f"{1e3 * quantile(found, q):.0f}" for q in (0.5, 0.9, 1))
    return f"{middle} (p90 {most}, slowest {last}, of {len(found)})"


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench.steps", description=__doc__)
    made.add_argument("--steps", type=positive, default=STEPS, help=f"one after the other ({STEPS})")
    made.add_argument("--clients", type=positive, default=CLIENTS, help=f"that begin at once ({CLIENTS})")
    return made


if __name__ == "__main__":
    sys.exit(main())
