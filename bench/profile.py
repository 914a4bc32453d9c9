"""`python -m bench.profile`: where maitre spends its time under the steady load.

The router runs in this process under cProfile, which charges every call of a Python function and so makes code of many
small functions look slower than it is: read it for what is called how often, not for how long it takes. Where perf is
there, an undisturbed router is sampled too: that shows how much is kernel, interpreter and the rest.
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import pstats
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop

from bench import contenders, cores, load, ourselves, stand_in
from bench.contenders import MAITRE
from bench.processes import running
from bench.rounds import Arena, free_ports, wait_until_open
from bench.shapes import FULL, STEADY
from bench.work import Replicas
from router.main import serve
from router.settings import Settings

SECONDS = 4
ROWS = 30


def main() -> int:
    load.require()
    place = cores.choose(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="maitre-profile-") as name:
        directory = Path(name)
        calls(directory, place)
        if shutil.which("perf"):
            samples(directory, place)
    return 0


def calls(directory: Path, place: cores.Cores) -> None:
    """Runs the router here, under cProfile, and prints the functions that cost most."""
    one, two, three, four, port = free_ports(5)
    replicas = Replicas(blue=(one, two), green=(three, four))
    ourselves.prepare(directory, port, replicas)
    settings = Settings(
        config=directory / "endpoints.yaml", host="127.0.0.1", port=port, admin_port=0, state_dir=directory
    )
    log = directory / "stand-in.log"
    with running(stand_in.command(replicas.all, directory), place.model, log, cwd=contenders.TREE) as model:
        wait_until_open("the model stand-in", four, model, log)
        profile = cProfile.Profile()
        with cores.pinned(place.proxy):
            requests = uvloop.run(_profiled(settings, port, place, profile))
    show(profile, requests)


async def _profiled(settings: Settings, port: int, place: cores.Cores, profile: cProfile.Profile) -> int:
    """Serves until the load generator has ended; returns how many requests it sent while the profile was taken."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, lambda _line: ready.set()))
        await ready.wait()
        await loop.run_in_executor(None, _drive, port, place, 1)
        profile.enable()
        driven = await loop.run_in_executor(None, _drive, port, place, SECONDS)
        profile.disable()
        os.kill(os.getpid(), signal.SIGTERM)
    return driven.requests


def _drive(port: int, place: cores.Cores, seconds: int) -> load.Load:
    with cores.pinned(place.load):  # this thread and what it starts; the event loop's thread stays where it is
        ran = subprocess.run(load.command(port, seconds, STEADY), capture_output=True, text=True, check=True)
    return load.parse(ran.stdout)


def show(profile: cProfile.Profile, requests: int) -> None:
    """The functions by own time, as microseconds and calls per request."""
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # typeshed does not know it
    costs = sorted(((own, calls, name) for name, (_, calls, own, _, _) in stats.items()), reverse=True)
    total = sum(own for own, _, _ in costs)
    print(f"{requests} requests; {sum(calls for _, calls, _ in costs) / requests:.0f} calls and", end=" ")
    print(f"{total / requests * 1e6:.0f} µs of each under cProfile, which distorts; the costliest by own time:\n")
    for own, count, (file, line, function) in costs[:ROWS]:
        where = f"{Path(file).name}:{line}" if line else ""
        print(f"{own / requests * 1e6:7.2f} µs {count / requests:6.2f} calls  {function}  {where}")


def samples(directory: Path, place: cores.Cores) -> None:
    """Samples an ordinary router and prints which libraries and functions it was in."""
    ours = [contenders.from_tree(MAITRE, contenders.TREE)]
    data = directory / "perf.data"
    (directory / "arena").mkdir()
    with Arena(ours, place, directory / "arena") as arena:
        record = [
            "perf",
            "record",
            "-q",
            "-e",
            "cpu-clock",
            "-F",
            "2000",
            "-o",
            str(data),
            "-p",
            str(arena.pid(MAITRE)),
        ]
        recorder = subprocess.Popen(record, stderr=subprocess.DEVNULL)
        arena.measure(
            (STEADY, FULL), 1, SECONDS, lambda sample: print(f"\nperf, {sample.shape}: {sample.cpu_us:.1f} µs/request")
        )
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
    for key, rows in (("dso", 6), ("dso,symbol", ROWS)):
        report = ["perf", "report", "-i", str(data), "--stdio", "--sort", key]
        said = subprocess.run(report, capture_output=True, text=True, check=False)
        lines = [line.rstrip() for line in said.stdout.splitlines() if line.strip() and not line.startswith("#")]
        print("\n" + "\n".join(lines[:rows]))


if __name__ == "__main__":
    sys.exit(main())
