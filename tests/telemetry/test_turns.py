"""What waits for the event loop is measured as a request meets it, and CPU time that others had is not overlooked."""

import asyncio
import subprocess
import sys
import time

import pytest

from router.telemetry.cpu_time import SCHEDSTAT, wanted_cpu_s
from router.telemetry.turns import EVERY_S, Turns


@pytest.fixture
async def turns():
    turns = Turns(asyncio.get_running_loop())
    turns.start()
    yield turns
    turns.close()


async def until(turns, number):
    async with asyncio.timeout(10):
        while turns.pulse().turns < number:
            await asyncio.sleep(0.01)


async def waits(turns, number=5):
    """Mean of so many turns from now on."""
    before = turns.pulse()
    await until(turns, before.turns + number)
    after = turns.pulse()
    return (after.waited_s - before.waited_s) / (after.turns - before.turns)


async def test_a_loop_that_is_busy_has_long_turns_and_an_idle_one_short_ones(turns):
    await until(turns, 1)
    idle_s = await waits(turns)

    async def busy():
        while True:
            time.sleep(0.02)
            await asyncio.sleep(0)

    task = asyncio.get_running_loop().create_task(busy())
    busy_s = await waits(turns)
    task.cancel()
    assert busy_s > 0.01
    assert idle_s < busy_s / 2


async def test_numbers_only_grow_and_nothing_is_left_behind():
    turns = Turns(asyncio.get_running_loop(), cpu=lambda: 1.5)
    turns.start()
    await until(turns, 2)
    first = turns.pulse()
    await until(turns, 3)
    second = turns.pulse()
    assert second.turns > first.turns
    assert second.waited_s > first.waited_s > 0
    assert second.cpu_s == 1.5
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    turns.close()
    await asyncio.sleep(2 * EVERY_S)  # nothing tells of what does not happen
    assert turns.pulse() == second
    assert failures == []


def test_one_that_was_never_started_can_be_closed():
    loop = asyncio.new_event_loop()
    Turns(loop).close()
    loop.close()


def test_cpu_time_is_what_was_used_where_nobody_tells_more(tmp_path):
    for content in (None, "", "a b c"):
        path = tmp_path / "schedstat"
        if content is not None:
            path.write_text(content)
        before = time.process_time()
        assert before <= wanted_cpu_s(path) <= time.process_time()


def test_waiting_is_told_in_nanoseconds(tmp_path):
    path = tmp_path / "schedstat"
    path.write_text("5000000000 2500000000 12\n")
    assert wanted_cpu_s(path) - time.process_time() == pytest.approx(2.5, abs=0.1)


@pytest.mark.skipif(not SCHEDSTAT.exists(), reason="the system tells no waiting")
def test_a_core_that_is_shared_is_wanted_by_both():
    """Two that never rest, on one core: each uses half of it, and wants all."""
    program = (
        "import os, time\n"
        "from router.telemetry.cpu_time import wanted_cpu_s\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "begun, cpu, wanted = time.monotonic(), time.process_time(), wanted_cpu_s()\n"
        "while time.monotonic() < begun + 1: pass\n"
        "print(time.process_time() - cpu, wanted_cpu_s() - wanted)\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for each in both:
        out, _ = each.communicate(timeout=30)
        used, wanted = map(float, out.split())
        assert wanted > used
        assert 0.8 < wanted < 1.2
