import asyncio
import os
import subprocess

import pytest

from router import exits
from router.exits import watch_exit


@pytest.fixture(params=["pidfd", "polling"])
def way(request, monkeypatch):
    if request.param == "polling":
        monkeypatch.setattr(exits, "_pidfd", lambda pid: None)
    elif not hasattr(os, "pidfd_open"):
        pytest.skip("this system has no pidfd")


@pytest.mark.parametrize(("command", "status"), [("exit 3", 3), ("kill -9 $$", -9), ("read line", 1)])
async def test_the_status_arrives(way, command, status):
    process = subprocess.Popen(["sh", "-c", command], stdin=subprocess.DEVNULL)
    assert await asyncio.wait_for(watch_exit(process), 5) == status
    assert process.returncode == status


async def test_one_that_has_ended_already(way):
    process = subprocess.Popen(["true"], stdout=subprocess.PIPE)
    process.stdout.read()
    process.stdout.close()
    assert await asyncio.wait_for(watch_exit(process), 5) == 0


async def test_a_watch_that_was_cancelled_still_reaps(way):
    process = subprocess.Popen(["sh", "-c", "read line"], stdin=subprocess.PIPE)
    watch_exit(process).cancel()
    process.stdin.close()
    async with asyncio.timeout(5):
        while process.returncode is None:
            await asyncio.sleep(0.01)
