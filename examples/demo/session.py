"""One run, top to bottom: start the router, wait for replicas, send the load, wait for the calm, stop the router."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from examples.demo import logline
from examples.demo.child import kill, still_running
from examples.demo.digits import ENDPOINT, HeldOut
from examples.demo.display import Display, follow
from examples.demo.failure import DemoFailed
from examples.demo.judge import Expected
from examples.demo.load import LoadGenerator, callers
from examples.demo.observing import PERIOD_S, observe
from examples.demo.plan import Plan
from examples.demo.seen import PhaseBegan, Sample, Seen, Timeline
from examples.demo.serving import Serving, serving
from router.model.catalogue import read
from router.model.spec import EndpointSpec

FIRST_REPLICAS_S: Final = 60.0
LEFT_PATIENCE_S: Final = 5.0
"""A router that was killed leaves its replicas to its warden, which gives them two seconds."""


def endpoint() -> EndpointSpec:
    """The configuration that the run is judged by: the same file that the router reads."""
    reading = read(ENDPOINT)
    if reading.problems:
        raise DemoFailed("\n".join(map(str, reading.problems)))
    return next(iter(reading.catalogue.endpoints.values())).spec


async def run(expected: Expected, held_out: HeldOut, display: Display, log: Path) -> Seen:
    """Everything that was seen. Raises DemoFailed; whatever ends it, no process of it is left."""
    seen, timeline = Seen(), Timeline()
    try:
        async with serving(ENDPOINT, log, _reader(seen, timeline)) as served:
            await _while_watched(served, expected, held_out, display, seen, timeline)
        seen.router_exit = served.process.returncode
    finally:
        seen.left_running = await still_running([start.pid for start in seen.starts], LEFT_PATIENCE_S)
        kill(seen.left_running)
    return seen


async def _while_watched(
    served: Serving, expected: Expected, held_out: HeldOut, display: Display, seen: Seen, timeline: Timeline
) -> None:
    plan = expected.plan
    async with callers(served) as client, asyncio.TaskGroup() as tasks:
        watchers = [
            tasks.create_task(observe(served.admin_url, seen, timeline)),
            tasks.create_task(follow(seen, timeline, display)),
        ]
        await _until(seen, _has_replicas, FIRST_REPLICAS_S, "no replica became ready")
        load = LoadGenerator(client, held_out.questions, seen, timeline, plan.seed)
        await load.play(plan.phases)
        seen.phases.append(PhaseBegan("quiet", 0.0, timeline.now()))
        await _settle(seen, expected.spec, plan)
        for watcher in watchers:
            watcher.cancel()


def _has_replicas(sample: Sample) -> bool:
    return bool(sample.versions) and all(load.total > 0 for load in sample.versions.values())


async def _settle(seen: Seen, spec: EndpointSpec, plan: Plan) -> None:
    """Waits for the minimum. Whether it was reached is the judge's to say."""
    minimum = {version.name: version.autoscale.min_replicas for version in spec.versions}

    def at_minimum(sample: Sample) -> bool:
        return {name: load.total for name, load in sample.versions.items()} == minimum

    try:
        await _until(seen, at_minimum, plan.quiet_s, "the replicas above the minimum stay")
    except DemoFailed:
        return


async def _until(seen: Seen, met: Callable[[Sample], bool], patience_s: float, failure: str) -> None:
    """Waits until a sample meets a condition."""
    try:
        async with asyncio.timeout(patience_s):
            while not (seen.samples and met(seen.samples[-1])):
                await asyncio.sleep(PERIOD_S / 5)
    except TimeoutError:
        raise DemoFailed(f"{failure} within {patience_s:g} s") from None


def _reader(seen: Seen, timeline: Timeline) -> Callable[[str], None]:
    """Takes the lines of the log, and notes what concerns the demo."""

    def line(text: str) -> None:
        record = logline.fields(text)
        if (scaling := logline.scaling(record, timeline)) is not None:
            seen.scalings.append(scaling)
        if (start := logline.start(record, timeline)) is not None:
            seen.starts.append(start)

    return line
