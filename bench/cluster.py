"""`python -m bench.cluster`: what a cluster with 1,000 endpoints costs the router, and the router the API server.

A first start, with keys to make and statuses to write; a second one, with all of that there; then a minute in which
nothing happens; then how long an edit of one endpoint takes to be in force, and a pod's getting ready to be served.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from bench import fleet, machine, results
from bench.arguments import positive
from bench.fleet import name_of
from bench.installation import Installation, installed
from bench.late import served_s
from bench.machine import Machine
from bench.memory import memory
from bench.processes import cpu_seconds
from bench.proof import Unfit
from bench.tables import Table, aligned, piped
from tests.e2e.conftest import Maitre

ENDPOINTS: Final = 1000
IDLE_S: Final = 60
TRIALS: Final = 10
QUIET_S: Final = 4.0
"""So long after the last write to the API server a start is over."""
BOUND_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the start of the process, and what it cost until its last write."""

    ready_s: float
    keys_s: float | None
    """To the last Secret; None: none was made."""
    statuses_s: float | None
    """To the last status that was written; None: none was."""
    cpu_s: float
    rss: int
    asked: dict[str, int]
    """Requests to the API server, by verb and resource; watches that stand are not in it."""


@dataclass(frozen=True, slots=True)
class Idle:
    cores: float
    rss: int
    asked: dict[str, float]
    """Per minute."""


@dataclass(frozen=True, slots=True)
class Run:
    machine: Machine
    endpoints: int
    first: Start
    second: Start
    idle: Idle
    edits_s: Sequence[float]
    pods_s: Sequence[float]


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 1 when nothing could be measured."""
    options = _parser().parse_args(words)
    try:
        run = asyncio.run(measure(options.endpoints, options.idle_seconds, options.trials))
    except (Unfit, OSError) as failure:
        print(f"bench.cluster: {failure}", file=sys.stderr)
        return 1
    print("\n" + aligned(table(run)) + f"\n\n{run.machine}")
    page = f"# {run.endpoints:,} endpoints in a cluster, {run.machine.at}\n\n{piped(table(run))}\n\n{run.machine}\n"
    print("saved:", *results.save(results.RESULTS, f"cluster-{run.machine.stem}", asdict(run), page))
    return 0


async def measure(endpoints: int, idle_s: float, trials: int) -> Run:
    described = machine.describe()
    async with installed() as cluster, AsyncExitStack() as ends:
        await fleet.create(cluster, endpoints)
        _say(f"{endpoints:,} endpoints are there")
        async with AsyncExitStack() as first_ends:
            first, _ = await _start(cluster, endpoints, first_ends)
        _say(f"first start: ready after {first.ready_s:.1f} s, statuses written after {first.statuses_s:.1f} s")
        second, maitre = await _start(cluster, endpoints, ends)
        _say(f"second start: ready after {second.ready_s:.1f} s; now {idle_s:g} s without anything")
        idle = await _idle(cluster, maitre.process.pid, idle_s)
        edits = [await _edit(cluster, maitre, number) for number in range(trials)]
        pods = [await served_s(cluster, maitre, number) for number in range(trials)]
    return Run(described, endpoints, first, second, idle, edits, pods)


async def _start(cluster: Installation, endpoints: int, ends: AsyncExitStack) -> tuple[Start, Maitre]:
    length, began, begun = cluster.plane.audit.length, datetime.now(UTC), time.monotonic()
    maitre = await ends.enter_async_context(cluster.router())
    ready_s = time.monotonic() - begun
    await maitre.line("this router leads")
    await _until_quiet(cluster, length)
    await _insist_on_statuses(cluster, endpoints)

    def last(verb: str, resource: str) -> float | None:
        times = [each.at for each in cluster.asked(length, verb=verb, resource=resource)]
        return (max(times) - began).total_seconds() if times else None

    pid = maitre.process.pid
    start = Start(
        ready_s,
        last("create", "secrets"),
        last("patch", "scoringendpoints/status"),
        cpu_seconds(pid),
        memory(pid).rss,
        _asked(cluster, length),
    )
    return start, maitre


async def _until_quiet(cluster: Installation, length: int) -> None:
    """Returns when the router has written nothing but its Lease for QUIET_S."""
    async with asyncio.timeout(BOUND_S):
        known, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET_S:
            found = sum(each.resource != "leases" for each in cluster.asked(length))
            if found != known:
                known, since = found, time.monotonic()
            await asyncio.sleep(0.5)


async def _insist_on_statuses(cluster: Installation, endpoints: int) -> None:
    """A start that left something out is none."""
    found = (await cluster.get(fleet.ENDPOINTS))["items"]
    ready = sum(each.get("status", {}).get("ready") == "2/2" for each in found)
    if ready != endpoints:
        raise Unfit(f"{ready} of {endpoints} endpoints have both replicas in their status")


async def _idle(cluster: Installation, pid: int, seconds: float) -> Idle:
    length, used, began = cluster.plane.audit.length, cpu_seconds(pid), time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    cores = (cpu_seconds(pid) - used) / took
    asked = {what: 60 * count / took for what, count in _asked(cluster, length).items()}
    return Idle(cores, memory(pid).rss, asked)


async def _edit(cluster: Installation, maitre: Maitre, number: int) -> float:
    """Seconds from an edit's being sent to its being in force."""
    start, began = len(maitre.log), time.monotonic()
    await fleet.move_traffic(cluster, name_of(0), 10 + number)
    await maitre.line(f"endpoint in force.*endpoint={name_of(0)}", start)
    return time.monotonic() - began


