"""Nothing is left behind, however maitre ends."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from router.discovery import warden as warden_module
from router.discovery.process import REGISTER_THEN_BECOME
from router.discovery.warden import Warden
from router.exits import watch_exit

OWNER = Path(__file__).with_name("owner.py")
ROOT = Path(__file__).parents[2]
BOUND_S = 10


class Owner:
    """The other process, by its lines of output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pids: dict[str, list[int]] = {"warden": [], "started": [], "child": [], "worker": []}
        self.lines: list[str] = []

    async def line(self, wanted: str) -> None:
        async with asyncio.timeout(BOUND_S):
            while line := (await self.process.stdout.readline()).decode():
                self.lines.append(line)
                word, *rest = line.split()
                if word in self.pids:
                    self.pids[word].append(int(rest[0]))
                if word == wanted:
                    return
        raise AssertionError(f"ended before {wanted}")

    @property
    def all_pids(self) -> list[int]:
        return [pid for pids in self.pids.values() for pid in pids]


@pytest.fixture
async def own() -> AsyncIterator[Callable[..., Owner]]:
    owners: list[Owner] = []

    async def own(*flags: str) -> Owner:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(OWNER), *flags),
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        owners.append(owner := Owner(process))
        await owner.line("ready")
        return owner

    yield own
    for owner in owners:
        if owner.process.returncode is None:
            owner.process.kill()
        await owner.process.communicate()


async def test_kill_9_leaves_no_replica_no_grandchild_and_no_warden(own, gone):
    owner = await own("--spawn-child")
    owner.process.kill()
    assert [len(pids) for pids in owner.pids.values()] == [1, 2, 2, 0]
    for pid in owner.all_pids:
        await gone(pid)


async def test_replicas_that_ignore_sigterm_are_killed_in_the_end(own, gone):
    owner = await own("--ignore-sigterm")
    owner.process.kill()
    for pid in owner.all_pids:
        await gone(pid)


async def test_a_warden_that_dies_is_replaced_and_the_new_one_knows_the_replicas(own, gone):
    owner = await own()
    os.kill(owner.pids["warden"][0], signal.SIGKILL)
    await owner.line("warden")
    assert len(set(owner.pids["warden"])) == 2
    owner.process.kill()
    for pid in owner.all_pids:
        await gone(pid)


async def test_control_c_reaches_maitre_alone(own, gone):
    owner = await own()
    os.killpg(owner.process.pid, signal.SIGINT)  # what a terminal does
    await owner.line("draining")
    for pid in owner.pids["started"] + owner.pids["warden"]:
        assert os.getsid(pid) == pid
    owner.process.stdin.write(b"the running request has ended\n" * 2)
    await owner.line("closed")
    assert sum("ended as told: it was killed by SIGTERM" in line for line in owner.lines) == 2
    for pid in owner.pids["started"] + owner.pids["warden"]:
        await gone(pid)


async def test_signals_that_everybody_gets_do_not_end_the_warden(own, gone):
    owner = await own()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(owner.pids["warden"][0], number)
    owner.process.kill()
    for pid in owner.pids["started"]:
        await gone(pid)


async def test_closing_ends_what_is_still_watched(gone):
    warden = Warden()
    await warden.start()
    stray = subprocess.Popen(["sleep", "60"], start_new_session=True)
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    warden.watch(stray.pid)
    warden.watch(other.pid)
    warden.unwatch(other.pid)
    ended = watch_exit(stray)  # and reaps it, which the warden waits for
    await warden.close()
    assert await ended == -signal.SIGTERM
    assert other.poll() is None
    other.kill()
    other.wait()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process has open is looked up in /proc")
async def test_replicas_outlive_maitre_while_a_worker_lives(own, gone):
    """The warden still listens when maitre is gone: what is said then, through the worker's lifeline, it does later."""
    owner = await own("--worker")
    owner.process.kill()
    await owner.process.wait()
    (worker,) = owner.pids["worker"]
    (lifeline,) = (fd for fd in Path(f"/proc/{worker}/fd").iterdir() if int(fd.name) > 2)
    late = subprocess.Popen(["sleep", "60"], start_new_session=True)
    lifeline.write_text(f"+{late.pid}\n")
    os.kill(worker, signal.SIGKILL)
    assert await watch_exit(late) == -signal.SIGTERM
    for pid in owner.all_pids:
        await gone(pid)


async def test_a_process_registers_itself_before_it_is_the_command():
    """And the pipe does not end before it has: here its other writer is gone before the process begins."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        ["/bin/sh", "-c", REGISTER_THEN_BECOME, "maitre", "sleep", "60"], stdin=writing, start_new_session=True
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"+%d\n" % process.pid
    assert process.poll() is None
    process.kill()
    process.wait()


async def test_a_warden_that_hangs_is_replaced(caplog, gone):
    warden = Warden()
    await warden.start()
    first = warden.pid
    os.kill(first, signal.SIGSTOP)
    for _ in range(20_000):
        warden.unwatch(99_999_999)
    assert "the warden does not read; replacing it" in caplog.text
    async with asyncio.timeout(5):
        while warden.pid == first:
            await asyncio.sleep(0.01)
    await warden.close()
    await gone(first)


async def test_it_is_quickly_there_and_small():
    reading, writing = os.pipe()
    helper = subprocess.Popen([sys.executable, "-I", "-S", str(warden_module.HELPER)], stdin=reading)
    os.close(reading)
    status = Path(f"/proc/{helper.pid}/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        assert int(peak.split()[1]) < 20_000
    os.close(writing)
    assert helper.wait(5) == 0