def _asked(cluster: Installation, start: int) -> dict[str, int]:
    return dict(Counter(f"{each.verb} {each.resource or 'discovery'}" for each in cluster.asked(start)).most_common())


def _say(sentence: str) -> None:
    print(sentence, flush=True)


# -- what is said -----------------------------------------------------------------------------------------------------


def table(run: Run) -> Table:
    lines = [[f"{run.endpoints:,} endpoints with 2 versions each", ""]]
    for called, start in (("first start", run.first), ("second start", run.second)):
        lines += [
            [f"{called}, s to ready", f"{start.ready_s:.1f}"],
            [f"{called}, s to the last Secret made", _seconds(start.keys_s)],
            [f"{called}, s to the last status written", _seconds(start.statuses_s)],
            [f"{called}, s of CPU until then", f"{start.cpu_s:.1f}"],
            [f"{called}, MiB then, RSS", f"{start.rss / 2**20:.0f}"],
            [f"{called}, requests to the API server", _listed(start.asked, 0)],
        ]
    lines += [
        ["idle, % of a core", f"{100 * run.idle.cores:.2f}"],
        ["idle, MiB, RSS", f"{run.idle.rss / 2**20:.0f}"],
        ["idle, requests to the API server per minute", _listed(run.idle.asked, 1)],
        ["ms from an edit to its being in force", _spread(run.edits_s)],
        ["ms from a pod's being ready to its first request", _spread(run.pods_s)],
    ]
    return lines


def _seconds(found: float | None) -> str:
    return "none" if found is None else f"{found:.1f}"


def _listed(asked: dict[str, int] | dict[str, float], digits: int) -> str:
    each = ", ".join(f"{what} {count:.{digits}f}" for what, count in asked.items())
    return f"{sum(asked.values()):.{digits}f} ({each})"


def _spread(seconds: Sequence[float]) -> str:
    found = sorted(1000 * each for each in seconds)
    return f"{found[len(found) // 2]:.0f} ({found[0]:.0f} to {found[-1]:.0f})"


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    made.add_argument("--endpoints", type=positive, default=ENDPOINTS, help=f"with two versions each ({ENDPOINTS})")
    made.add_argument("--idle-seconds", type=positive, default=IDLE_S, help=f"without anything to do ({IDLE_S})")
    made.add_argument("--trials", type=positive, default=TRIALS, help=f"edits, and pods that get ready ({TRIALS})")
    return made


if __name__ == "__main__":
    sys.exit(main())
